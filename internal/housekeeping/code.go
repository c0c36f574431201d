package housekeeping

import (
	"go/ast"
	"strings"
)

// panicExceptions are functions that may panic: path:function.
var panicExceptions = Allowed{}

// Panics: bad input returns an error where Beam's habit would be to panic.
// http.ErrAbortHandler is net/http's own way to cut a connection.
func Panics(t *Tree) []Finding {
	var out []Finding
	allow := panicExceptions.start()
	for p, f := range t.Source {
		if p.ForTests() || p.Name == "main" {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			x, name := selector(call.Fun)
			id, _ := call.Fun.(*ast.Ident)
			fatal := x == "log" && (strings.HasPrefix(name, "Fatal") || strings.HasPrefix(name, "Panic"))
			if (fatal || id != nil && id.Name == "panic") && !allow.covers(f.Path+":"+f.function(call.Pos())) {
				out = append(out, t.at(call, "panics: return an error that says what was being done to what"))
			}
			return true
		})
	}
	return append(out, allow.stale(t, "panicExceptions")...)
}

// Inits: init only registers functions and types with Beam, whose workers must find them by name.
// Everything else is an explicit call, so that a reader sees what a program is made of.
func Inits(t *Tree) []Finding {
	var out []Finding
	for _, f := range t.Source {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || fn.Name.Name != "init" {
				continue
			}
			for _, s := range fn.Body.List {
				if !registers(s) {
					out = append(out, t.at(s, "init does more than register with Beam: make it a call"))
				}
			}
		}
	}
	return out
}

func registers(s ast.Stmt) bool {
	e, ok := s.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := e.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	fun := call.Fun
	switch x := fun.(type) {
	case *ast.IndexExpr:
		fun = x.X
	case *ast.IndexListExpr:
		fun = x.X
	}
	x, name := selector(fun)
	return x == "register" || (x == "beam" || x == "dataset" || x == "runners") && strings.HasPrefix(name, "Register")
}

// Ignored: an error that is thrown away says why, on its line or above it.
func Ignored(t *Tree) []Finding {
	var out []Finding
	for p, f := range t.Source {
		if p.ForTests() && p.Dir != "internal/testservers" {
			continue
		}
		commented := map[int]bool{}
		for _, g := range f.Comments {
			for l := t.Fset.Position(g.Pos()).Line; l <= t.Fset.Position(g.End()).Line+1; l++ {
				commented[l] = true
			}
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			a, ok := n.(*ast.AssignStmt)
			if !ok || len(a.Rhs) != 1 || !blank(a.Lhs) {
				return true
			}
			if _, ok := a.Rhs[0].(*ast.CallExpr); ok && !commented[t.Fset.Position(a.Pos()).Line] {
				out = append(out, t.at(a, "throws an error away without a word: handle it, or say beside it why it does not matter"))
			}
			return true
		})
	}
	return out
}

func blank(list []ast.Expr) bool {
	for _, e := range list {
		if id, ok := e.(*ast.Ident); !ok || id.Name != "_" {
			return false
		}
	}
	return true
}

// Skips: a part that a test needs is installed, or its test fails. Inside a fuzz target or a
// property a skip means "not an input of this kind", and is a call with what makes it so.
func Skips(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if !f.Test && !p.ForTests() {
				continue
			}
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || fn.Body == nil || !takesTesting(fn) {
					continue
				}
				out = append(out, t.skips(fn)...)
			}
		}
	}
	return out
}

func takesTesting(fn *ast.FuncDecl) bool {
	for _, p := range fn.Type.Params.List {
		e := p.Type
		if s, ok := e.(*ast.StarExpr); ok {
			e = s.X
		}
		if x, name := selector(e); x == "testing" && name != "F" {
			return true
		}
	}
	return false
}

func (t *Tree) skips(fn *ast.FuncDecl) []Finding {
	var out []Finding
	short := false
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		x, name := selector(call.Fun)
		short = short || x == "testing" && name == "Short"
		if inProperty(call, fn) {
			return true
		}
		if (x == "t" || x == "b" || x == "tb") && strings.HasPrefix(name, "Skip") && !short {
			out = append(out, t.at(call, "skips a test: what it needs is installed, or it fails"))
		}
		return true
	})
	return out
}

// inProperty reports whether a call lies in a function literal over *rapid.T.
func inProperty(call *ast.CallExpr, fn *ast.FuncDecl) bool {
	in := false
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		lit, ok := n.(*ast.FuncLit)
		if !ok || call.Pos() < lit.Pos() || call.Pos() >= lit.End() {
			return true
		}
		for _, p := range lit.Type.Params.List {
			if s, ok := p.Type.(*ast.StarExpr); ok {
				if x, _ := selector(s.X); x == "rapid" {
					in = true
				}
			}
		}
		return true
	})
	return in
}
