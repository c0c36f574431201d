package storage_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
	"pgregory.net/rapid"
)

func TestGlobMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, prefix string
		yes, no         []string
	}{
		{"raw/2026-*/**/*.json", "raw/2026-", []string{"raw/2026-11/a.json", "raw/2026-/x/y/z.json"}, []string{"raw/2026-11.json", "raw/2027-01/a.json", "raw/2026-11/a.jsonl", "x/raw/2026-11/a.json"}},
		{"*.csv", "", []string{"a.csv", ".csv"}, []string{"a/b.csv", "a.csv.gz"}},
		{"a/b.txt", "a/b.txt", []string{"a/b.txt"}, []string{"a/b.txt2", "b.txt"}},
		{"**", "", []string{"a", "a/b/c"}, nil},
		{"a/**", "a/", []string{"a/b", "a/b/c"}, []string{"a", "b/a"}},
		{"**/x/**/y", "", []string{"x/y", "a/x/y", "a/x/b/c/y", "x/x/y/y"}, []string{"x", "y/x"}},
		{"**/**/x", "", []string{"x", "a/b/x"}, []string{"x/a"}},
		{"p[0-9]?-[^a].bin", "p", []string{"p1x-b.bin"}, []string{"p1x-a.bin", "pxx-b.bin", "p1/-b.bin"}},
		{`lit\*eral\[/x*`, "lit*eral[/x", []string{"lit*eral[/xyz"}, []string{"literal[/x"}},
	} {
		p, err := storage.CompileGlob(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if p.Prefix() != c.prefix {
			t.Errorf("%s: prefix %q, want %q", c.pattern, p.Prefix(), c.prefix)
		}
		for _, name := range c.yes {
			if !p.Match(name) {
				t.Errorf("%s does not match %s", c.pattern, name)
			}
		}
		for _, name := range c.no {
			if p.Match(name) {
				t.Errorf("%s matches %s", c.pattern, name)
			}
		}
	}
}

func TestGlobMistakes(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"", "/abs/*", "a[", "a\\", "a**b", "a//b", "x/"} {
		if _, err := storage.CompileGlob(pattern); fault.Of(err) != fault.Usage {
			t.Errorf("%q: got %v, want a usage error", pattern, err)
		}
	}
}

// The matcher agrees with the regular expression that the pattern means, and
// what matches starts with the prefix that is listed.
func TestGlobAgreesWithRegexp(t *testing.T) {
	t.Parallel()
	elem := rapid.SampledFrom([]string{"**", "*", "a", "b", "a*", "?", "*b"})
	word := rapid.SampledFrom([]string{"a", "b", "ab", "abb", "c"})
	rapid.Check(t, func(t *rapid.T) {
		elems := rapid.SliceOfN(elem, 1, 6).Draw(t, "pattern")
		pattern := strings.Join(elems, "/")
		name := strings.Join(rapid.SliceOfN(word, 1, 7).Draw(t, "name"), "/")
		p, err := storage.CompileGlob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := p.Match(name), globRegexp(elems).MatchString("/"+name); got != want {
			t.Fatalf("%s against %s: %v, want %v", pattern, name, got, want)
		}
		if p.Match(name) && !strings.HasPrefix(name, p.Prefix()) {
			t.Fatalf("%s matches %s, which lies outside the prefix %q", pattern, name, p.Prefix())
		}
	})
}

func globRegexp(elems []string) *regexp.Regexp {
	var expr strings.Builder
	expr.WriteString("^")
	for i, e := range elems {
		if e == "**" {
			expr.WriteString("(/[^/]+)" + map[bool]string{true: "+", false: "*"}[i == len(elems)-1])
			continue
		}
		e = strings.ReplaceAll(strings.ReplaceAll(e, "*", "[^/]*"), "?", "[^/]")
		expr.WriteString("/" + e)
	}
	return regexp.MustCompile(expr.String() + "$")
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{
		"a": true, "a/b.c": true, "..a": true, "a/...": true, "日本": true,
		"": false, "/": false, "/a": false, "a/": false, "a//b": false, ".": false, "a/./b": false, "a/..": false,
		"a\nb": false, "\xff": false, strings.Repeat("a", 256): false, strings.Repeat("a/", 460) + "a": false,
	} {
		err := storage.CheckName(name)
		if good && err != nil || !good && fault.Of(err) != fault.Usage {
			t.Errorf("%.20q: got %v, good is %v", name, err, good)
		}
	}
}
