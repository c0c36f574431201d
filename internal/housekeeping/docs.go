package housekeeping

import (
	"go/ast"
	"go/token"
	"strings"
)

// PackageDocs: every package says what it is for.
func PackageDocs(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		code, doc := false, false
		for _, f := range p.Files {
			code = code || !f.Test
			doc = doc || !f.Test && f.Doc != nil
		}
		if code && !doc {
			out = append(out, Finding{Path: p.Dir, Message: "the package has no doc comment: its nouns, its invariants, its errors"})
		}
	}
	return out
}

// selfExplaining methods fulfil an interface of the standard library, which documents them.
var selfExplaining = map[string]bool{"Error": true, "Unwrap": true, "String": true, "Is": true, "As": true, "Len": true, "Less": true, "Swap": true, "ServeHTTP": true}

// Documented: every exported name has a comment: functions, types, methods of exported types,
// constants and variables (a comment on their group is enough).
func Documented(t *Tree) []Finding {
	var out []Finding
	for p, f := range t.Source {
		if p.Name == "main" {
			continue
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if !d.Name.IsExported() || d.Doc != nil {
					continue
				}
				if d.Recv != nil && (!token.IsExported(receiver(d)) || selfExplaining[d.Name.Name]) {
					continue
				}
				out = append(out, t.at(d, "exported %s has no comment", d.Name.Name))
			case *ast.GenDecl:
				out = append(out, t.undocumented(d)...)
			}
		}
	}
	return out
}

func (t *Tree) undocumented(d *ast.GenDecl) []Finding {
	var out []Finding
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
				out = append(out, t.at(s, "exported type %s has no comment", s.Name.Name))
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					out = append(out, t.at(n, "exported %s has no comment", n.Name))
				}
			}
		}
	}
	return out
}

// exampleExceptions are packages whose use can't be shown in a few lines that run.
var exampleExceptions = Allowed{
	"jobs/demo":          "the verb millrace demo is its only use",
	"sdk/files/fileset":  "file connectors stand on it: connectors/csvio is the example",
	"sdk/source/planner": "change sources stand on it: connectors/fileio is the example",
}

// Examples: a package that others import has an Example that runs, so that its use is shown and compiled.
func Examples(t *Tree) []Finding {
	var out []Finding
	allow := exampleExceptions.start()
	for _, p := range t.Packages {
		if p.Name == "main" || strings.Contains("/"+p.Dir+"/", "/internal/") || p.ForTests() || !exports(p) {
			continue
		}
		if !hasFunc(p, "Example") && !allow.covers(p.Dir) {
			out = append(out, Finding{Path: p.Dir, Message: "no Example shows how the package is used"})
		}
	}
	return append(out, allow.stale(t, "exampleExceptions")...)
}

func exports(p *Package) bool {
	for _, f := range p.Files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !f.Test && fn.Name.IsExported() {
				return true
			}
		}
	}
	return false
}

// hasFunc reports whether a test of the package is a function whose name begins so.
func hasFunc(p *Package, prefix string) bool {
	for _, f := range p.Files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.Test && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, prefix) {
				return true
			}
		}
	}
	return false
}
