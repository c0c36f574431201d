package reconcile

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/sdk/reconciliation"
)

//go:embed report.html.tmpl
var pageText string

// pageTemplate is parsed once.
var pageTemplate = sync.OnceValues(func() (*template.Template, error) {
	return template.New("report").Funcs(template.FuncMap{
		"upper":   func(v Verdict) string { return strings.ToUpper(string(v)) },
		"meaning": func(class string) string { return meaningOf(reconciliation.Class(class)) },
		"classes": func(b ByClass) []string {
			var out []string
			for _, c := range slices.Sorted(maps.Keys(b)) {
				out = append(out, string(c))
			}
			return out
		},
		"count": func(b ByClass, class string) int64 { return b[reconciliation.Class(class)] },
		"rows":  rowsOf,
	}).Parse(pageText)
})

// meaningOf says in words what a class means.
func meaningOf(c reconciliation.Class) string {
	if text := explained[c]; text != "" {
		return text
	}
	return "a class of the rule file"
}

// mostShown is how many breaks of a class the page shows; breaks.csv has all.
const mostShown = 200

// page collects what the report shows.
type page struct {
	*RulesReport
	ByClass []*classPage
}

// classPage are the breaks of one class in one leg.
type classPage struct {
	Leg, Class string
	Breaks     []ruleBreak
	More       int
}

func newPage(rep *RulesReport) *page { return &page{RulesReport: rep} }

func (p *page) add(b ruleBreak) {
	i := slices.IndexFunc(p.ByClass, func(c *classPage) bool { return c.Leg == b.Leg && c.Class == b.Class })
	if i < 0 {
		i = len(p.ByClass)
		p.ByClass = append(p.ByClass, &classPage{Leg: b.Leg, Class: b.Class})
	}
	c := p.ByClass[i]
	if len(c.Breaks) == mostShown {
		c.More++
		return
	}
	c.Breaks = append(c.Breaks, b)
}

// field is a column of a row that the page shows.
type field struct{ Name, Value string }

// rowsOf reads rows as shown makes them.
func rowsOf(text string) (out [][]field, err error) {
	if text == "" {
		return nil, nil
	}
	var rows []map[string]string
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		return nil, err
	}
	for _, r := range rows {
		var fields []field
		for _, n := range slices.Sorted(maps.Keys(r)) {
			if r[n] != "" {
				fields = append(fields, field{n, r[n]})
			}
		}
		out = append(out, fields)
	}
	return out, nil
}

func (p *page) render(w io.Writer) error {
	t, err := pageTemplate()
	if err != nil {
		return err
	}
	slices.SortStableFunc(p.ByClass, func(a, b *classPage) int {
		return strings.Compare(a.Leg+"\x00"+a.Class, b.Leg+"\x00"+b.Class)
	})
	return t.Execute(w, p)
}
