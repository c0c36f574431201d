package housekeeping

import "go/ast"

// clockExceptions are functions that may ask the machine for the time.
var clockExceptions = Allowed{}

// Clock: time.Now may be the default value of a clock that a caller can replace; it is
// never called in place, nor through time.Since or time.Until. Suites and benchmarks
// watch a real clock, because what they test does.
func Clock(t *Tree) []Finding {
	var out []Finding
	allow := clockExceptions.start()
	for p, f := range t.Source {
		if p.ForTests() || p.Under("bench") {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			x, name := selector(call.Fun)
			if x == "time" && (name == "Now" || name == "Since" || name == "Until") && !allow.covers(f.Path+":"+f.function(call.Pos())) {
				out = append(out, t.at(call, "calls time.%s: take a clock (func() time.Time, default time.Now) and call that, so that a test can set the time", name))
			}
			return true
		})
	}
	return append(out, allow.stale(t, "clockExceptions")...)
}

// Sleeps: a test waits for an event, not for a time; sleeping is how a test gets both slow and flaky.
func Sleeps(t *Tree) []Finding {
	var out []Finding
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if !f.Test && !p.ForTests() {
				continue
			}
			ast.Inspect(f.File, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if x, name := selector(call.Fun); x == "time" && name == "Sleep" {
						out = append(out, t.at(call, "sleeps: wait for the event itself, with a deadline"))
					}
				}
				return true
			})
		}
	}
	return out
}
