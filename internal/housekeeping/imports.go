package housekeeping

import (
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/millrace/millrace/"

// below lists what each top-level folder may import, beside itself. A folder that
// is not listed may not hold Go code.
var below = map[string][]string{
	"sdk":        {},
	"catalog":    {"sdk"},
	"connectors": {"sdk", "catalog"},
	"jobs":       {"sdk", "catalog", "connectors", "internal"},
	"runners":    {"sdk", "catalog", "connectors", "internal"},
	"internal":   {"sdk", "catalog", "connectors"},
	"cmd":        {"sdk", "catalog", "connectors", "jobs", "runners", "internal"},
	"examples":   {"sdk", "catalog", "connectors", "jobs", "runners", "internal"},
	"bench":      {"sdk", "catalog", "connectors", "jobs", "runners", "internal"},
}

// importExceptions are single imports "from to".
var importExceptions = Allowed{}

// frozen packages import neither Beam nor Arrow: their types are read by people
// who know neither, and their tests must be quick.
var frozen = []string{"sdk/money", "sdk/change"}

// Imports point one way; a connector never imports a sibling; what only serves
// tests stays out of binaries.
func Imports(t *Tree) []Finding {
	var out []Finding
	allow := importExceptions.start()
	for p, f := range t.Source {
		for _, spec := range f.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			if reason := refused(p, to); reason != "" && !allow.covers(f.Path+":"+to) {
				out = append(out, t.at(spec, "imports %s: %s", strings.TrimPrefix(to, module), reason))
			}
		}
	}
	return append(out, allow.stale(t, "importExceptions")...)
}

// refused says why a package must not import another, or "".
func refused(p *Package, to string) string {
	dir, ours := strings.CutPrefix(to, module)
	if !ours {
		if slices.Contains(frozen, p.Dir) && (strings.Contains(to, "/beam/") || strings.Contains(to, "/arrow")) {
			return "money and change know neither Beam nor Arrow"
		}
		return ""
	}
	from, at := top(p.Dir), top(dir)
	switch {
	case servesTests(dir) && !p.ForTests() && from != "bench":
		return "it only serves tests, and must not become part of a binary"
	case from == at && from == "connectors" && sub(p.Dir) != sub(dir) && !p.ForTests():
		return "a connector never imports a sibling; what both need belongs in sdk or catalog"
	case from == at && (from == "cmd" || from == "examples" || from == "bench") && sub(p.Dir) != sub(dir):
		return "programs do not import each other"
	case from == at || p.ForTests():
		return ""
	case below[from] == nil:
		return "the folder " + from + " is not part of the layout"
	case !slices.Contains(below[from], at):
		return "imports point one way: " + from + " may use " + strings.Join(append([]string{"itself"}, below[from]...), ", ")
	}
	return ""
}

func top(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// sub is the folder below the top one.
func sub(dir string) string {
	_, rest, _ := strings.Cut(dir, "/")
	return top(rest)
}
