package rulefile

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// checker collects mistakes.
type checker struct {
	f        *File
	problems []strictyaml.Problem
}

func (c *checker) say(path, format string, args ...any) {
	at := c.f.where[path]
	for p := path; at == [2]int{} && p != ""; at = c.f.where[p] {
		p = p[:max(0, strings.LastIndexAny(p, ".["))]
	}
	c.problems = append(c.problems, strictyaml.Problem{File: c.f.path, Line: max(at[0], 1), Col: max(at[1], 1), Path: path, Message: fmt.Sprintf(format, args...)})
}

func (f *File) check() []strictyaml.Problem {
	c := &checker{f: f}
	if len(f.Sides) < 2 {
		c.say("sides", "there must be two sides or more")
	}
	names := map[string]bool{}
	for i := range f.Sides {
		path := fmt.Sprintf("sides[%d]", i)
		if n := f.Sides[i].Name; names[n] {
			c.say(path+".name", "there is a side %q already", n)
		}
		names[f.Sides[i].Name] = true
		c.side(path, &f.Sides[i])
	}
	c.legs()
	c.passes()
	c.others()
	c.reports()
	c.proofs()
	c.life()
	c.follow()
	c.tree()
	return c.problems
}

// tree checks what comparing by trees needs.
func (c *checker) tree() {
	if c.f.Compare != "tree" || len(c.problems) > 0 {
		return
	}
	if len(c.f.Sides) != 2 {
		c.say("compare", "trees compare two sides, not %d", len(c.f.Sides))
		return
	}
	for i := range c.f.Sides {
		other := &c.f.Sides[1-i]
		for _, name := range slices.Sorted(maps.Keys(c.f.Sides[i].Columns)) {
			if _, ok := other.Columns[name]; !ok {
				c.say(fmt.Sprintf("sides[%d].columns.%s", i, name), "side %s has no such column, so that no row of one side equals one of the other, as trees need it", other.Name)
			}
		}
	}
	plans, err := c.f.Plans(0)
	switch {
	case err != nil:
		c.say("compare", "%v", err)
	case !plans[0].Rules.Screens():
		c.say("compare", "trees need a first pass of pairs with keys that every other pass has too")
	}
}

func (c *checker) side(path string, s *Side) {
	if s.File != "" && s.Table != "" {
		c.say(path+".table", "a side is a file or a table, not both")
	}
	c.sources(path, s)
	if s.Table != "" && (s.Quarantine > 0 || s.CSV.Delimiter != "" || s.Format != "auto") {
		c.say(path+".table", "format, csv and quarantine have no effect on a table")
	}
	if s.Quarantine < 0 {
		c.say(path+".quarantine", "must not be negative")
	}
	if s.Where != "" {
		if _, err := expr.Parse(s.Where); err != nil {
			c.say(path+".where", "%v", err)
		}
	}
	if len(s.Columns) == 0 {
		c.say(path, "has no columns; name at least amount")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Columns)) {
		col := s.Columns[name]
		c.column(path+".columns."+name, name, &col)
	}
	if _, ok := s.Columns[reconciliation.ColumnAmount]; !ok && len(s.Columns) > 0 {
		c.say(path+".columns", "lack amount")
	}
}

func (col *Column) kind(name string) string {
	switch {
	case col.Type != "auto":
		return col.Type
	case name == reconciliation.ColumnAmount:
		return "number"
	case name == reconciliation.ColumnDate:
		return "date"
	}
	return "text"
}

func (c *checker) column(path, name string, col *Column) {
	kind := col.kind(name)
	if want := map[string]string{reconciliation.ColumnAmount: "number", reconciliation.ColumnDate: "date", reconciliation.ColumnCurrency: "text"}[name]; want != "" && want != kind {
		c.say(path+".type", "%s is a %s", name, want)
	}
	for _, set := range []struct {
		key, kind string
		yes       bool
	}{{"keep_blanks", "text", col.KeepBlanks}, {"extract", "text", col.Extract != ""}, {"keep", "text", col.Keep != "all"}, {"strip_zeros", "text", col.StripZeros},
		{"case", "text", col.Case != "any"}, {"sign", "number", col.Sign != "as_is"}, {"debit", "number", col.Debit != ""}, {"credit", "number", col.Credit != ""},
		{"indicator", "number", col.Indicator != ""}, {"debit_when", "number", len(col.DebitWhen) > 0}, {"minor_units", "number", col.MinorUnits != 0},
		{"decimal_mark", "number", col.DecimalMark != ""}, {"group_mark", "number", col.GroupMark != ""}, {"brackets", "number", col.Brackets},
		{"trailing_sign", "number", col.TrailingSign}, {"layouts", "date", len(col.Layouts) > 0}, {"time_zone", "date", col.TimeZone != "UTC"}} {
		if set.yes && set.kind != kind {
			c.say(path+"."+set.key, "has no effect: the column is a %s", kind)
		}
	}
	if col.Is != "" && (col.From != "" || col.Debit != "" || col.Credit != "") {
		c.say(path+".is", "the column is either the same in every row, or made of the source's")
	}
	if _, err := regexp.Compile(col.Extract); err != nil {
		c.say(path+".extract", "%v", err)
	}
	if _, err := time.LoadLocation(col.TimeZone); err != nil {
		c.say(path+".time_zone", "%q is no time zone; write it like Europe/Prague", col.TimeZone)
	}
	if (col.Debit == "") != (col.Credit == "") || (col.Debit != "" && (col.From != "" || col.Indicator != "")) {
		c.say(path, "debit and credit go together, and without from and indicator")
	}
	if len(col.DebitWhen) > 0 && col.Indicator == "" {
		c.say(path+".debit_when", "has no effect without indicator")
	}
	if kind == "number" {
		if err := col.style().Validate(); err != nil {
			c.say(path, "%v", err)
		}
	}
}

func (c *checker) legs() {
	seen := map[string]bool{}
	for i, l := range c.f.Legs {
		path := fmt.Sprintf("legs[%d]", i)
		for _, side := range []struct{ key, name string }{{"left", l.Left}, {"right", l.Right}} {
			if c.f.Side(side.name) == nil {
				c.say(path+"."+side.key, "there is no side %q%s", side.name, strictyaml.DidYouMean(side.name, c.f.sideNames()))
			}
		}
		if l.Left == l.Right {
			c.say(path, "a side is not compared with itself")
		}
		if n := l.name(); seen[n] {
			c.say(path, "there is a leg %q already; give it a name", n)
		}
		seen[l.name()] = true
	}
}

func (l Leg) name() string {
	if l.Name != "" {
		return l.Name
	}
	return l.Left + "-" + l.Right
}

func (f *File) sideNames() (out []string) {
	for _, s := range f.Sides {
		out = append(out, s.Name)
	}
	return out
}

// legs are the legs, or each side with the next.
func (f *File) legs() []Leg {
	if len(f.Legs) > 0 {
		return f.Legs
	}
	var out []Leg
	for i := 1; i < len(f.Sides); i++ {
		out = append(out, Leg{Left: f.Sides[i-1].Name, Right: f.Sides[i].Name})
	}
	return out
}

func (c *checker) decimal(path, text string) money.Decimal {
	d, err := money.Parse(text)
	if err != nil || d.Sign() < 0 {
		c.say(path, "%q is not a number of 0 or more; write it as 0.01", text)
	}
	return d
}

func (c *checker) passes() {
	var legs []string
	for _, l := range c.f.legs() {
		legs = append(legs, l.name())
	}
	seen := map[string]bool{}
	for i := range c.f.Passes {
		p, path := &c.f.Passes[i], fmt.Sprintf("passes[%d]", i)
		if seen[p.Name] {
			c.say(path+".name", "there is a pass %q already", p.Name)
		}
		seen[p.Name] = true
		for _, l := range p.Legs {
			if !slices.Contains(legs, l) {
				c.say(path+".legs", "there is no leg %q%s", l, strictyaml.DidYouMean(l, legs))
			}
		}
		c.decimal(path+".tolerance", p.Tolerance)
		c.decimal(path+".tolerance_percent", p.Percent)
		for _, n := range slices.Sorted(maps.Keys(p.Numbers)) {
			c.decimal(path+".numbers."+n+".absolute", p.Numbers[n].Absolute)
			c.decimal(path+".numbers."+n+".percent", p.Numbers[n].Percent)
		}
		c.idle(path, p)
		c.columnsOf(path, p)
	}
}

// idle finds settings that a pass's method does not look at.
func (c *checker) idle(path string, p *Pass) {
	for _, set := range []struct {
		key     string
		yes     bool
		methods string
	}{{"texts", len(p.Texts) > 0, "fuzzy"}, {"similarity", p.Similarity != 850, "fuzzy"}, {"measure", p.Measure != "jaro-winkler", "fuzzy"}, {"confirm", p.Confirm, "fuzzy"},
		{"max_rows", p.MaxRows != 24, "subset"}, {"weights", p.Weights != nil, "pairs fuzzy"}, {"ties", p.Ties != "ambiguous", "pairs fuzzy"},
		{"near", p.Near != "auto", "pairs sums"}, {"equal", len(p.Equal) > 0, "pairs sums fuzzy"}, {"numbers", len(p.Numbers) > 0, "pairs fuzzy"}} {
		if set.yes && !strings.Contains(set.methods, p.Match) {
			c.say(path+"."+set.key, "has no effect on a pass that matches by %s", p.Match)
		}
	}
	if p.Match == "fuzzy" && p.Ties == "in_order" && !p.Confirm {
		c.say(path+".ties", "has no effect on suggestions")
	}
	if p.Near == "yes" && len(p.Keys) == 0 {
		c.say(path+".near", "needs keys")
	}
	if p.Convert && c.f.Rates == nil {
		c.say(path+".convert", "needs rates")
	}
}

// columnsOf looks for the columns that a pass names on every side of its legs.
func (c *checker) columnsOf(path string, p *Pass) {
	type use struct{ key, name, kind string }
	var uses []use
	for _, k := range p.Keys {
		uses = append(uses, use{"keys", k, ""})
	}
	for _, k := range p.Equal {
		uses = append(uses, use{"equal", k, ""})
	}
	for _, k := range p.Texts {
		uses = append(uses, use{"texts", k, "text"})
	}
	for _, k := range slices.Sorted(maps.Keys(p.Numbers)) {
		uses = append(uses, use{"numbers." + k, k, "number"})
	}
	for _, k := range slices.Sorted(maps.Keys(p.Dates)) {
		uses = append(uses, use{"dates." + k, k, "date"})
		if w := p.Dates[k]; w.Before < 0 || w.After < 0 {
			c.say(path+".dates."+k, "before and after are 0 or more")
		}
	}
	sides := c.sidesOf(p)
	for _, u := range uses {
		for _, side := range sides { // the first is told of: the others are often the same
			col, ok := side.Columns[u.name]
			if !ok {
				c.say(path+"."+u.key, "side %s has no column %q%s", side.Name, u.name, strictyaml.DidYouMean(u.name, slices.Sorted(maps.Keys(side.Columns))))
				break
			}
			if u.kind != "" && col.kind(u.name) != u.kind {
				c.say(path+"."+u.key, "column %q of side %s is a %s, not a %s", u.name, side.Name, col.kind(u.name), u.kind)
				break
			}
		}
	}
}

// sidesOf are the sides of a pass's legs.
func (c *checker) sidesOf(p *Pass) (out []*Side) {
	for _, l := range c.f.legs() {
		if len(p.Legs) > 0 && !slices.Contains(p.Legs, l.name()) {
			continue
		}
		for _, name := range []string{l.Left, l.Right} {
			if side := c.f.Side(name); side != nil && !slices.Contains(out, side) {
				out = append(out, side)
			}
		}
	}
	return out
}

func (c *checker) others() {
	f := c.f
	for i, t := range f.Timing {
		path := fmt.Sprintf("timing[%d]", i)
		side := f.Side(t.Side)
		switch {
		case side == nil:
			c.say(path+".side", "there is no side %q%s", t.Side, strictyaml.DidYouMean(t.Side, f.sideNames()))
		case side.Columns[t.Column].present(t.Column) != "date":
			c.say(path, "side %s has no column %q of dates", t.Side, t.Column)
		}
		if t.Within < 0 {
			c.say(path+".within", "must not be negative")
		}
	}
	if f.FeeFX != nil {
		c.decimal("fee_fx.absolute", f.FeeFX.Absolute)
		c.decimal("fee_fx.percent", f.FeeFX.Percent)
	}
	if f.Calendar != nil {
		if _, err := f.Calendar.calendar(); err != nil {
			c.say("calendar", "%v", err)
		}
	}
	for i, k := range f.Classes {
		path := fmt.Sprintf("classes[%d]", i)
		if slices.Contains(reconciliation.Classes(), reconciliation.Class(k.Name)) || k.Name == string(reconciliation.Matched) {
			c.say(path+".name", "%q is a class already", k.Name)
		}
		if _, err := expr.Parse(k.When); err != nil {
			c.say(path+".when", "%v", err)
		}
	}
}

// present is the kind of a column that a side has, "" where it has none.
func (col Column) present(name string) string {
	if col.Type == "" { // the zero value: no default was set
		return ""
	}
	return col.kind(name)
}
