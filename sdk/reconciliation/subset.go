package reconciliation

import (
	"cmp"
	"slices"
	"sort"

	"github.com/millrace/millrace/sdk/money"
)

// The budget of a sum's search: rows beyond Pass.MaxRows are not searched, and more ways than these are not told apart.
const (
	defaultMaxRows = 24
	mostWays       = 64
)

// part is rows of the many side that say the same in amount and dates: they are interchangeable in a sum.
type part struct {
	rows   []int32
	amount money.Int128
	used   int // rows that the only ways of sums take
}

// found is the only way to make a target's sum: how many rows of which parts.
type found struct {
	target int32
	parts  []int
	counts []int
}

// subsets matches rows of the one side with the only set of rows of the many side that adds up to them. A row for which there is
// more than one way, and rows whose only ways take the same rows, are ambiguous.
func (t *task) subsets(rows [2][]int32) {
	one, many := sideLeft, sideRight
	if t.p.Cardinality == ManyToOne {
		one, many = sideRight, sideLeft
	}
	parts := t.parts(many, rows[many])
	targets := rows[one]
	slices.SortFunc(targets, t.views[one].order)
	var single []found
	for _, target := range targets {
		near := t.partsNear(one, target, many, parts)
		ways, ok := t.ways(t.value(one, target), parts, near)
		switch {
		case !ok:
			t.cut++
		case len(ways) == 1:
			single = append(single, found{target, near, ways[0]})
		case len(ways) > 1:
			t.unclearSum(one, many, []int32{target}, rowsOf(parts, near, ways))
		}
	}
	t.takeSingle(one, many, parts, single)
}

// parts groups the many side's rows by what a sum compares. Rows of zero are in no sum.
func (t *task) parts(many int, rows []int32) (out []part) {
	v := t.views[many]
	slices.SortFunc(rows, func(a, b int32) int { return cmp.Or(t.byDate(many, a, b), v.order(a, b)) })
	for i, j := 0, 0; i < len(rows); i = j {
		for j = i + 1; j < len(rows) && t.byDate(many, rows[i], rows[j]) == 0; j++ {
		}
		if a := t.value(many, rows[i]); a.Sign() != 0 {
			out = append(out, part{rows: rows[i:j], amount: a})
		}
	}
	return out
}

// byDate orders rows by their dates, then by amount.
func (t *task) byDate(side int, a, b int32) int {
	for _, w := range t.windows {
		if c := cmp.Compare(t.views[side].day(w.column, a), t.views[side].day(w.column, b)); c != 0 {
			return c
		}
	}
	return t.value(side, a).Cmp(t.value(side, b))
}

// partsNear are the parts whose dates lie within the windows of a row's.
func (t *task) partsNear(one int, target int32, many int, parts []part) (near []int) {
	lo, hi := 0, len(parts)
	if len(t.windows) > 0 {
		w := &t.windows[0]
		mine := t.views[one].day(w.column, target)
		off := func(k int) (int64, bool) { // of the part's date from the target's, as the window counts: right − left
			d := t.views[many].day(w.column, parts[k].rows[0])
			if one == sideLeft {
				return w.offset(t.calendar, mine, d)
			}
			return w.offset(t.calendar, d, mine)
		}
		inside := func(k int) bool { n, ok := off(k); return ok && n >= -int64(w.Before) && n <= int64(w.After) }
		// Offsets rise with the parts' dates on the right, and fall with them on the left.
		lo = sort.Search(len(parts), func(k int) bool {
			n, ok := off(k)
			switch {
			case !ok:
				return mine == NoDate
			case one == sideLeft:
				return n >= -int64(w.Before)
			}
			return n <= int64(w.After)
		})
		for hi = lo; hi < len(parts) && inside(hi) && hi-lo <= t.maxRows(); hi++ {
		}
	}
	for k := lo; k < hi && len(near) <= t.maxRows(); k++ {
		if t.allDatesWithin(one, target, many, parts[k].rows[0]) {
			near = append(near, k)
		}
	}
	return near
}

func (t *task) allDatesWithin(one int, target int32, many int, row int32) bool {
	for k := range t.windows {
		w := &t.windows[k]
		l, r := t.views[one].day(w.column, target), t.views[many].day(w.column, row)
		if one == sideRight {
			l, r = r, l
		}
		if _, ok := w.within(t.calendar, l, r); !ok {
			return false
		}
	}
	return true
}

func (t *task) maxRows() int {
	if t.p.MaxRows == 0 {
		return defaultMaxRows
	}
	return t.p.MaxRows
}

// half is a sum of some rows of half of the parts, and how many of each.
type half struct {
	sum    money.Int128
	counts []int
}

// ways lists the ways to make a sum of the parts within the tolerance, each as the number of rows of every part. It meets in the
// middle: the sums of each half, sorted, are walked against each other. ok is false where the budget does not suffice.
func (t *task) ways(want money.Int128, parts []part, near []int) (out [][]int, ok bool) {
	rows := 0
	for _, k := range near {
		rows += len(parts[k].rows)
	}
	if rows > t.maxRows() {
		return nil, false
	}
	middle, n := 0, 0
	for middle < len(near) && n < rows/2 {
		n += len(parts[near[middle]].rows)
		middle++
	}
	a, ok1 := halves(parts, near[:middle])
	b, ok2 := halves(parts, near[middle:])
	if !ok1 || !ok2 {
		return nil, false
	}
	slices.SortFunc(b, func(x, y half) int { return x.sum.Cmp(y.sum) })
	for _, x := range a {
		rest, ok := want.Sub(x.sum)
		if !ok {
			return nil, false
		}
		lo := sort.Search(len(b), func(i int) bool { return b[i].sum.Cmp(rest) >= 0 })
		for lo > 0 && t.sumsTo(want, x.sum, b[lo-1].sum) {
			lo--
		}
		for i := lo; i < len(b) && t.sumsTo(want, x.sum, b[i].sum); i++ {
			way := slices.Concat(x.counts, b[i].counts)
			if !slices.ContainsFunc(way, func(c int) bool { return c > 0 }) {
				continue // of nothing, which a tolerance may allow
			}
			if out = append(out, way); len(out) == mostWays {
				return out, true
			}
		}
	}
	return out, true
}

func (t *task) sumsTo(want, a, b money.Int128) bool {
	s, ok := a.Add(b)
	return ok && t.tolerance.within(want, s)
}

// halves lists the sums of all selections of parts.
func halves(parts []part, near []int) ([]half, bool) {
	out := []half{{counts: make([]int, len(near))}}
	for at, k := range near {
		n := len(out)
		for i := range n {
			sum := out[i].sum
			for c := 1; c <= len(parts[k].rows); c++ {
				var ok bool
				if sum, ok = sum.Add(parts[k].amount); !ok {
					return nil, false
				}
				counts := slices.Clone(out[i].counts)
				counts[at] = c
				out = append(out, half{sum, counts})
			}
		}
	}
	return out, true
}

// rowsOf are the rows that any of the ways take.
func rowsOf(parts []part, near []int, ways [][]int) (rows []int32) {
	for at, k := range near {
		most := 0
		for _, w := range ways {
			most = max(most, w[at])
		}
		if most > 0 {
			rows = append(rows, parts[k].rows...)
		}
	}
	return rows
}

// takeSingle matches targets that have one way each, where the ways do not contend for rows.
func (t *task) takeSingle(one, many int, parts []part, single []found) {
	for _, f := range single {
		for at, k := range f.parts {
			parts[k].used += f.counts[at]
		}
	}
	taken := map[int]int{}
	for _, f := range single {
		if f.contended(parts) {
			t.unclearSum(one, many, []int32{f.target}, rowsOf(parts, f.parts, [][]int{f.counts}))
			continue
		}
		var rows []int32
		for at, k := range f.parts {
			rows = append(rows, parts[k].rows[taken[k]:taken[k]+f.counts[at]]...)
			taken[k] += f.counts[at]
		}
		slices.SortFunc(rows, t.views[many].order)
		o := Outcome{Class: Matched, Pass: t.p.Name, Left: []int32{f.target}, Right: rows}
		if one == sideRight {
			o.Left, o.Right = o.Right, o.Left
		}
		o.Key = t.keyText(t.columns, one, f.target)
		t.settle(o)
	}
}

// contended reports whether the ways of all targets take more rows of a part than there are.
func (f found) contended(parts []part) bool {
	for at, k := range f.parts {
		if f.counts[at] > 0 && parts[k].used > len(parts[k].rows) {
			return true
		}
	}
	return false
}

func (t *task) unclearSum(one, many int, targets, rows []int32) {
	u := unclear{pass: t.p, key: t.keyText(t.columns, one, targets[0])}
	u.rows[one], u.rows[many] = targets, rows
	t.unclear = append(t.unclear, u)
}
