package strictyaml_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/strictyaml"
)

type inner struct {
	Endpoint string          `yaml:"endpoint" required:"true" doc:"where it listens"`
	Secret   string          `yaml:"secret_key" secret:"true"`
	Part     strictyaml.Size `yaml:"part" default:"16MiB"`
}

type config struct {
	Name   string           `yaml:"name" required:"true" doc:"the project's name"`
	Mode   string           `yaml:"mode" enum:"fail|evolve|ignore" default:"evolve"`
	Wait   time.Duration    `yaml:"wait" default:"1s"`
	Count  int              `yaml:"count" default:"7"`
	On     bool             `yaml:"on" default:"true"`
	List   []string         `yaml:"list"`
	Inner  *inner           `yaml:"inner"`
	ByName map[string]inner `yaml:"by_name"`
}

func env(k string) (string, bool) {
	v, ok := map[string]string{"KEY": "s3cret"}[k]
	return v, ok
}

func TestDecodeFillsEverything(t *testing.T) {
	t.Parallel()
	var c config
	where, problems := strictyaml.Decode("m.yaml", []byte("name: a${NOPE:-b}$$\nwait: 90s\nlist: [x, y]\ninner:\n  endpoint: e\n  secret_key: ${KEY}\n  part: 5 MiB\n"), env, &c)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if c.Name != "ab$" || c.Wait != 90*time.Second || c.Count != 7 || !c.On || c.Mode != "evolve" || c.Inner.Secret != "s3cret" || c.Inner.Part != 5<<20 || len(c.List) != 2 {
		t.Fatalf("%+v %+v", c, c.Inner)
	}
	if where["inner.endpoint"][0] != 5 {
		t.Fatalf("inner.endpoint is said to be at %v", where["inner.endpoint"])
	}
	text, err := strictyaml.Print(&c)
	if err != nil || strings.Contains(text, "s3cret") || !strings.Contains(text, strictyaml.Masked) || !strings.Contains(text, "part: 5MiB") {
		t.Fatalf("%v\n%s", err, text)
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	var c config
	src := `mode: evolv
wiat: 1s
wait: soon
count: many
on: yes please
list: x
inner:
  endpont: e
  secret_key: ${MISSING}
by_name: {a: {endpoint: e, part: -1}}
`
	_, problems := strictyaml.Decode("m.yaml", []byte(src), env, &c)
	want := []string{
		`m.yaml:1:1: name: is required: the project's name`,
		`m.yaml:1:7: mode: "evolv" is not one of fail, evolve, ignore; did you mean evolve?`,
		`m.yaml:2:1: wiat: unknown key; did you mean wait?`,
		`m.yaml:3:7: wait: "soon" is not a duration; write it like 90s, 5m or 24h`,
		`m.yaml:4:8: count: "many" is not a whole number`,
		`m.yaml:5:5: on: "yes please" is neither true nor false`,
		`m.yaml:6:7: list: expected a list, such as [a, b]; found "x"`,
		`m.yaml:8:3: inner.endpont: unknown key; did you mean endpoint?`,
		`m.yaml:8:3: inner.endpoint: is required: where it listens`,
		`m.yaml:9:15: inner.secret_key: the environment variable MISSING is not set; set it, or write ${MISSING:-default}`,
		`m.yaml:10:34: by_name.a.part: "-1" is not a size; write it like 64MiB or 1GiB`,
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Error())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSyntaxErrorHasItsLine(t *testing.T) {
	t.Parallel()
	var c config
	_, problems := strictyaml.Decode("m.yaml", []byte("name: a\n\tb: c\n"), env, &c)
	if len(problems) != 1 || problems[0].Line != 2 {
		t.Fatalf("%v", problems)
	}
}

func TestJSONSchema(t *testing.T) {
	t.Parallel()
	out, err := strictyaml.JSONSchema(&config{}, "test")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Required             []string
		AdditionalProperties bool
		Properties           map[string]struct {
			Description string
			Enum        []string
			Default     any
		}
	}
	if err := json.Unmarshal(out, &s); err != nil || s.Required[0] != "name" || s.AdditionalProperties || len(s.Properties["mode"].Enum) != 3 || s.Properties["on"].Default != true {
		t.Fatalf("%v %s", err, out)
	}
}

func TestMaskURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"postgres://u:pw@h/db": "postgres://u:********@h/db",
		"postgres://u@h/db":    "postgres://u@h/db",
		"plain text":           "plain text",
		"pg://u:p%zz@h":        "pg://********",
	} {
		if got := strictyaml.MaskURL(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("name: a\ninner: {endpoint: x}\n"))
	f.Add([]byte("a: &x [*x]\n"))
	f.Add([]byte("name: ${KEY\nwait: 1s\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c config
		_, problems := strictyaml.Decode("f", data, env, &c)
		if len(problems) == 0 && c.Name == "" && !strings.Contains(string(data), "name") {
			t.Fatalf("accepted without a name: %q", data)
		}
	})
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	var c config
	_, problems := strictyaml.Decode("m.yaml", []byte("name: a\n"), env, &c, "name=b", "inner.endpoint=e", "list=[x, y]", "count=9")
	if len(problems) > 0 || c.Name != "b" || c.Inner.Endpoint != "e" || len(c.List) != 2 || c.Count != 9 {
		t.Fatalf("%v %+v", problems, c)
	}
	_, problems = strictyaml.Decode("m.yaml", []byte("name: a\n"), env, &c, "nonsense", "name.x=1", "naem=1")
	if len(problems) != 3 {
		t.Fatalf("%v", problems)
	}
}
