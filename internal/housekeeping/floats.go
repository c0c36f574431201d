package housekeeping

import (
	"go/ast"
	"strings"
)

// floatExceptions are the places where binary floating point is right: a folder, a file, or
// file:function. None of them computes with an amount. Packages that do (money, change, feature,
// reconciliation, mirror, the jobs that prove) have no exception, and shall not get one.
var floatExceptions = Allowed{
	"catalog/filter.go:decodeFloat":         "bounds of DOUBLE columns in manifests",
	"catalog/internal/columns/prefix.go":    "the order of DOUBLE columns",
	"catalog/maintenance/compact.go":        "rows a file of a target size holds",
	"catalog/maintenance/plan.go":           "the part of a file's rows that is deleted",
	"cmd/millrace/progress.go":              "events a second and time left, for a person",
	"jobs/ingest/observe.go":                "metrics: seconds and rates",
	"jobs/nightly/observe.go":               "metrics: seconds",
	"jobs/maintain":                         "how long a pass took; the part of a file's rows that is deleted",
	"runners/embedded/pace":                 "the length of epochs from measured rates",
	"runners/progress.go":                   "rows a second, for a person",
	"sdk/dataset/internal/rowkey/rowkey.go": "equality of DOUBLE keys, bit by bit",
	"sdk/expr":                              "the DOUBLE type; it never mixes with decimals unless an author casts",
	"sdk/files":                             "DOUBLE columns of CSV and JSON; decimals have their own parser in numbers.go",
	"sdk/reconciliation/tree/descend.go":    "the estimated share of keys that differ",
	"sdk/source/debezium/value.go":          "DOUBLE columns; numbers of decimal columns are read digit by digit",
	"sdk/parquetfile":                       "FLOAT and DOUBLE columns and their bounds",
	"sdk/record/origins.go":                 "Go fields of type float",
}

// Floats: an amount is a decimal, never a binary float, so floats appear only where they
// are reasoned about. Looked for: the types, their parsing and formatting, and methods that turn
// decimals into them.
func Floats(t *Tree) []Finding {
	var out []Finding
	allow := floatExceptions.start()
	for p, f := range t.Source {
		if p.ForTests() || p.Under("bench") {
			continue
		}
		ast.Inspect(f.File, func(n ast.Node) bool {
			what := float(n)
			if what == "" || allow.covers(f.Path+":"+f.function(n.Pos()), f.Path, p.Dir) {
				return true
			}
			out = append(out, t.at(n, "%s: amounts are decimals (sdk/money); where no amount can come near, say so in floatExceptions", what))
			return true
		})
	}
	return append(out, allow.stale(t, "floatExceptions")...)
}

// float says how a node uses binary floating point, or "".
func float(n ast.Node) string {
	switch n := n.(type) {
	case *ast.Ident:
		if n.Name == "float64" || n.Name == "float32" {
			return n.Name
		}
	case *ast.CallExpr:
		x, name := selector(n.Fun)
		if x == "strconv" && strings.HasSuffix(name, "Float") || len(n.Args) < 2 && (name == "Float64" || name == "ToFloat64" || name == "AsFloat64") {
			return "calls " + strings.TrimPrefix(x+"."+name, ".")
		}
	}
	return ""
}
