package reconciliation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// Settle compares two sides by rules. Both have one schema. Time is near linear in the rows, see the package's comment; memory
// holds both sides. The outcome does not depend on the order of rows.
func Settle(left, right *Side, rules Rules) (*Settlement, error) {
	return settle(left, right, rules, scales{})
}

// scales are digits after the point that amounts and numbers have at least, because rows that are not here have them.
type scales struct {
	amount  int
	numbers []int
}

func settle(left, right *Side, rules Rules, least scales) (*Settlement, error) {
	if !left.schema.equal(right.schema) {
		return nil, fault.Usagef("reconciliation: the sides %s and %s have different columns", left.name, right.name)
	}
	if err := rules.Check(left.schema); err != nil {
		return nil, err
	}
	g, err := newLeg(left, right, rules, least)
	if err != nil {
		return nil, err
	}
	for i := range rules.Passes {
		if err := g.pass(&rules.Passes[i]); err != nil {
			return nil, fmt.Errorf("pass %s: %w", rules.Passes[i].Name, err)
		}
	}
	g.breaks()
	out := &Settlement{Left: left, Right: right, Rules: g.rules, AsOf: g.asOf, Outcomes: g.out, Cut: g.cut, scale: g.scale}
	out.finish()
	return out, nil
}

func newLeg(left, right *Side, rules Rules, least scales) (*leg, error) {
	if rules.Calendar == nil {
		rules.Calendar = everydayCalendar()
	}
	g := &leg{rules: rules, calendar: rules.Calendar, least: least}
	g.scale = max(left.maxScale(), right.maxScale(), least.amount)
	if rules.Rates != nil {
		g.scale = max(g.scale, 2)
	}
	var err error
	for k, s := range []*Side{left, right} {
		if g.views[k], err = newView(s, g.scale); err != nil {
			return nil, err
		}
		g.state[k] = make([]int32, s.Len())
		g.suggested[k] = map[int32][]Suggestion{}
	}
	g.asOf = rules.AsOf
	if g.asOf == 0 {
		g.asOf = max(left.lastDay(), right.lastDay())
	}
	return g, nil
}

func (s *Side) maxScale() (scale int) {
	for i := range s.amounts {
		scale = max(scale, s.amounts[i].Scale())
	}
	return scale
}

func (s *Side) lastDay() int32 {
	last := NoDate
	for _, d := range s.dates {
		last = max(last, d)
	}
	return last
}

// view is a side as the engine sees it: amounts and numbers as integers of one scale.
type view struct {
	*Side
	amount  []money.Int128
	base    []money.Int128 // in the rates' base currency; nil until a pass converts
	noBase  []bool
	numbers [][]money.Int128
	scales  []int
}

func newView(s *Side, scale int) (*view, error) {
	v := &view{Side: s, amount: make([]money.Int128, s.Len())}
	for i, a := range s.amounts {
		d, err := a.RescaleExact(scale)
		if err != nil {
			return nil, fmt.Errorf("amount %s of row %s of %s at %d digits after the point: %w", a, s.refs[i], s.name, scale, err)
		}
		v.amount[i] = d.Coefficient()
	}
	return v, nil
}

func (v *view) without(i int32) bool { return v.noAmount != nil && v.noAmount[i] }

// convert fills in the amounts in the base currency.
func (v *view) convert(r *Rates, scale int) {
	if v.base != nil {
		return
	}
	v.base, v.noBase = make([]money.Int128, v.Len()), make([]bool, v.Len())
	for i := range v.base {
		d, ok := r.Convert(v.amounts[i], v.currency[i], v.dates[i], scale)
		v.base[i], v.noBase[i] = d.Coefficient(), !ok
	}
}

// Sides by number.
const (
	sideLeft  = 0
	sideRight = 1
)

// rowFree is the state of a row that no outcome has; others hold the outcome's number plus one.
const rowFree = 0

// leg is a comparison while it runs.
type leg struct {
	rules     Rules
	calendar  *Calendar
	least     scales
	views     [2]*view
	scale     int
	asOf      int32
	state     [2][]int32
	unclear   []unclear // what passes could not decide
	suggested [2]map[int32][]Suggestion
	out       []Outcome
	arena     []int32
	cut       int64
}

// unclear are rows of which a pass could not say which belong together.
type unclear struct {
	pass *Pass
	key  string
	rows [2][]int32
}

func (g *leg) free(side int, row int32) bool { return g.state[side][row] == rowFree }

// settle makes an outcome of rows.
func (g *leg) settle(o Outcome) *Outcome {
	o.Base = o.Class
	g.out = append(g.out, o)
	n := int32(len(g.out))
	for _, r := range o.Left {
		g.state[sideLeft][r] = n
	}
	for _, r := range o.Right {
		g.state[sideRight][r] = n
	}
	return &g.out[n-1]
}

// one is a list of one row, of shared memory.
func (g *leg) one(row int32) []int32 {
	if len(g.arena) == cap(g.arena) {
		g.arena = make([]int32, 0, 4096)
	}
	g.arena = append(g.arena, row)
	n := len(g.arena)
	return g.arena[n-1 : n : n]
}

func (g *leg) pass(p *Pass) error {
	if p.Convert {
		for _, v := range g.views {
			v.convert(g.rules.Rates, g.scale)
		}
	}
	for _, v := range g.views {
		if err := v.scaleNumbers(g.views, g.least.numbers); err != nil {
			return err
		}
	}
	t := newTask(g, p)
	switch p.method() {
	case Sums:
		t.eachGroup(t.keys(), t.sums)
	case Subset:
		t.eachGroup(t.keys(), t.subsets)
	default:
		t.eachGroup(t.keys(), t.pairs)
	}
	return nil
}

// scaleNumbers brings the columns of numbers of both sides to common scales, once.
func (v *view) scaleNumbers(views [2]*view, least []int) error {
	if v.numbers != nil || len(v.Side.numbers) == 0 {
		return nil
	}
	v.numbers = make([][]money.Int128, len(v.Side.numbers))
	for k := range v.Side.numbers {
		scale := 0
		if least != nil {
			scale = least[k]
		}
		for _, w := range views {
			for _, d := range w.Side.numbers[k] {
				scale = max(scale, d.Scale())
			}
		}
		v.scales = append(v.scales, scale)
		v.numbers[k] = make([]money.Int128, v.Len())
		for i, d := range v.Side.numbers[k] {
			x, err := d.RescaleExact(scale)
			if err != nil {
				return fmt.Errorf("%s %s of row %s of %s: %w", v.schema.Numbers[k], d, v.refs[i], v.name, err)
			}
			v.numbers[k][i] = x.Coefficient()
		}
	}
	return nil
}

// task is one pass over the rows that are left.
type task struct {
	*leg
	p         *Pass
	columns   []column // of the pass's keys
	windows   []window
	numbers   []numberLimit
	tolerance limit
	alike     []*task // near passes only: all pairs passes of the same keys
	scratch
}

type window struct {
	Window
	column column
}

type numberLimit struct {
	at int
	limit
}

func newTask(g *leg, p *Pass) *task {
	t := &task{leg: g, p: p, tolerance: newLimit(p.Tolerance, g.scale)}
	schema := g.views[0].schema
	for _, k := range p.Keys {
		c, _ := schema.find(k) // Check has seen it
		t.columns = append(t.columns, c)
	}
	for _, w := range p.Windows {
		c, _ := schema.find(w.Column)
		t.windows = append(t.windows, window{w, c})
	}
	for _, n := range p.Numbers {
		c, _ := schema.find(n.Column)
		t.numbers = append(t.numbers, numberLimit{c.at, newLimit(n.Tolerance, g.views[0].scales[c.at])})
	}
	return t
}

// keys are the columns by which rows must be equal to match.
func (t *task) keys() grouping {
	by := grouping{columns: t.columns, keyed: len(t.columns), currency: !t.p.Convert}
	for _, e := range t.p.Equal {
		c, _ := t.views[0].schema.find(e)
		by.columns = append(slices.Clip(by.columns), c)
	}
	return by
}

// grouping says by what rows are put together.
type grouping struct {
	columns  []column
	keyed    int  // the first columns: a row in which one of them is blank is left out
	currency bool // rows of different currencies are apart
}

// appendKey appends the value by which a row is grouped; ok is false where a key is blank.
func (by grouping) appendKey(dst []byte, s *Side, i int) (key []byte, ok bool) {
	for k, c := range by.columns {
		n := len(dst)
		dst = s.appendColumn(dst, c, i)
		if k < by.keyed && len(dst) == n {
			return dst, false
		}
		dst = append(dst, 0)
	}
	if by.currency {
		dst = append(dst, s.currency[i]...)
	}
	return dst, true
}

// eachGroup calls f for every group in which both sides have free rows.
func (t *task) eachGroup(by grouping, f func(rows [2][]int32)) {
	gs := t.group(by, func(side int, row int32) bool {
		return t.free(side, row) && !t.views[side].without(row) && !(t.p.Convert && t.views[side].noBase[row])
	})
	for i := range len(gs.start[0]) - 1 {
		rows := [2][]int32{gs.of(0, i), gs.of(1, i)}
		if len(rows[0]) > 0 && len(rows[1]) > 0 {
			f(rows)
		}
	}
}

// groups are the rows of both sides by group: those of group i are rows[start[i]:start[i+1]].
type groups struct{ rows, start [2][]int32 }

func (gs groups) of(side, i int) []int32 { return gs.rows[side][gs.start[side][i]:gs.start[side][i+1]] }

// group puts the rows that are wanted together, of both sides, by a hash of their keys. Groups without a left row are left out.
func (g *leg) group(by grouping, want func(side int, row int32) bool) groups {
	var gs groups
	number := map[string]int32{}
	var of [2][]int32
	var buf []byte
	for side, v := range g.views {
		of[side] = make([]int32, v.Len())
		for i := range of[side] {
			of[side][i] = -1
			if !want(side, int32(i)) {
				continue
			}
			key, ok := by.appendKey(buf[:0], v.Side, i)
			buf = key
			if !ok {
				continue
			}
			n, known := number[string(key)]
			if !known {
				if side == sideRight {
					continue
				}
				n = int32(len(number))
				number[string(key)] = n
			}
			of[side][i] = n
		}
	}
	for side := range of {
		gs.rows[side], gs.start[side] = byGroup(of[side], len(number))
	}
	return gs
}

// byGroup sorts rows by the number of their group, by counting.
func byGroup(of []int32, n int) (rows, start []int32) {
	start = make([]int32, n+1)
	for _, k := range of {
		if k >= 0 {
			start[k+1]++
		}
	}
	for i := range n {
		start[i+1] += start[i]
	}
	rows = make([]int32, start[n])
	next := slices.Clone(start[:n])
	for i, k := range of {
		if k >= 0 {
			rows[next[k]] = int32(i)
			next[k]++
		}
	}
	return rows, start
}

// keyText is the key of a row as people read it: its columns, joined by |.
func (g *leg) keyText(columns []column, side int, row int32) string {
	var buf []byte
	for i, c := range columns {
		if i > 0 {
			buf = append(buf, '|')
		}
		buf = g.views[side].appendColumn(buf, c, int(row))
	}
	return string(buf)
}

// order is the total order of one side's rows.
func (v *view) order(a, b int32) int {
	return cmp.Or(compareOther(v.Side, a, v.Side, b), strings.Compare(v.refs[a], v.refs[b]))
}
