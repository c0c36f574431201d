package housekeeping

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// decoders are the packages that read bytes from outside, and the fuzz targets that
// each must keep.
var decoders = map[string][]string{
	"catalog":                       {"FuzzDecodeBound", "FuzzSummary", "FuzzInflate"},
	"catalog/maintenance":           {"FuzzSeen"},
	"connectors/csvio":              {"FuzzScan"},
	"connectors/fileio":             {"FuzzLines", "FuzzParseAnchor"},
	"connectors/fixedio":            {"FuzzReader"},
	"connectors/jsonio":             {"FuzzRecord", "FuzzElements"},
	"connectors/kafkaio":            {"FuzzSplitShard"},
	"connectors/sqlio":              {"FuzzAppend"},
	"connectors/statementio":        {"FuzzDetect"},
	"internal/project":              {"FuzzParse"},
	"internal/strictyaml":           {"FuzzDecode"},
	"jobs/export":                   {"FuzzManifest"},
	"jobs/features":                 {"FuzzParseAsOf"},
	"jobs/reconcile":                {"FuzzReadJournal"},
	"jobs/reconcile/rulefile":       {"FuzzParse"},
	"runners/embedded":              {"FuzzParsePolicy"},
	"sdk/calendar":                  {"FuzzParseSchedule", "FuzzParseHolidays"},
	"sdk/change":                    {"FuzzParsePosition"},
	"sdk/dataset":                   {"FuzzDescriptors", "FuzzParseFailure"},
	"sdk/dataset/internal/rowcodec": {"FuzzDecode"},
	"sdk/dataset/internal/runs":     {"FuzzReadSegment"},
	"sdk/dataset/internal/scatter":  {"FuzzCollect"},
	"sdk/expr":                      {"FuzzParse", "FuzzUnmarshalJSON"},
	"sdk/files":                     {"FuzzParseInt", "FuzzParseTime", "FuzzParseDecimal", "FuzzManifest", "FuzzLines"},
	"sdk/money":                     {"FuzzParse", "FuzzInt128FromBytes", "FuzzAmount"},
	"sdk/parquetfile":               {"FuzzReader", "FuzzValues", "FuzzLevels", "FuzzPageHeader"},
	"sdk/reconciliation":            {"FuzzParseDay", "FuzzRestoreScreen"},
	"sdk/reconciliation/life":       {"FuzzDecode", "FuzzParseAnchor"},
	"sdk/reconciliation/stream":     {"FuzzRestore"},
	"sdk/reconciliation/tree":       {"FuzzUnmarshal"},
	"sdk/source/cut":                {"FuzzParseMark"},
	"sdk/source/debezium":           {"FuzzParseTx", "FuzzAppend", "FuzzLearn"},
	"sdk/source/planner":            {"FuzzMarker", "FuzzPreviousCommit"},
	"sdk/statement":                 {"FuzzAmountStyle", "FuzzParseDate"},
	"sdk/statement/bai2":            {"FuzzDecoder"},
	"sdk/statement/camt":            {"FuzzDecoder"},
	"sdk/statement/mt940":           {"FuzzDecoder"},
	"sdk/statement/nacha":           {"FuzzDecoder"},
	"sdk/statement/ofx":             {"FuzzDecoder"},
}

// decoderExceptions are packages with a parser whose bytes never come from outside.
var decoderExceptions = Allowed{
	"catalog/mirror/internal/keyindex": "entries of temporary files that the same process wrote and unlinked",
	"sdk/record":                       "struct tags, which the compiler's user writes",
}

// Fuzzed: each decoder of outside bytes has a fuzz target. A package with a function
// called Parse…, Decode… or Unmarshal… of text or bytes is taken for a decoder.
func Fuzzed(t *Tree) []Finding {
	var out []Finding
	allow := decoderExceptions.start()
	for _, p := range t.Packages {
		for _, target := range decoders[p.Dir] {
			if !hasTest(p, target) {
				out = append(out, Finding{Path: p.Dir, Message: "the fuzz target " + target + " is gone: this package reads bytes from outside"})
			}
		}
		if p.ForTests() || decoders[p.Dir] != nil || p.Under("bench") {
			continue
		}
		if fn := t.decoder(p); fn != nil && !allow.covers(p.Dir) {
			f := t.at(fn, "%s reads text or bytes: write a fuzz target and list the package in decoders, or say in decoderExceptions where its bytes come from", fn.Name.Name)
			out = append(out, f)
		}
	}
	return append(out, allow.stale(t, "decoderExceptions")...)
}

// decoder is a function of a package that reads text or bytes, or nil.
func (t *Tree) decoder(p *Package) *ast.FuncDecl {
	for _, f := range p.Files {
		if f.Test {
			continue
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Type.Params == nil || !decodes(fn.Name.Name) {
				continue
			}
			for _, a := range fn.Type.Params.List {
				if s := typeText(a.Type); s == "string" || s == "[]byte" || s == "io.Reader" {
					return fn
				}
			}
		}
	}
	return nil
}

func decodes(name string) bool {
	for _, verb := range []string{"parse", "decode", "unmarshal"} {
		rest, ok := strings.CutPrefix(strings.ToLower(name[:1])+name[1:], verb)
		if ok && (rest == "" || rest[0] >= 'A' && rest[0] <= 'Z') {
			return true
		}
	}
	return false
}

func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.ArrayType:
		if e.Len == nil {
			return "[]" + typeText(e.Elt)
		}
	case *ast.SelectorExpr:
		x, name := selector(e)
		return x + "." + name
	}
	return fmt.Sprintf("%T", e)
}

// hasTest reports whether a package's tests declare a function.
func hasTest(p *Package, name string) bool {
	return slices.ContainsFunc(p.Files, func(f *File) bool {
		return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
			fn, ok := d.(*ast.FuncDecl)
			return ok && fn.Recv == nil && fn.Name.Name == name
		})
	})
}
