package rulefile

import (
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/statement"
)

// Plan is a leg ready to be settled.
type Plan struct {
	Name        string
	Left, Right *Side
	Rules       reconciliation.Rules
	Classes     []reconciliation.UserClass
}

// Schema is what all sides of the file have in common: a column that one of them lacks is blank there.
func (f *File) Schema() (reconciliation.Schema, error) {
	kinds := map[string]string{}
	for _, s := range f.Sides {
		for name, col := range s.Columns {
			kind := col.kind(name)
			if have, ok := kinds[name]; ok && have != kind {
				return reconciliation.Schema{}, fault.Usagef("%s: column %q is a %s on one side and a %s on another", f.path, name, have, kind)
			}
			kinds[name] = kind
		}
	}
	var out reconciliation.Schema
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		switch {
		case slices.Contains([]string{reconciliation.ColumnAmount, reconciliation.ColumnCurrency, reconciliation.ColumnDate}, name):
		case kinds[name] == "number":
			out.Numbers = append(out.Numbers, name)
		case kinds[name] == "date":
			out.Days = append(out.Days, name)
		default:
			out.Texts = append(out.Texts, name)
		}
	}
	return out, nil
}

// Plans are the legs, each with its rules. asOf is the day of which the books are; 0 takes the last date of each leg's sides.
func (f *File) Plans(asOf int32) ([]Plan, error) {
	schema, err := f.Schema()
	if err != nil {
		return nil, err
	}
	common := reconciliation.Rules{AsOf: asOf}
	if f.Calendar != nil {
		if common.Calendar, err = f.Calendar.calendar(); err != nil {
			return nil, err
		}
	}
	if f.Rates != nil {
		if common.Rates, err = f.rates(); err != nil {
			return nil, err
		}
	}
	if f.FeeFX != nil {
		t := tolerance(f.FeeFX.Absolute, f.FeeFX.Percent)
		common.Residual = &t
	}
	var classes []reconciliation.UserClass
	for _, c := range f.Classes {
		when, err := expr.Parse(c.When)
		if err != nil {
			return nil, fault.Usagef("class %s: %w", c.Name, err)
		}
		classes = append(classes, reconciliation.UserClass{Name: reconciliation.Class(c.Name), When: when})
	}
	var out []Plan
	for _, l := range f.legs() {
		p := Plan{Name: l.name(), Left: f.Side(l.Left), Right: f.Side(l.Right), Rules: common, Classes: classes}
		p.Rules.Name = f.Name
		if len(f.legs()) > 1 {
			p.Rules.Name += "/" + l.name()
		}
		p.Rules.Passes = f.passesOf(l.name())
		if p.Rules.Timing, err = f.timing(l); err != nil {
			return nil, err
		}
		if err := p.Rules.Check(schema); err != nil {
			return nil, fmt.Errorf("%s: leg %s: %w", f.path, l.name(), err)
		}
		out = append(out, p)
	}
	return out, nil
}

func tolerance(absolute, percent string) reconciliation.Tolerance {
	a, _ := money.Parse(absolute) // check has seen both
	p, _ := money.Parse(percent)
	return reconciliation.Tolerance{Absolute: a, Percent: p}
}

func (f *File) passesOf(leg string) (out []reconciliation.Pass) {
	identified := false
	for _, p := range f.Passes {
		if len(p.Legs) > 0 && !slices.Contains(p.Legs, leg) {
			continue
		}
		q := reconciliation.Pass{Name: p.Name, Method: reconciliation.Method(p.Match), Keys: p.Keys, Equal: p.Equal, Tolerance: tolerance(p.Tolerance, p.Percent),
			Convert: p.Convert, InOrder: p.Ties == "in_order", MaxRows: p.MaxRows, Texts: p.Texts, Similarity: p.Similarity,
			Measure: reconciliation.Measure(p.Measure), Confirm: p.Confirm, Cardinality: reconciliation.Cardinality(p.Cardinality)}
		if p.Cardinality == "auto" {
			q.Cardinality = ""
			if q.Method == reconciliation.Sums {
				q.Cardinality = reconciliation.ManyToMany
			}
		}
		if p.Weights != nil {
			q.Weights = &reconciliation.Weights{Amount: p.Weights.Amount, Day: p.Weights.Day}
		}
		for _, n := range slices.Sorted(maps.Keys(p.Numbers)) {
			q.Numbers = append(q.Numbers, reconciliation.NumberTolerance{Column: n, Tolerance: tolerance(p.Numbers[n].Absolute, p.Numbers[n].Percent)})
		}
		for _, n := range slices.Sorted(maps.Keys(p.Dates)) {
			w := p.Dates[n]
			q.Windows = append(q.Windows, reconciliation.Window{Column: n, Before: w.Before, After: w.After, Business: w.Days == "business"})
		}
		pairs := q.Method == reconciliation.Pairs && len(p.Keys) > 0
		q.Near = p.Near == "yes" || (p.Near == "auto" && (q.Method == reconciliation.Sums || (pairs && !identified)))
		identified = identified || pairs
		out = append(out, q)
	}
	return out
}

func (f *File) timing(l Leg) (*reconciliation.Timing, error) {
	var out *reconciliation.Timing
	for _, t := range f.Timing {
		if t.Side != l.Left && t.Side != l.Right {
			continue
		}
		if out == nil {
			out = &reconciliation.Timing{Column: t.Column, Business: t.Days == "business"}
		} else if out.Column != t.Column || out.Business != (t.Days == "business") {
			return nil, fault.Usagef("%s: timing: the sides of leg %s count different days, or from different columns", f.path, l.name())
		}
		if t.Side == l.Left {
			out.Left = t.Within
		} else {
			out.Right = t.Within
		}
	}
	return out, nil
}

var weekdays = map[string]time.Weekday{"sunday": 0, "monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6}

func (c *Calendar) calendar() (*reconciliation.Calendar, error) {
	weekend := []time.Weekday{time.Saturday, time.Sunday}
	if c.Weekend != nil {
		weekend = nil
	}
	for _, w := range c.Weekend {
		day, ok := weekdays[strings.ToLower(w)]
		if !ok {
			return nil, fault.Usagef("%q is no day of the week", w)
		}
		weekend = append(weekend, day)
	}
	var holidays []int32
	for _, h := range c.Holidays {
		day, err := reconciliation.ParseDay(h)
		if err != nil {
			return nil, fault.Mark(fault.Usage, err)
		}
		holidays = append(holidays, day)
	}
	return reconciliation.NewCalendar(weekend, holidays)
}

// rates reads the file of rates.
func (f *File) rates() (*reconciliation.Rates, error) {
	path := f.Path(f.Rates.File)
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Usagef("rates: %w", err)
	}
	defer file.Close() // only read
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, fault.Usagef("rates %s: %w", path, err)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], []string{"date", "currency", "rate"}) {
		return nil, fault.Usagef("rates %s: the header must be date,currency,rate", path)
	}
	var out []reconciliation.Rate
	for i, r := range rows[1:] {
		day, err := reconciliation.ParseDay(strings.TrimSpace(r[0]))
		if err != nil {
			return nil, fault.Usagef("rates %s: record %d: %w", path, i+2, err)
		}
		value, err := money.Parse(strings.TrimSpace(r[2]))
		if err != nil {
			return nil, fault.Usagef("rates %s: record %d: %w", path, i+2, err)
		}
		out = append(out, reconciliation.Rate{Day: day, Currency: strings.TrimSpace(r[1]), Value: value})
	}
	return reconciliation.NewRates(f.Rates.Base, out)
}

// style is how a column's numbers are written.
func (col *Column) style() statement.AmountStyle {
	return statement.AmountStyle{DecimalMark: col.DecimalMark, GroupMark: col.GroupMark, Implied: col.MinorUnits, Brackets: col.Brackets, TrailingSign: col.TrailingSign}
}

// textForm is how a column's texts are brought to one form.
func (col *Column) textForm() reconciliation.TextForm {
	out := reconciliation.TextForm{Trim: !col.KeepBlanks, StripZeros: col.StripZeros}
	if col.Extract != "" {
		out.Extract = regexp.MustCompile(col.Extract) // check has compiled it
	}
	if col.Keep != "all" {
		out.Keep = reconciliation.Keep(col.Keep)
	}
	if col.Case != "any" {
		out.Case = reconciliation.Case(col.Case)
	}
	return out
}
