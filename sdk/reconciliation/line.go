package reconciliation

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/millrace/millrace/sdk/money"
)

// line pairs rows of two sides by how near their amounts lie, the nearest first. All rows stand on one line, in their total order;
// the nearest two of different sides are always neighbours there, so that a heap of neighbours finds them, in n log n.
type line struct {
	views [2]*view
	stops []stop
	heap  []neighbours
}

// stop is rows of one side that say the same.
type stop struct {
	side       int
	rows       []int32
	amount     money.Int128
	day        int32
	prev, next int // −1 at the ends
}

// neighbours are two stops of different sides, next to one another.
type neighbours struct {
	left, right int // on the line
	differ      int // 0 where both say the same in everything
	apart       money.Int128
	days        int64
}

// Len, Less, Swap, Push and Pop are those of container/heap.
func (l *line) Len() int { return len(l.heap) }
func (l *line) Less(i, j int) bool {
	a, b := &l.heap[i], &l.heap[j]
	return cmp.Or(cmp.Compare(a.differ, b.differ), a.apart.Cmp(b.apart), cmp.Compare(a.days, b.days), cmp.Compare(a.left, b.left)) < 0
}
func (l *line) Swap(i, j int) { l.heap[i], l.heap[j] = l.heap[j], l.heap[i] }
func (l *line) Push(x any)    { l.heap = append(l.heap, x.(neighbours)) }
func (l *line) Pop() any {
	n := len(l.heap) - 1
	x := l.heap[n]
	l.heap = l.heap[:n]
	return x
}

// fill puts the usable rows on the line. Both sides' rows are in their total order of content, by currency and amount.
func (l *line) fill(views [2]*view, rows [2][]int32, usable func(side int, row int32) bool) {
	l.views, l.stops, l.heap = views, l.stops[:0], l.heap[:0]
	var all [2][]stop
	for side := range rows {
		v := views[side]
		for _, r := range rows[side] {
			if !usable(side, r) {
				continue
			}
			if n := len(all[side]); n > 0 && compareOther(v.Side, all[side][n-1].rows[0], v.Side, r) == 0 {
				all[side][n-1].rows = append(all[side][n-1].rows, r)
				continue
			}
			all[side] = append(all[side], stop{side: side, rows: []int32{r}, amount: v.amount[r], day: v.dates[r]})
		}
	}
	l.stops = append(append(l.stops, all[0]...), all[1]...)
	// By amount, whatever the currency. What says the same on both sides stands together, and only one of them if they are not paired.
	slices.SortStableFunc(l.stops, func(a, b stop) int {
		if c := cmp.Or(a.amount.Cmp(b.amount), cmp.Compare(a.day, b.day)); c != 0 {
			return c
		}
		return compareOther(views[a.side].Side, a.rows[0], views[b.side].Side, b.rows[0])
	})
	for i := range l.stops {
		l.stops[i].prev, l.stops[i].next = i-1, i+1
	}
	if n := len(l.stops); n > 0 {
		l.stops[n-1].next = -1
	}
	for i := range l.stops {
		l.offer(i, l.stops[i].next)
	}
}

// offer adds two neighbours to the heap, if they are of different sides.
func (l *line) offer(i, j int) {
	if i < 0 || j < 0 || l.stops[i].side == l.stops[j].side {
		return
	}
	a, b := &l.stops[i], &l.stops[j]
	if len(a.rows) == 0 || len(b.rows) == 0 { // about to be removed
		return
	}
	n := neighbours{left: i, right: j, differ: 1}
	if compareOther(l.views[a.side].Side, a.rows[0], l.views[b.side].Side, b.rows[0]) == 0 {
		n.differ = 0
	}
	n.apart, _ = distance(a.amount, b.amount)
	n.days = apart(a.day, b.day)
	heap.Push(l, n)
}

// pair takes the nearest neighbours, again and again, and emits what is accepted: rows of both sides, left first.
func (l *line) pair(accept func(left, right int32) bool, emit func(left, right int32)) {
	for len(l.heap) > 0 {
		n := heap.Pop(l).(neighbours)
		a, b := &l.stops[n.left], &l.stops[n.right]
		if len(a.rows) == 0 || len(b.rows) == 0 || a.next != n.right {
			continue
		}
		x, y := a, b
		if x.side == sideRight {
			x, y = b, a
		}
		if !accept(x.rows[0], y.rows[0]) {
			continue
		}
		for len(x.rows) > 0 && len(y.rows) > 0 {
			emit(x.rows[0], y.rows[0])
			x.rows, y.rows = x.rows[1:], y.rows[1:]
		}
		for _, i := range [2]int{n.left, n.right} {
			if len(l.stops[i].rows) == 0 {
				l.remove(i)
			}
		}
	}
}

// remove takes a stop off the line and offers the two that are neighbours then.
func (l *line) remove(i int) {
	p, n := l.stops[i].prev, l.stops[i].next
	if p >= 0 {
		l.stops[p].next = n
	}
	if n >= 0 {
		l.stops[n].prev = p
	}
	l.offer(p, n)
}
