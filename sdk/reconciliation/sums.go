package reconciliation

import (
	"slices"

	"github.com/millrace/millrace/sdk/money"
)

// fits reports whether rows of both sides are as many as the pass's cardinality says.
func (c Cardinality) fits(left, right int) bool {
	switch c {
	case OneToMany:
		return left == 1 && right >= 1
	case ManyToOne:
		return left >= 1 && right == 1
	}
	return left >= 1 && right >= 1
}

// sums matches all rows of a group, where their sums agree and every date is within the windows of every date of the other side.
func (t *task) sums(rows [2][]int32) {
	if !t.p.Cardinality.fits(len(rows[0]), len(rows[1])) {
		return
	}
	l, r, ok := t.sumBoth(rows)
	if !ok || !t.tolerance.within(l, r) || !t.allWithin(rows) {
		return
	}
	t.inOrder(rows)
	t.settle(Outcome{Class: Matched, Pass: t.p.Name, Key: t.keyText(t.columns, sideLeft, rows[0][0]), Left: slices.Clone(rows[0]), Right: slices.Clone(rows[1])})
}

func (t *task) inOrder(rows [2][]int32) {
	for side := range rows {
		slices.SortFunc(rows[side], t.views[side].order)
	}
}

func (t *task) sumBoth(rows [2][]int32) (l, r money.Int128, ok bool) {
	l, ok1 := t.sum(sideLeft, rows[0])
	r, ok2 := t.sum(sideRight, rows[1])
	return l, r, ok1 && ok2
}

// sum adds up amounts. ok is false where the result has more than 38 digits.
func (t *task) sum(side int, rows []int32) (total money.Int128, ok bool) {
	var s money.Sum
	for _, i := range rows {
		s.Add(t.value(side, i))
	}
	total, err := s.Total()
	return total, err == nil
}

// allWithin looks at the first and the last date of each side only: an offset grows with either date.
func (t *task) allWithin(rows [2][]int32) bool {
	for k := range t.windows {
		w := &t.windows[k]
		var first, last [2]int32
		var none, some bool
		for side := range rows {
			for i, row := range rows[side] {
				d := t.views[side].day(w.column, row)
				none, some = none || d == NoDate, some || d != NoDate
				if i == 0 {
					first[side], last[side] = d, d
				}
				first[side], last[side] = min(first[side], d), max(last[side], d)
			}
		}
		if none && some {
			return false
		}
		_, early := w.within(t.calendar, last[0], first[1])
		_, late := w.within(t.calendar, first[0], last[1])
		if !early || !late {
			return false
		}
	}
	return true
}
