package reconcile

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// pageFiles are the page, report.html.tmpl, and the blocks that it asks for by name: a file defines "proofs", another "life". A block gets the *page.
//
//go:embed *.html.tmpl
var pageFiles embed.FS

// pageName is the template that is the page itself. It has empty blocks, which the other files fill.
const pageName = "report.html.tmpl"

// pageTemplate is parsed once.
var pageTemplate = sync.OnceValues(func() (*template.Template, error) {
	t := template.New("report").Funcs(template.FuncMap{
		"upper":   func(v Verdict) string { return strings.ToUpper(string(v)) },
		"meaning": func(class string) string { return meaningOf(reconciliation.Class(class)) },
		"plain":   func(class string) string { return strings.ReplaceAll(class, "_", " ") },
		"num":     func(v any) string { return grouped(fmt.Sprint(v)) },
		"rows":    rowsOf,
		"sum":     sumOf,
		"add":     func(a, b int) int { return a + b },
	})
	names, err := fs.Glob(pageFiles, "*.html.tmpl")
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(names, func(a, b string) int { // the page first: the others fill its blocks
		if (a == pageName) != (b == pageName) {
			return map[bool]int{true: -1, false: 1}[a == pageName]
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		text, err := pageFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		part := t
		if name != pageName {
			part = t.New(name)
		}
		if _, err := part.Parse(string(text)); err != nil {
			return nil, err
		}
	}
	return t, nil
})

// meaningOf says in words what a class means.
func meaningOf(c reconciliation.Class) string {
	if text := explained[c]; text != "" {
		return text
	}
	return "a class of the rule file"
}

const (
	// mostShown is how many breaks of a class of a leg the page shows; breaks.csv has all.
	mostShown = 200
	// mostText is how many bytes of texts of breaks the page holds, so that it stays below 5 MB whatever the rows hold.
	mostText = 1 << 20
	// mostField is how much of one text the page shows, in runes.
	mostField = 300
)

// page collects what the report shows.
type page struct {
	*RulesReport
	Lake   *Report // of a run of the project file's checks; nil for one by rules
	Reason string
	Pages  []*legPage
	// RuleText are the rules as they were obeyed, with their defaults and without secrets.
	RuleText string
	Trend    []TrendPoint
	SignOffs []SignOff
	text     int // bytes so far
}

// legPage is what the page shows of a leg.
type legPage struct {
	*LegReport
	ID       string
	Classes  []*classPage
	ByClass  *barPlot // nil where there are no breaks
	ByAge    *barPlot // nil too where there is no as-of
	Currency []string // of the differences, in order
	// Rest are differences of breaks whose rows are of several currencies, and All those of all breaks, which the totals state too.
	Rest, All map[string]money.Decimal
	ages      []int64
	buckets   map[string]int64 // by the bucket of a break's age in its life
}

// classPage are the breaks of one class in one leg.
type classPage struct {
	Class  string
	Count  int64
	Breaks []ruleBreak
	More   int64
	// Difference is left less right of the class's rows, by currency, as far as each break's rows are of one currency.
	Difference map[string]money.Decimal
}

func newPage(o *RulesOptions, rep *RulesReport) (*page, error) {
	p := &page{RulesReport: rep, Reason: rep.reason(), SignOffs: o.SignOffs}
	var err error
	if p.RuleText, err = strictyaml.Print(o.Rules); err != nil {
		return nil, err
	}
	p.Trend = trend(o.Out, rep)
	for i := range rep.Legs {
		p.Pages = append(p.Pages, &legPage{LegReport: &rep.Legs[i], ID: fmt.Sprintf("leg%d", i+1), ages: make([]int64, len(ages))})
	}
	return p, nil
}

func (p *page) add(b *ruleBreak) error {
	i := slices.IndexFunc(p.Pages, func(l *legPage) bool { return l.Name == b.Leg })
	if i < 0 {
		return fmt.Errorf("break %s is of leg %q, which the report does not have", b.ID, b.Leg)
	}
	leg := p.Pages[i]
	k := slices.IndexFunc(leg.Classes, func(c *classPage) bool { return c.Class == b.Class })
	if k < 0 {
		k = len(leg.Classes)
		leg.Classes = append(leg.Classes, &classPage{Class: b.Class, Difference: map[string]money.Decimal{}})
	}
	c := leg.Classes[k]
	c.Count++
	leg.ages[ageOf(b, leg.AsOf)]++
	if leg.buckets == nil {
		leg.buckets = map[string]int64{}
	}
	leg.buckets[b.Life.Bucket]++
	if err := c.differ(b); err != nil {
		return fmt.Errorf("break %s: %w", b.ID, err)
	}
	size := 0
	if len(c.Breaks) < mostShown {
		for _, f := range b.fields() {
			size += len(f)
		}
	}
	if len(c.Breaks) == mostShown || p.text+size > mostText {
		c.More++
		return nil
	}
	p.text += size
	c.Breaks = append(c.Breaks, *b)
	return nil
}

// differ adds a break's amounts to its class's differences.
func (c *classPage) differ(b *ruleBreak) error {
	for i, s := range [][2]string{{b.AmountLeft, b.CurrencyLeft}, {b.AmountRight, b.CurrencyRight}} {
		if s[0] == "" {
			continue
		}
		d, err := money.Parse(s[0])
		if err != nil {
			return err
		}
		if i == 1 {
			d = d.Neg()
		}
		if c.Difference[s[1]], err = c.Difference[s[1]].Add(d); err != nil {
			return err
		}
	}
	return nil
}

// Total is the number of the leg's breaks.
func (l *legPage) Total() (n int64) {
	for _, c := range l.Classes {
		n += c.Count
	}
	return n
}

// tie adds up the differences of the classes, by currency, so that they are seen to be what the totals state.
func (l *legPage) tie() error {
	l.All, l.Rest = map[string]money.Decimal{}, map[string]money.Decimal{}
	if len(l.Controls) == 0 {
		return nil // what is no leg of amounts has nothing to tie
	}
	for _, c := range l.Controls {
		l.All[c.Currency], l.Rest[c.Currency] = c.Breaks, c.Breaks
	}
	for _, c := range l.Classes {
		for currency, d := range c.Difference {
			var err error
			if l.Rest[currency], err = l.Rest[currency].Sub(d); err != nil {
				return fmt.Errorf("leg %s: differences in %s: %w", l.Name, currency, err)
			}
		}
	}
	maps.DeleteFunc(l.Rest, func(_ string, d money.Decimal) bool { return d.IsZero() })
	return nil
}

// plots lays out the plots, once all breaks are added.
func (p *page) plots() error {
	for _, l := range p.Pages {
		slices.SortFunc(l.Classes, func(a, b *classPage) int { return strings.Compare(a.Class, b.Class) })
		if len(l.Classes) == 0 {
			continue
		}
		if err := l.tie(); err != nil {
			return err
		}
		var bars []bar
		currencies := map[string]bool{}
		for _, c := range l.Classes {
			bars = append(bars, bar{Label: strings.ReplaceAll(c.Class, "_", " "), Count: c.Count, Kind: "class"})
			for currency := range c.Difference {
				currencies[currency] = true
			}
		}
		for currency := range l.Rest {
			currencies[currency] = true
		}
		l.Currency = slices.Sorted(maps.Keys(currencies))
		l.ByClass = newBarPlot(l.ID+"-class", "breaks by class", bars)
		if p.Life != nil {
			l.ByAge = lifePlot(l.ID+"-age", p.Life.Ages, func(a AgeCount) int64 { return l.buckets[a.Days] })
		} else if l.AsOf != "" {
			l.ByAge = agePlot(l.ID+"-age", l.ages)
		}
	}
	return nil
}

// LifeAges are the open breaks of all legs by their ages over nights.
func (p *page) LifeAges() *barPlot {
	return lifePlot("life-age", p.Life.Ages, func(a AgeCount) int64 { return a.Breaks })
}

// Nights is the trend as a plot, nil where there are no earlier nights.
func (p *page) Nights() *trendPlot { return newTrendPlot(p.Trend) }

// field is a column of a row that the page shows.
type field struct{ Name, Value string }

// rowsOf reads rows as breaks.csv has them: a list of objects, or one object.
func rowsOf(text string) (out [][]field, err error) {
	if text == "" {
		return nil, nil
	}
	var rows []map[string]any
	if strings.HasPrefix(text, "{") {
		text = "[" + text + "]"
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber() // digits stay as they are
	if err := d.Decode(&rows); err != nil {
		return nil, fmt.Errorf("a row of a break: %w", err)
	}
	for _, r := range rows {
		var fields []field
		for _, n := range slices.Sorted(maps.Keys(r)) {
			if v := r[n]; v != nil && v != "" {
				fields = append(fields, field{n, cut(fmt.Sprint(v))})
			}
		}
		out = append(out, fields)
	}
	return out, nil
}

// cut shortens a text that is too long to be read.
func cut(text string) string {
	if len(text) <= mostField {
		return text
	}
	if r := []rune(text); len(r) > mostField {
		return string(r[:mostField]) + "… (all of it is in breaks.csv)"
	}
	return text
}

// finish has nothing to end: the page is rendered once the report is complete.
func (p *page) finish() error { return nil }

func (p *page) render(w io.Writer) error {
	t, err := pageTemplate()
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	if err := p.plots(); err != nil {
		return err
	}
	return t.Execute(w, p)
}
