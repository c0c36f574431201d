package reconciliation

import (
	"bytes"

	"github.com/millrace/millrace/sdk/money"
)

// answer is what a test says.
type answer uint8

const (
	no answer = iota
	yes
	unsure // Settle decides
)

// pairTest tells whether two rows that have a key for themselves match by a pass.
type pairTest struct {
	pass      *Pass
	calendar  *Calendar
	scale     int
	keys      []column
	equal     []column
	tolerance limit
	windows   []window
	numbers   []numberLimit
	whole     bool // it needs more than amount, currency, date and key
	buf       [2][]byte
}

func newPairTest(schema Schema, rules *Rules, pass int, least scales) *pairTest {
	p := &rules.Passes[pass]
	t := &pairTest{pass: p, calendar: rules.Calendar, scale: least.amount, tolerance: newLimit(p.Tolerance, least.amount)}
	at := func(name string) column {
		c, _ := schema.find(name) // Check has seen it
		return c
	}
	for _, k := range p.Keys {
		t.keys = append(t.keys, at(k))
	}
	for _, e := range p.Equal {
		t.equal = append(t.equal, at(e))
	}
	for _, w := range p.Windows {
		t.windows = append(t.windows, window{w, at(w.Column)})
	}
	for _, n := range p.Numbers {
		c := at(n.Column)
		t.numbers = append(t.numbers, numberLimit{c.at, newLimit(n.Tolerance, least.numbers[c.at])})
	}
	t.whole = len(t.equal)+len(t.numbers) > 0
	for _, c := range t.keys { // texts of the key are decoded
		t.whole = t.whole || c.kind == numberColumn || c.kind == dayColumn
	}
	for i := range t.windows {
		t.whole = t.whole || t.windows[i].column.kind == dayColumn
	}
	return t
}

// try says whether two rows match, as [task.weigh] weighs them.
func (t *pairTest) try(l, r *Movement) (amounts [2]money.Int128, _ answer) {
	if l.NoAmount || r.NoAmount || l.Currency != r.Currency {
		return amounts, no
	}
	for side, m := range [2]*Movement{l, r} {
		var ok bool
		if amounts[side], ok = coefficient(m.Amount, t.scale); !ok {
			return amounts, unsure
		}
	}
	if !t.tolerance.within(amounts[0], amounts[1]) {
		return amounts, no
	}
	for _, c := range t.equal {
		t.buf[0], t.buf[1] = appendValue(t.buf[0][:0], l, c), appendValue(t.buf[1][:0], r, c)
		if !bytes.Equal(t.buf[0], t.buf[1]) {
			return amounts, no
		}
	}
	var c cost
	c.amount, _ = distance(amounts[0], amounts[1]) // within has seen it
	for k := range t.windows {
		w := &t.windows[k]
		days, ok := w.within(t.calendar, l.day(w.column), r.day(w.column))
		if !ok {
			return amounts, no
		}
		c.days += max(days, -days)
	}
	for _, n := range t.numbers {
		a, okA := coefficient(l.Numbers[n.at], n.scale)
		b, okB := coefficient(r.Numbers[n.at], n.scale)
		if !okA || !okB {
			return amounts, unsure
		}
		if !n.within(a, b) {
			return amounts, no
		}
		d, _ := distance(a, b)
		var ok bool
		if c.amount, ok = c.amount.Add(d); !ok {
			return amounts, no
		}
	}
	if _, ok := t.pass.weighted(c); !ok {
		return amounts, no
	}
	return amounts, yes
}

// coefficient is a decimal as an integer of a scale; ok is false where there is none.
func coefficient(d money.Decimal, scale int) (money.Int128, bool) {
	if d.Scale() != scale {
		var err error
		if d, err = d.RescaleExact(scale); err != nil {
			return money.Int128{}, false
		}
	}
	return d.Coefficient(), true
}

// appendKey appends the key of a row as people read it, as [leg.keyText] does.
func (t *pairTest) appendKey(dst []byte, m *Movement) []byte {
	for i, c := range t.keys {
		if i > 0 {
			dst = append(dst, '|')
		}
		dst = appendValue(dst, m, c)
	}
	return dst
}

func (m *Movement) day(c column) int32 {
	if c.kind == dayColumn {
		return m.Days[c.at]
	}
	return m.Date
}
