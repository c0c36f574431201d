package reconciliation

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/sdk/money"
)

// breaks gives every row that no pass has matched its outcome.
func (g *leg) breaks() {
	g.ambiguous()
	for i := range g.rules.Passes {
		p := &g.rules.Passes[i]
		if !p.Near || len(p.Keys) == 0 {
			continue
		}
		t := newTask(g, p)
		switch p.method() {
		case Pairs:
			for j := range g.rules.Passes {
				if q := &g.rules.Passes[j]; q.method() == Pairs && slices.Equal(q.Keys, p.Keys) {
					t.alike = append(t.alike, newTask(g, q))
				}
			}
			t.nearPairs()
		case Sums:
			t.eachGroup(t.keys(), t.nearSums)
		}
	}
	g.duplicates()
	g.missing()
}

// ambiguous makes a break of all rows that undecided candidates connect, where both sides still have some.
func (g *leg) ambiguous() {
	up := make([]int, len(g.unclear))
	var root func(int) int
	root = func(i int) int {
		if up[i] != i {
			up[i] = root(up[i])
		}
		return up[i]
	}
	owner := [2]map[int32]int{{}, {}}
	for i := range g.unclear {
		up[i] = i
		for side, rows := range g.unclear[i].rows {
			for _, r := range rows {
				if !g.free(side, r) {
					continue
				}
				if o, seen := owner[side][r]; seen {
					up[root(i)] = root(o)
				} else {
					owner[side][r] = i
				}
			}
		}
	}
	all := map[int]*unclear{}
	for side, rows := range owner {
		for r, i := range rows {
			u := all[root(i)]
			if u == nil {
				u = &unclear{}
				all[root(i)] = u
			}
			u.rows[side] = append(u.rows[side], r)
		}
	}
	for i := range g.unclear {
		u, from := all[root(i)], &g.unclear[i]
		if u == nil {
			continue
		}
		c := 0
		if u.pass != nil {
			c = cmp.Or(cmp.Compare(g.passNumber(from.pass), g.passNumber(u.pass)), cmp.Compare(from.key, u.key))
		}
		if u.pass == nil || c < 0 {
			u.pass, u.key = from.pass, from.key
		}
	}
	for _, u := range all {
		if len(u.rows[0]) == 0 || len(u.rows[1]) == 0 {
			continue
		}
		for side := range u.rows {
			slices.SortFunc(u.rows[side], g.views[side].order)
		}
		g.settle(Outcome{Class: Ambiguous, Pass: u.pass.Name, Key: u.key, Left: u.rows[0], Right: u.rows[1]})
	}
}

func (g *leg) passNumber(p *Pass) int {
	return slices.IndexFunc(g.rules.Passes, func(q Pass) bool { return q.Name == p.Name })
}

// nearSums makes one break of a group whose sums do not agree.
func (t *task) nearSums(rows [2][]int32) {
	if !t.p.Cardinality.fits(len(rows[0]), len(rows[1])) {
		return
	}
	t.inOrder(rows)
	l, r, ok := t.sumBoth(rows)
	o := Outcome{Class: Amount, Pass: t.p.Name, Key: t.keyText(t.columns, sideLeft, rows[0][0]), Left: slices.Clone(rows[0]), Right: slices.Clone(rows[1])}
	if ok {
		switch {
		case t.tolerance.within(l, r):
			o.Class = Date // else it would have matched
		default:
			o.Class = t.amountClass(l, r)
			o.Over = t.over(l, r)
		}
	}
	t.settle(o)
}

// over is by how much two values are further apart than the tolerance allows.
func (t *task) over(l, r money.Int128) money.Decimal {
	d, ok := distance(l, r)
	if !ok {
		return money.Decimal{}
	}
	if x, ok := d.Sub(t.tolerance.allowed(l, r)); ok && x.Sign() > 0 {
		if out, err := money.NewFromInt128(x, t.scale); err == nil {
			return out
		}
	}
	return money.Decimal{}
}

// nearPairs makes breaks of rows that have a key in common but do not match. In a key, what differs least is paired first: rows whose
// amounts match, then those whose digits say that one is a slip of the other, then the nearest amounts, and last
// rows of two currencies.
func (t *task) nearPairs() {
	by := grouping{columns: t.columns, keyed: len(t.columns)}
	gs := t.group(by, func(side int, row int32) bool { return t.free(side, row) })
	var l line
	for i := range len(gs.start[0]) - 1 {
		rows := [2][]int32{gs.of(0, i), gs.of(1, i)}
		if len(rows[0]) == 0 || len(rows[1]) == 0 {
			continue
		}
		if len(rows[0]) == 1 && len(rows[1]) == 1 {
			t.nearPair(rows[0][0], rows[1][0])
			continue
		}
		t.nearGroup(&l, rows)
	}
}

func (t *task) nearGroup(l *line, rows [2][]int32) {
	t.inOrder(rows)
	sameCurrency := func(side int, row int32) string { return t.views[side].currency[row] }
	stages := []struct {
		apart  func(side int, row int32) string // rows that differ in it are not paired
		accept func(left, right int32) bool
	}{
		{sameCurrency, t.nearAmounts},
		{t.digits, func(a, b int32) bool { return t.amountClass(t.views[0].amount[a], t.views[1].amount[b]) != Amount }},
		{sameCurrency, func(int32, int32) bool { return true }},
		{func(int, int32) string { return "" }, func(int32, int32) bool { return true }},
	}
	for k, s := range stages {
		for _, part := range t.apart(rows, s.apart) {
			// An amount that is not there is near nothing: such rows are paired last.
			usable := func(side int, row int32) bool {
				return t.free(side, row) && (k == len(stages)-1 || !t.views[side].without(row))
			}
			l.fill(t.views, part, usable)
			l.pair(s.accept, t.nearPair)
		}
	}
}

// apart cuts rows by a text, in its order.
func (t *task) apart(rows [2][]int32, by func(side int, row int32) string) [][2][]int32 {
	number := map[string]int{}
	var out [][2][]int32
	for side := range rows {
		for _, r := range rows[side] {
			if !t.free(side, r) {
				continue
			}
			key := by(side, r)
			n, known := number[key]
			if !known {
				n = len(out)
				number[key] = n
				out = append(out, [2][]int32{})
			}
			out[n][side] = append(out[n][side], r)
		}
	}
	return out
}

// digits are a row's currency and the digits of its amount but for zeros, in order: what slips of writing keep.
func (t *task) digits(side int, row int32) string {
	text := []byte(absolute(t.views[side].amount[row]).String())
	text = slices.DeleteFunc(text, func(c byte) bool { return c == '0' })
	slices.Sort(text)
	return t.views[side].currency[row] + " " + string(text)
}

// verdict is what keeps two rows of one key from matching in a pass.
type verdict struct {
	class Class
	grave int // 0 a column, 1 a date, 2 an amount, 3 a currency
	over  money.Decimal
}

func (t *task) judge(left, right int32) verdict {
	x, y := t.views[0], t.views[1]
	a, b := x.amount[left], y.amount[right]
	switch {
	case x.currency[left] != y.currency[right]:
		return verdict{class: t.currencyClass(left, right), grave: 3}
	case x.without(left) || y.without(right):
		return verdict{class: Amount, grave: 2}
	case !t.tolerance.within(a, b):
		return verdict{class: t.amountClass(a, b), grave: 2, over: t.over(a, b)}
	case t.outside(left, right):
		return verdict{class: Date, grave: 1}
	}
	return verdict{class: t.rest(left, right)}
}

// nearPair makes a break of two rows of one key: by the pass of these keys that came nearest to matching them.
func (t *task) nearPair(left, right int32) {
	best, pass := t.judge(left, right), t
	for _, u := range t.alike {
		v := u.judge(left, right)
		if c := cmp.Or(cmp.Compare(v.grave, best.grave), v.over.Cmp(best.over)); c < 0 {
			best, pass = v, u
		}
	}
	t.settle(Outcome{Class: best.class, Pass: pass.p.Name, Key: t.keyText(t.columns, sideLeft, left), Left: t.one(left), Right: t.one(right),
		Over: best.over, Days: pass.daysApart(left, right)})
}

// nearAmounts reports whether a pass of these keys lets two amounts pass.
func (t *task) nearAmounts(left, right int32) bool {
	a, b := t.views[0].amount[left], t.views[1].amount[right]
	return slices.ContainsFunc(t.alike, func(u *task) bool { return u.tolerance.within(a, b) })
}

// rest is the class of two rows whose currencies, amounts and dates match: a column that must be equal differs, or a number.
func (t *task) rest(left, right int32) Class {
	for _, e := range t.p.Equal {
		c, _ := t.views[0].schema.find(e)
		if string(t.views[0].appendColumn(nil, c, int(left))) != string(t.views[1].appendColumn(nil, c, int(right))) {
			return Status
		}
	}
	return Amount // a number beside the amount, which is within its tolerance
}

// outside reports whether a date is outside its window.
func (t *task) outside(left, right int32) bool {
	for k := range t.windows {
		w := &t.windows[k]
		if _, ok := w.within(t.calendar, t.views[0].day(w.column, left), t.views[1].day(w.column, right)); !ok {
			return true
		}
	}
	return false
}

// currencyClass tells a difference of exchange rates from a wrong currency.
func (t *task) currencyClass(left, right int32) Class {
	if t.rules.Rates == nil || t.rules.Residual == nil || t.views[0].without(left) || t.views[1].without(right) {
		return Currency
	}
	for _, v := range t.views {
		v.convert(t.rules.Rates, t.scale)
	}
	if t.views[0].noBase[left] || t.views[1].noBase[right] {
		return Currency
	}
	if newLimit(*t.rules.Residual, t.scale).within(t.views[0].base[left], t.views[1].base[right]) {
		return FeeFX
	}
	return Currency
}

// amountClass says how two amounts differ.
func (t *task) amountClass(a, b money.Int128) Class {
	if c := slip(a, b); c != Amount {
		return c
	}
	if r := t.rules.Residual; r != nil && newLimit(*r, t.scale).within(a, b) {
		return FeeFX
	}
	return Amount
}

// slip recognises slips of writing: a wrong sign, a point in the wrong place, two digits exchanged. The amounts differ, and have one scale.
func slip(a, b money.Int128) Class {
	if a.Sign() == 0 || b.Sign() == 0 {
		return Amount
	}
	if n, ok := b.Neg(); ok && a == n {
		return SignFlip
	}
	if a.Sign() != b.Sign() {
		return Amount
	}
	x, y := absolute(a).String(), absolute(b).String()
	if len(x) != len(y) && trimZeros(x) == trimZeros(y) {
		return DecimalShift
	}
	if exchanged(x, y) {
		return Transposition
	}
	return Amount
}

func trimZeros(digits string) string {
	n := len(digits)
	for n > 0 && digits[n-1] == '0' {
		n--
	}
	return digits[:n]
}

// exchanged reports whether two of the digits stand in each other's place, and all others in their own.
func exchanged(x, y string) bool {
	if len(x) < len(y) {
		x, y = y, x
	}
	if len(x)-len(y) > 1 { // 0012 for 1200 would be two
		return false
	}
	at := func(s string, i int) byte {
		if i -= len(x) - len(s); i < 0 {
			return '0'
		}
		return s[i]
	}
	var differ []int
	for i := range len(x) {
		if at(x, i) != at(y, i) {
			if differ = append(differ, i); len(differ) > 2 {
				return false
			}
		}
	}
	return len(differ) == 2 && at(x, differ[0]) == at(y, differ[1]) && at(x, differ[1]) == at(y, differ[0])
}

// duplicates are rows left over of a key that the other side has.
func (g *leg) duplicates() {
	for i := range g.rules.Passes {
		p := &g.rules.Passes[i]
		if !p.Near || len(p.Keys) == 0 || p.method() != Pairs {
			continue
		}
		t := newTask(g, p)
		by := grouping{columns: t.columns, keyed: len(t.columns)}
		gs := g.group(by, func(int, int32) bool { return true })
		for i := range len(gs.start[0]) - 1 {
			rows := [2][]int32{gs.of(0, i), gs.of(1, i)}
			if len(rows[0]) == 0 || len(rows[1]) == 0 {
				continue
			}
			for side := range rows {
				for _, r := range rows[side] {
					if g.free(side, r) {
						g.alone(side, r, Duplicate, p.Name, t.columns)
					}
				}
			}
		}
	}
}

// missing are all other rows.
func (g *leg) missing() {
	var columns []column
	for i := range g.rules.Passes {
		if p := &g.rules.Passes[i]; len(p.Keys) > 0 {
			columns = newTask(g, p).columns
			break
		}
	}
	for side, class := range [2]Class{MissingRight, MissingLeft} {
		for r := range g.state[side] {
			if row := int32(r); g.free(side, row) {
				c := class
				if g.notYet(side, row) {
					c = TimingDifference
				}
				g.alone(side, row, c, "", columns)
			}
		}
	}
}

// alone makes a break of one row.
func (g *leg) alone(side int, row int32, class Class, pass string, key []column) {
	o := Outcome{Class: class, Pass: pass, Key: g.keyText(key, side, row), Suggested: g.suggested[side][row]}
	o.Suggested = slices.DeleteFunc(slices.Clone(o.Suggested), func(s Suggestion) bool { return g.state[1-side][s.Row] != rowFree && g.matched(1-side, s.Row) })
	if side == sideLeft {
		o.Left = g.one(row)
	} else {
		o.Right = g.one(row)
	}
	g.settle(o)
}

func (g *leg) matched(side int, row int32) bool { return g.out[g.state[side][row]-1].Class == Matched }

// notYet reports whether a missing row is still expected: until the end of the day on which it is due.
func (g *leg) notYet(side int, row int32) bool {
	t := g.rules.Timing
	if t == nil {
		return false
	}
	c, _ := g.views[side].schema.find(t.column())
	day := g.views[side].day(c, row)
	if day == NoDate {
		return false
	}
	n := t.Left
	if side == sideRight {
		n = t.Right
	}
	due := day + int32(n)
	if t.Business {
		due = g.calendar.Add(day, n)
	}
	return g.asOf <= due
}
