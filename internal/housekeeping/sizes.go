package housekeeping

import (
	"fmt"
	"go/ast"
	"sort"
)

// Sizes lists the source files over lines and the functions over body lines, longest first. It is
// a report: size is judged by reading, not by a limit.
func Sizes(t *Tree, lines, body int) []Finding {
	type sized struct {
		n int
		f Finding
	}
	var all []sized
	for _, f := range t.Source {
		if n := t.Fset.Position(f.FileEnd).Line; n > lines {
			all = append(all, sized{n, Finding{f.Path, 0, fmt.Sprintf("%d lines", n)}})
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			if n := t.Fset.Position(fn.End()).Line - t.Fset.Position(fn.Pos()).Line + 1; n > body {
				all = append(all, sized{n, t.at(fn, "%s has %d lines", fn.Name.Name, n)})
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].n > all[j].n })
	out := make([]Finding, len(all))
	for i, s := range all {
		out[i] = s.f
	}
	return out
}
