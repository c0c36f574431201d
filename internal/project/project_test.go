package project_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/fault"
)

func env(string) (string, bool) { return "", false }

func TestTheTemplateHasNoMistake(t *testing.T) {
	t.Parallel()
	f, err := project.Parse("millrace.yaml", []byte(project.Template), env)
	if err != nil {
		t.Fatal(err)
	}
	if tables := f.Ingest.Tables; len(tables) != 2 || !tables["entries"].AppendOnly || !tables["accounts"].Mirror {
		t.Fatalf("%+v", tables)
	}
}

func TestEveryMistakeAtOnceWithItsLine(t *testing.T) {
	t.Parallel()
	_, err := project.Parse("m.yaml", []byte(`name: x
lake:
  catalog: mysql://h/db
  warehouse: /srv/lake
  token: t
  s3: {endpoint: nowhere, credentials: env, access_key: k}
source: {}
ingest:
  tables:
    entries:
      key: [id]
      columns: ['amount decimal(40,2)']
      mirror: false
      history: false
      append_only: true
      bucket_by: id
      control: [amount per currency]
  process: {memory: 128MiB}
rekoncile: {}
`), env)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`m.yaml:3:12: lake.catalog: "mysql://h/db" is not a catalog`,
		`m.yaml:4:14: lake.warehouse: "/srv/lake" is not a location`,
		`m.yaml:5:10: lake.token: has no effect`,
		`m.yaml:6:7: lake.s3: has no effect`,
		`lake.s3.endpoint: "nowhere" is not an endpoint`,
		`lake.s3.access_key: has no effect with credentials: env`,
		`m.yaml:7:9: source: says nothing of where the change stream is`,
		`ingest.tables.entries: keeps neither a mirror nor history`,
		`ingest.tables.entries.append_only: has no effect without a mirror`,
		`ingest.tables.entries.bucket_by: has no effect without buckets`,
		`ingest.tables.entries.columns: column amount: "decimal(40,2)"`,
		`m.yaml:19:1: rekoncile: unknown key`,
		`ingest.process.memory: is less than max_heap`,
		`ingest.tables.entries.control: item 1: "amount per currency"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in\n%s", want, err)
		}
	}
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	f, err := project.Parse("m.yaml", []byte("name: x\nlake: {catalog: 'postgres://u:hidden@h/db', warehouse: 's3://b/p', s3: {endpoint: 'http://h', access_key: a, secret_key: hidden2}}\n"), env)
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.Effective()
	if err != nil || strings.Contains(text, "hidden") || !strings.Contains(text, "access_key: a") {
		t.Fatalf("%v\n%s", err, text)
	}
}

func TestTheTemplateOfFilesHasNoMistake(t *testing.T) {
	t.Parallel()
	text, err := project.TemplateFor("files")
	if err != nil {
		t.Fatal(err)
	}
	f, err := project.Parse("millrace.yaml", []byte(text), env)
	if err != nil {
		t.Fatal(err)
	}
	s := f.Source.Files
	if s == nil || f.Source.Kafka != nil || s.Location != "file://arriving" || s.Pattern != "{table}/" || s.Poll != time.Second || len(f.Ingest.Tables) != 2 {
		t.Fatalf("%+v", s)
	}
	if _, err := project.TemplateFor("mysql"); fault.Of(err) != fault.Usage {
		t.Errorf("an unknown kind: %v", err)
	}
}

func TestMistakesOfFiles(t *testing.T) {
	t.Parallel()
	const rest = `
ingest: {tables: {a: {key: [id], columns: [id bigint]}, b: {key: [id], columns: [id bigint]}}}
lake: {catalog: 'sqlite://c', warehouse: 'file://w'}
`
	for source, want := range map[string]string{
		"files: {}":                     "source.files.location: is required",
		"files: {location: arriving}":   `m.yaml:2:28: source.files.location: "arriving" is not a location`,
		"files: {location: 's3://b/p'}": "source.files.location: s3://b/p needs the settings lake.s3",
		"files: {location: 'file://x', s3: {endpoint: 'http://h', credentials: env}}": "source.files.s3: has no effect",
		"files: {location: 's3://b', s3: {endpoint: h, credentials: env}}":            `source.files.s3.endpoint: "h" is not an endpoint`,
		"files: {location: 'file://x', pattern: 'all/'}":                              `source.files.pattern: "all/" gives every table the same files`,
		"files: {location: 'file://x', pattern: '{table}/[.json'}":                    "source.files.pattern: pattern",
		"files: {location: 'file://x', transactions: '{table}/tx'}":                   "source.files.transactions: ",
		"files: {location: 'file://x', schema: s}":                                    "source.files.schema: has no effect without transactions",
		"files: {location: 'file://x', late: skip}":                                   `source.files.late: `,
		"files: {location: 'file://x', settel: 1s}":                                   "settle",
		"{kafka: {brokers: [b], prefix: p}, files: {location: 'file://x'}}":           "source.files: and source.kafka exclude each other",
	} {
		if !strings.HasPrefix(source, "{") {
			source = "{" + source + "}"
		}
		_, err := project.Parse("m.yaml", []byte("name: x\nsource: "+source+rest), env)
		if err == nil || !strings.Contains(err.Error(), want) || fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(project.Template))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := project.Parse("f.yaml", data, env); err == nil && p.Name == "" {
			t.Fatal("accepted without a name")
		}
	})
}
