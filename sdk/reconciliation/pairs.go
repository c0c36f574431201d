package reconciliation

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// What a row looks at for a pair, on either side of its own amount: both bounds are per row, so that a pass stays near linear.
// A row that hits one is counted in Settlement.Cut.
const (
	mostCandidates = 32  // nodes within all tolerances, the nearest amounts first
	mostProbes     = 512 // nodes looked at
)

// node is rows of one side that say the same in all that a pass compares: they are interchangeable in it.
type node struct {
	rows   []int32 // in their total order; those in front are taken first
	amount money.Int128
	rank   int32 // place in the order of both sides' nodes; equal for nodes that say the same
	frozen bool
}

// edge is a pair of nodes that may match, and what it would cost.
type edge struct {
	left, right int32
	cost        cost
}

// cost orders candidates: likeness of texts first (fuzzy passes only), then amounts, then days.
type cost struct {
	unlike int
	amount money.Int128
	days   int64
}

func (a cost) compare(b cost) int {
	return cmp.Or(cmp.Compare(a.unlike, b.unlike), a.amount.Cmp(b.amount), cmp.Compare(a.days, b.days))
}

// scratch is a task's room, kept from group to group.
type scratch struct {
	nodes [2][]node
	edges []edge
	runs  [2][]amountRun
	up    [2][]int32 // union-find over nodes
}

// amountRun is neighbouring nodes of one amount.
type amountRun struct {
	amount   money.Int128
	from, to int
}

// value is the amount that the pass compares.
func (t *task) value(side int, row int32) money.Int128 {
	if t.p.Convert {
		return t.views[side].base[row]
	}
	return t.views[side].amount[row]
}

// compareContent orders rows by what the pass compares, of one side or of both.
func (t *task) compareContent(a int, i int32, b int, j int32) int {
	if c := t.value(a, i).Cmp(t.value(b, j)); c != 0 {
		return c
	}
	x, y := t.views[a], t.views[b]
	for _, w := range t.windows {
		if c := cmp.Compare(x.day(w.column, i), y.day(w.column, j)); c != 0 {
			return c
		}
	}
	for _, n := range t.numbers {
		if c := x.numbers[n.at][i].Cmp(y.numbers[n.at][j]); c != 0 {
			return c
		}
	}
	if t.p.method() == Fuzzy {
		for _, name := range t.p.Texts {
			c, _ := x.schema.find(name)
			if c := strings.Compare(x.texts[c.at][i], y.texts[c.at][j]); c != 0 {
				return c
			}
		}
	}
	return 0
}

// pairs matches the rows of one group, one with one.
func (t *task) pairs(rows [2][]int32) {
	for side := range rows {
		t.makeNodes(side, rows[side])
	}
	if len(t.nodes[0]) == 1 && len(t.nodes[1]) == 1 {
		if c, ok := t.weigh(0, 0); ok {
			t.pairNodes(0, 0, c)
		}
		return
	}
	t.rank()
	t.findEdges()
	slices.SortFunc(t.edges, func(a, b edge) int { return cmp.Or(a.cost.compare(b.cost), t.tie(a, b)) })
	if t.p.InOrder || (t.p.method() == Fuzzy && !t.p.Confirm) {
		for _, e := range t.edges {
			t.pairNodes(e.left, e.right, e.cost)
		}
		return
	}
	for i, j := 0, 0; i < len(t.edges); i = j {
		for j = i + 1; j < len(t.edges) && t.edges[j].cost == t.edges[i].cost; j++ {
		}
		t.level(t.edges[i:j])
	}
}

// tie is the total order of pairs of one cost: by the lower of their nodes, then by the higher, whichever side it is on.
func (t *task) tie(a, b edge) int {
	al, ar := t.nodes[0][a.left].rank, t.nodes[1][a.right].rank
	bl, br := t.nodes[0][b.left].rank, t.nodes[1][b.right].rank
	return cmp.Or(cmp.Compare(min(al, ar), min(bl, br)), cmp.Compare(max(al, ar), max(bl, br)))
}

// makeNodes sorts a side's rows and puts those together that say the same.
func (t *task) makeNodes(side int, rows []int32) {
	v := t.views[side]
	slices.SortFunc(rows, func(a, b int32) int { return cmp.Or(t.compareContent(side, a, side, b), v.order(a, b)) })
	t.nodes[side] = t.nodes[side][:0]
	for i, j := 0, 0; i < len(rows); i = j {
		for j = i + 1; j < len(rows) && t.compareContent(side, rows[i], side, rows[j]) == 0; j++ {
		}
		t.nodes[side] = append(t.nodes[side], node{rows: rows[i:j], amount: t.value(side, rows[i])})
	}
}

func (t *task) rank() {
	l, r := t.nodes[0], t.nodes[1]
	rank := int32(0)
	for i, j := 0, 0; i < len(l) || j < len(r); rank++ {
		c := 0
		switch {
		case i == len(l):
			c = 1
		case j == len(r):
			c = -1
		default:
			c = t.compareContent(0, l[i].rows[0], 1, r[j].rows[0])
		}
		if c <= 0 {
			l[i].rank = rank
			i++
		}
		if c >= 0 {
			r[j].rank = rank
			j++
		}
	}
}

// weigh says whether two nodes match within all tolerances, and at which cost.
func (t *task) weigh(left, right int32) (c cost, ok bool) {
	l, r := &t.nodes[0][left], &t.nodes[1][right]
	if !t.tolerance.within(l.amount, r.amount) {
		return c, false
	}
	i, j := l.rows[0], r.rows[0]
	x, y := t.views[0], t.views[1]
	c.amount, _ = distance(l.amount, r.amount) // within has seen it
	for k := range t.windows {
		w := &t.windows[k]
		days, ok := w.within(t.calendar, x.day(w.column, i), y.day(w.column, j))
		if !ok {
			return c, false
		}
		c.days += max(days, -days)
	}
	for _, n := range t.numbers {
		a, b := x.numbers[n.at][i], y.numbers[n.at][j]
		if !n.within(a, b) {
			return c, false
		}
		d, _ := distance(a, b)
		if c.amount, ok = c.amount.Add(d); !ok {
			return c, false
		}
	}
	if t.p.method() == Fuzzy {
		alike := t.p.Measure.Similarity(t.joined(0, i), t.joined(1, j))
		if alike < t.p.Similarity {
			return c, false
		}
		c.unlike = 1000 - alike
	}
	return t.p.weighted(c)
}

// weighted makes one integer of a cost where the pass says how.
func (p *Pass) weighted(c cost) (cost, bool) {
	w := p.Weights
	if w == nil {
		return c, true
	}
	a, ok1 := c.amount.Mul(money.Int128Of(w.Amount))
	d, ok2 := money.Int128Of(c.days).Mul(money.Int128Of(w.Day))
	sum, ok3 := a.Add(d)
	return cost{unlike: c.unlike, amount: sum}, ok1 && ok2 && ok3
}

// joined is what a fuzzy pass compares of a row.
func (t *task) joined(side int, row int32) string {
	v := t.views[side]
	if len(t.p.Texts) == 1 {
		c, _ := v.schema.find(t.p.Texts[0])
		return v.texts[c.at][row]
	}
	parts := make([]string, len(t.p.Texts))
	for i, name := range t.p.Texts {
		c, _ := v.schema.find(name)
		parts[i] = v.texts[c.at][row]
	}
	return strings.Join(parts, " ")
}

// findEdges lists the pairs that may match. Where a row has more than it may look at, those that the other side's rows see
// count too, so that both sides swapped see the same.
func (t *task) findEdges() {
	t.edges = t.edges[:0]
	for side := range t.nodes {
		t.runs[side] = t.runs[side][:0]
		nodes := t.nodes[side]
		for i, j := 0, 0; i < len(nodes); i = j {
			for j = i + 1; j < len(nodes) && nodes[j].amount == nodes[i].amount; j++ {
			}
			t.runs[side] = append(t.runs[side], amountRun{nodes[i].amount, i, j})
		}
	}
	cutLeft := t.look(sideLeft)
	if cutLeft == 0 {
		return
	}
	cutRight := t.look(sideRight)
	slices.SortFunc(t.edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.left, b.left), cmp.Compare(a.right, b.right)) })
	t.edges = slices.CompactFunc(t.edges, func(a, b edge) bool { return a.left == b.left && a.right == b.right })
	if cutRight > 0 { // else the other side saw all
		t.cut += cutLeft + cutRight
	}
}

// look finds the candidates of every node of a side, amounts outward from its own, and returns of how many rows it saw not all.
func (t *task) look(side int) (cut int64) {
	other := 1 - side
	runs := t.runs[other]
	for i := range t.nodes[side] {
		n := &t.nodes[side][i]
		hi := sort.Search(len(runs), func(k int) bool { return runs[k].amount.Cmp(n.amount) >= 0 })
		lo, found, probes := hi-1, 0, 0
		near := func(k int) (money.Int128, bool) {
			if k < 0 || k >= len(runs) {
				return money.Int128{}, false
			}
			d, ok := distance(n.amount, runs[k].amount)
			return d, ok && t.tolerance.within(n.amount, runs[k].amount)
		}
		dl, okl := near(lo)
		dh, okh := near(hi)
		for (okl || okh) && found < mostCandidates && probes < mostProbes {
			if okh && (!okl || dh.Cmp(dl) <= 0) {
				f, p := t.lookInRun(side, int32(i), runs[hi], mostCandidates-found)
				found, probes, hi = found+f, probes+p, hi+1
				dh, okh = near(hi)
			} else {
				f, p := t.lookInRun(side, int32(i), runs[lo], mostCandidates-found)
				found, probes, lo = found+f, probes+p, lo-1
				dl, okl = near(lo)
			}
		}
		if found >= mostCandidates || probes >= mostProbes {
			cut += int64(len(n.rows))
		}
	}
	return cut
}

// lookInRun finds candidates among nodes of one amount, which are in order of the first window's dates: outward from the node's own.
func (t *task) lookInRun(side int, i int32, r amountRun, most int) (found, probes int) {
	other := 1 - side
	nodes := t.nodes[other][r.from:r.to]
	lo, hi := 0, len(nodes)
	if len(t.windows) > 0 && len(nodes) > 4 {
		w := &t.windows[0]
		mine := t.views[side].day(w.column, t.nodes[side][i].rows[0])
		day := func(k int) int32 { return t.views[other].day(w.column, nodes[k].rows[0]) }
		if mine == NoDate {
			hi = sort.Search(len(nodes), func(k int) bool { return day(k) != NoDate })
		} else {
			before, after := int64(w.Before), int64(w.After)
			if side == sideRight {
				before, after = after, before
			}
			off := func(k int) int64 { // of the other side's date from this one's
				if d := day(k); d != NoDate {
					if w.Business {
						return t.calendar.Between(mine, d)
					}
					return int64(d) - int64(mine)
				}
				return -1 << 40
			}
			lo = sort.Search(len(nodes), func(k int) bool { return off(k) >= -before })
			hi = sort.Search(len(nodes), func(k int) bool { return off(k) > after })
		}
	}
	for k := lo; k < hi && found < most && probes < mostProbes; k++ {
		probes++
		e := edge{left: i, right: int32(r.from + k)}
		if side == sideRight {
			e.left, e.right = e.right, e.left
		}
		if c, ok := t.weigh(e.left, e.right); ok {
			e.cost = c
			t.edges = append(t.edges, e)
			found++
		}
	}
	return found, probes
}

// level settles candidates of one cost: nodes that can only go together match, the others are ambiguous, and nothing later in this pass takes them.
func (t *task) level(edges []edge) {
	live := edges[:0:len(edges)]
	for _, e := range edges {
		if t.open(0, e.left) && t.open(1, e.right) {
			live = append(live, e)
		}
	}
	if len(live) == 1 {
		t.pairNodes(live[0].left, live[0].right, live[0].cost)
		return
	}
	t.connect(live)
	slices.SortStableFunc(live, func(a, b edge) int { return cmp.Compare(t.root(0, a.left), t.root(0, b.left)) })
	for i, j := 0, 0; i < len(live); i = j {
		for j = i + 1; j < len(live) && t.root(0, live[j].left) == t.root(0, live[i].left); j++ {
		}
		if star(live[i:j], t.nodes) {
			for _, e := range live[i:j] {
				t.pairNodes(e.left, e.right, e.cost)
			}
		} else {
			t.freeze(live[i:j])
		}
	}
}

func (t *task) open(side int, n int32) bool {
	return !t.nodes[side][n].frozen && len(t.nodes[side][n].rows) > 0
}

// star reports whether one node has all the edges, and rows enough for all that they lead to: then there is only one way.
func star(edges []edge, nodes [2][]node) bool {
	if len(edges) == 1 {
		return true
	}
	oneLeft, oneRight, sumLeft, sumRight := true, true, 0, 0
	for _, e := range edges {
		oneLeft = oneLeft && e.left == edges[0].left
		oneRight = oneRight && e.right == edges[0].right
		sumLeft += len(nodes[0][e.left].rows)
		sumRight += len(nodes[1][e.right].rows)
	}
	return (oneLeft && sumRight <= len(nodes[0][edges[0].left].rows)) || (oneRight && sumLeft <= len(nodes[1][edges[0].right].rows))
}

// connect joins the nodes that edges connect. Left node i is i, right node j is −1−j.
func (t *task) connect(edges []edge) {
	for side := range t.up {
		if n := len(t.nodes[side]); len(t.up[side]) < n {
			t.up[side] = append(t.up[side], make([]int32, n-len(t.up[side]))...)
		}
	}
	for _, e := range edges {
		t.up[0][e.left], t.up[1][e.right] = e.left, -1-e.right
	}
	for _, e := range edges {
		a, b := t.root(0, e.left), t.root(1, e.right)
		if a != b {
			t.setUp(b, a)
		}
	}
}

func (t *task) upOf(x int32) int32 {
	if x >= 0 {
		return t.up[0][x]
	}
	return t.up[1][-1-x]
}

func (t *task) setUp(x, to int32) {
	if x >= 0 {
		t.up[0][x] = to
	} else {
		t.up[1][-1-x] = to
	}
}

func (t *task) root(side int, n int32) int32 {
	x := n
	if side == sideRight {
		x = -1 - n
	}
	for t.upOf(x) != x {
		t.setUp(x, t.upOf(t.upOf(x)))
		x = t.upOf(x)
	}
	return x
}

// freeze makes what edges connect ambiguous.
func (t *task) freeze(edges []edge) {
	u := unclear{pass: t.p}
	for _, e := range edges {
		for side, i := range [2]int32{e.left, e.right} {
			n := &t.nodes[side][i]
			if !n.frozen {
				n.frozen = true
				u.rows[side] = append(u.rows[side], n.rows...)
			}
		}
	}
	u.key = t.keyText(t.columns, sideLeft, u.rows[0][0])
	t.unclear = append(t.unclear, u)
}

// pairNodes matches as many rows of two nodes as both have: those first that say the same in everything, then the others in their order.
func (t *task) pairNodes(left, right int32, c cost) {
	l, r := &t.nodes[0][left], &t.nodes[1][right]
	n := min(len(l.rows), len(r.rows))
	if n == 0 {
		return
	}
	if most := max(len(l.rows), len(r.rows)); most > 1 && most <= 64*n+64 { // else the search would cost more than the pairs
		alikeFirst(t.views, l.rows, r.rows)
	}
	for k := range n {
		t.confirm(l.rows[k], r.rows[k], c)
	}
	l.rows, r.rows = l.rows[n:], r.rows[n:] // what is left is in order: rows alike on both sides are at most n
}

// alikeFirst puts rows that say the same on both sides in front, in step, and leaves the others behind in their order. Both are in order.
func alikeFirst(views [2]*view, l, r []int32) {
	var same, rest [2][]int32
	i, j := 0, 0
	for i < len(l) && j < len(r) {
		switch c := compareOther(views[0].Side, l[i], views[1].Side, r[j]); {
		case c == 0:
			same[0], same[1] = append(same[0], l[i]), append(same[1], r[j])
			i, j = i+1, j+1
		case c < 0:
			rest[0] = append(rest[0], l[i])
			i++
		default:
			rest[1] = append(rest[1], r[j])
			j++
		}
	}
	rest[0], rest[1] = append(rest[0], l[i:]...), append(rest[1], r[j:]...)
	copy(l[copy(l, same[0]):], rest[0])
	copy(r[copy(r, same[1]):], rest[1])
}

// confirm makes a match of two rows, or, of a fuzzy pass, a suggestion.
func (t *task) confirm(left, right int32, c cost) {
	if t.p.method() == Fuzzy && !t.p.Confirm {
		alike := 1000 - c.unlike
		t.suggested[0][left] = append(t.suggested[0][left], Suggestion{t.p.Name, right, alike})
		t.suggested[1][right] = append(t.suggested[1][right], Suggestion{t.p.Name, left, alike})
		return
	}
	t.settle(Outcome{Class: Matched, Pass: t.p.Name, Key: t.keyText(t.columns, sideLeft, left), Left: t.one(left), Right: t.one(right), Days: t.daysApart(left, right)})
}

// daysApart is how far two rows' dates are apart, by the pass's first window.
func (t *task) daysApart(left, right int32) int64 {
	if len(t.windows) == 0 {
		return 0
	}
	w := &t.windows[0]
	days, _ := w.offset(t.calendar, t.views[0].day(w.column, left), t.views[1].day(w.column, right))
	return days
}
