package housekeeping

import (
	"go/ast"
	"strings"
)

// wireFile lists what Beam knows of this module by name: a line each.
const wireFile = "internal/housekeeping/wire.txt"

// Wire: the names under which functions and types are registered with Beam are a contract with
// savepoints and with workers of another version. Every one stands in wireFile.
func Wire(t *Tree) []Finding {
	kept, found := map[string]int{}, false
	for _, text := range t.Texts {
		if text.Path != wireFile {
			continue
		}
		found = true
		for i, line := range strings.Split(text.Data, "\n") {
			if name, _, _ := strings.Cut(line, "#"); strings.TrimSpace(name) != "" {
				kept[strings.TrimSpace(name)] = i + 1
			}
		}
	}
	if !found {
		return []Finding{{Path: wireFile, Message: "is missing: it lists every name that is registered with Beam"}}
	}
	var out []Finding
	seen := map[string]bool{}
	for p, f := range t.Source {
		if p.ForTests() || p.Under("examples") || p.Under("bench") {
			continue
		}
		for n, name := range registrations(p, f) {
			if kept[name] == 0 {
				out = append(out, t.at(n, "registers %s with Beam: a new name gets a line in %s; a changed one breaks running pipelines, so keep the old name too until none runs", name, wireFile))
			}
			seen[name] = true
		}
	}
	for name, line := range kept {
		if !seen[name] {
			out = append(out, Finding{wireFile, line, name + " is not registered any more: savepoints and older workers name it; bring it back, or remove the line and say in CHANGELOG.md that pipelines must be drained before the upgrade"})
		}
	}
	return out
}

// registrations yields what a file registers: package path.name, with [T] behind a generic one.
func registrations(p *Package, f *File) func(func(ast.Node, string) bool) {
	return func(yield func(ast.Node, string) bool) {
		ast.Inspect(f.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, name := range registered(call) {
				if !yield(call, module+p.Dir+"."+name) {
					return false
				}
			}
			return true
		})
	}
}

// registered names what one call registers; emitters and iterators are not named on the wire.
func registered(call *ast.CallExpr) []string {
	fun, args := call.Fun, []ast.Expr(nil)
	switch x := fun.(type) {
	case *ast.IndexExpr:
		fun, args = x.X, []ast.Expr{x.Index}
	case *ast.IndexListExpr:
		fun = x.X
	}
	x, verb := selector(fun)
	switch {
	case x == "register" && (strings.HasPrefix(verb, "DoFn") || strings.HasPrefix(verb, "Combiner") || strings.HasPrefix(verb, "Function")):
	case (x == "beam" || x == "dataset") && strings.HasPrefix(verb, "Register"):
	default:
		return nil
	}
	var out []string
	for _, a := range append(args, call.Args...) {
		if name := registeredName(a); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// registeredName reads &x{}, &x[T]{}, reflect.TypeFor[x](), reflect.TypeOf(x{}), or x.
func registeredName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.UnaryExpr:
		return registeredName(e.X)
	case *ast.CompositeLit:
		return registeredName(e.Type)
	case *ast.IndexExpr:
		if x, name := selector(e.X); x == "reflect" && name == "TypeFor" {
			return registeredName(e.Index)
		}
		return registeredName(e.X) + "[T]"
	case *ast.CallExpr:
		if x, name := selector(e.Fun); x == "reflect" && name == "TypeOf" && len(e.Args) == 1 {
			return registeredName(e.Args[0])
		}
		return registeredName(e.Fun)
	case *ast.ParenExpr:
		return registeredName(e.X)
	case *ast.StarExpr:
		return registeredName(e.X)
	case *ast.Ident:
		if e.Name != "nil" {
			return e.Name
		}
	}
	return ""
}
