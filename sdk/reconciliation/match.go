package reconciliation

import (
	"cmp"
	"slices"

	"github.com/millrace/millrace/sdk/money"
)

// Rule says what matches.
type Rule struct {
	Name      string        // part of each break's identity
	Tolerance money.Decimal // largest |left − right| that still matches, 0 or more
	Days      int32         // largest difference of dates that still matches, 0 or more
	HasDate   bool          // whether dates take part
}

// Result is the outcome of a comparison, ordered by key.
type Result struct {
	Matches             []Match
	Breaks              []Break
	LeftRows, RightRows int64
}

// Compare matches two sides. It sorts copies of the slices: O(n log n) time, and memory for both sides.
func Compare(left, right []Item, rule Rule) Result {
	l, r := slices.Clone(left), slices.Clone(right)
	slices.SortFunc(l, compareItems)
	slices.SortFunc(r, compareItems)
	res := Result{LeftRows: int64(len(l)), RightRows: int64(len(r))}
	var s Settler
	for len(l) > 0 || len(r) > 0 {
		var key string
		switch {
		case len(l) == 0:
			key = r[0].Key
		case len(r) == 0:
			key = l[0].Key
		default:
			key = min(l[0].Key, r[0].Key)
		}
		nl, nr := run(l, key), run(r, key)
		s.Settle(rule, l[:nl], r[:nr], func(b Break) {
			if b.Class == Matched {
				res.Matches = append(res.Matches, Match{*b.Left, *b.Right})
			} else {
				res.Breaks = append(res.Breaks, b)
			}
		})
		l, r = l[nl:], r[nr:]
	}
	return res
}

// run is the number of items at the front that have the key.
func run(items []Item, key string) int {
	n := 0
	for n < len(items) && items[n].Key == key {
		n++
	}
	return n
}

// verdict says how two items of one key relate.
func (rule Rule) verdict(a, b *Item) Class {
	switch {
	case a.Currency != b.Currency:
		return Currency
	case !rule.near(a.Amount, b.Amount):
		return Amount
	case rule.HasDate && apart(a.Date, b.Date) > int64(rule.Days):
		return Date
	}
	return Matched
}

func (rule Rule) near(a, b money.Decimal) bool {
	d, err := a.Sub(b)
	if err != nil { // further apart than 38 digits can say
		return false
	}
	return d.IsZero() || d.Abs().Cmp(rule.Tolerance) <= 0
}

// apart is the distance of two dates in days; a date and none are further apart than any two.
func apart(a, b int32) int64 {
	d := int64(a) - int64(b)
	return max(d, -d)
}

// Settler settles the items of one key at a time, and keeps its room from one to
// the next. The zero value is ready. It is not safe for concurrent use.
type Settler struct {
	restL, restR []int32
	pairs        []pair
	used         []bool
	breaks       []Break
}

// manyPairs bounds the pairs that are weighed one by one: beyond it the items of a key are paired in their order.
const manyPairs = 1 << 14

// Settle pairs the items of one key and calls emit for each match (of class
// [Matched]) and each break. The items are put in order in place, and must stay as they are
// while what was emitted is in use.
//
// Definition. Items that say the same are paired first. Of the other pairs the best comes
// first, again and again: by class (matching, then date, amount, currency), then
// by the difference of amounts, then of dates, then by the items' order. What is left over on one side is a
// [Duplicate] where the other side has the key at all, else missing there. Where a key still has
// more than 16,384 pairs to weigh, both sides are walked in their order instead, which takes
// n log n time: an amount within the tolerance of the next on the other side matches it.
func (s *Settler) Settle(rule Rule, left, right []Item, emit func(Break)) {
	if len(left) == 1 && len(right) == 1 && left[0].Key != "" {
		emit(Break{Class: rule.verdict(&left[0], &right[0]), Left: &left[0], Right: &right[0]})
		return
	}
	slices.SortFunc(left, compareItems)
	slices.SortFunc(right, compareItems)
	s.restL, s.restR, s.breaks = s.restL[:0], s.restR[:0], s.breaks[:0]
	if (len(left) > 0 && left[0].Key == "") || (len(right) > 0 && right[0].Key == "") {
		s.leftOver(left, right, all(&s.restL, left), all(&s.restR, right), MissingRight, MissingLeft)
	} else {
		s.pairUp(rule, left, right, emit)
	}
	s.number()
	for _, b := range s.breaks {
		emit(b)
	}
}

func all(into *[]int32, items []Item) []int32 {
	for i := range items {
		*into = append(*into, int32(i))
	}
	return *into
}

func (s *Settler) pairUp(rule Rule, left, right []Item, emit func(Break)) {
	s.equal(left, right, emit)
	settle := func(c Class, l, r *Item) {
		if c == Matched {
			emit(Break{Class: c, Left: l, Right: r})
		} else {
			s.breaks = append(s.breaks, Break{Class: c, Left: l, Right: r})
		}
	}
	if len(s.restL)*len(s.restR) <= manyPairs {
		s.best(rule, left, right, settle)
	} else {
		s.inOrder(rule, left, right, settle)
	}
	missingRight, missingLeft := MissingRight, MissingLeft
	if len(left) > 0 && len(right) > 0 {
		missingRight, missingLeft = Duplicate, Duplicate
	}
	s.leftOver(left, right, s.restL, s.restR, missingRight, missingLeft)
}

// leftOver makes breaks of items that have no counterpart.
func (s *Settler) leftOver(left, right []Item, restL, restR []int32, onLeft, onRight Class) {
	for _, i := range restL {
		s.breaks = append(s.breaks, Break{Class: onLeft, Left: &left[i]})
	}
	for _, j := range restR {
		s.breaks = append(s.breaks, Break{Class: onRight, Right: &right[j]})
	}
}

// equal pairs items that say the same, and lists the others.
func (s *Settler) equal(left, right []Item, emit func(Break)) {
	i, j := 0, 0
	for i < len(left) && j < len(right) {
		a, b := &left[i], &right[j]
		c := cmp.Or(cmp.Compare(a.Currency, b.Currency), a.Amount.Cmp(b.Amount), cmp.Compare(a.Date, b.Date))
		switch {
		case c == 0:
			emit(Break{Class: Matched, Left: a, Right: b})
			i, j = i+1, j+1
		case c < 0:
			s.restL = append(s.restL, int32(i))
			i++
		default:
			s.restR = append(s.restR, int32(j))
			j++
		}
	}
	for ; i < len(left); i++ {
		s.restL = append(s.restL, int32(i))
	}
	for ; j < len(right); j++ {
		s.restR = append(s.restR, int32(j))
	}
}

type pair struct {
	i, j  int32
	class Class
	cost  money.Decimal // |Δ amount|
	days  int64
}

// severity orders verdicts: matches first, then dates, amounts, currencies.
func severity(c Class) int {
	switch c {
	case Matched:
		return 0
	case Date:
		return 1
	case Amount:
		return 2
	}
	return 3
}

// best pairs the rest by weighing every pair.
func (s *Settler) best(rule Rule, left, right []Item, settle func(Class, *Item, *Item)) {
	s.pairs = s.pairs[:0]
	for _, i := range s.restL {
		for _, j := range s.restR {
			d, err := left[i].Amount.Sub(right[j].Amount)
			if err != nil {
				d = left[i].Amount
			}
			p := pair{i, j, rule.verdict(&left[i], &right[j]), d.Abs(), 0}
			if rule.HasDate {
				p.days = apart(left[i].Date, right[j].Date)
			}
			s.pairs = append(s.pairs, p)
		}
	}
	slices.SortFunc(s.pairs, func(a, b pair) int {
		return cmp.Or(severity(a.class)-severity(b.class), a.cost.Cmp(b.cost), cmp.Compare(a.days, b.days), cmp.Compare(a.i, b.i), cmp.Compare(a.j, b.j))
	})
	taken := s.marks(len(left) + len(right))
	for _, p := range s.pairs {
		if !taken[p.i] && !taken[len(left)+int(p.j)] {
			taken[p.i], taken[len(left)+int(p.j)] = true, true
			settle(p.class, &left[p.i], &right[p.j])
		}
	}
	s.drop(taken, len(left))
}

func (s *Settler) marks(n int) []bool {
	s.used = append(s.used[:0], make([]bool, n)...)
	return s.used
}

// drop takes the items that are settled out of the rest.
func (s *Settler) drop(taken []bool, nl int) {
	s.restL = slices.DeleteFunc(s.restL, func(i int32) bool { return taken[i] })
	s.restR = slices.DeleteFunc(s.restR, func(j int32) bool { return taken[nl+int(j)] })
}

// inOrder pairs the rest of a key with very many items: matches along both orders, then what is left item by item.
func (s *Settler) inOrder(rule Rule, left, right []Item, settle func(Class, *Item, *Item)) {
	taken := s.marks(len(left) + len(right))
	i, j := 0, 0
	for i < len(s.restL) && j < len(s.restR) {
		a, b := &left[s.restL[i]], &right[s.restR[j]]
		switch c := cmp.Or(cmp.Compare(a.Currency, b.Currency), a.Amount.Cmp(b.Amount), cmp.Compare(a.Date, b.Date)); {
		case rule.verdict(a, b) == Matched:
			taken[s.restL[i]], taken[len(left)+int(s.restR[j])] = true, true
			settle(Matched, a, b)
			i, j = i+1, j+1
		case c < 0:
			i++
		default:
			j++
		}
	}
	s.drop(taken, len(left))
	n := min(len(s.restL), len(s.restR))
	for k := range n {
		a, b := &left[s.restL[k]], &right[s.restR[k]]
		settle(rule.verdict(a, b), a, b)
	}
	s.restL, s.restR = s.restL[n:], s.restR[n:]
}

// number tells breaks of one key apart that say the same. Breaks that are alike stand in order of their Refs,
// because items that are alike do.
func (s *Settler) number() {
	if len(s.breaks) < 2 {
		return
	}
	type said struct {
		class       Class
		left, right content
	}
	seen := make(map[said]int, len(s.breaks))
	for i := range s.breaks {
		b := &s.breaks[i]
		k := said{b.Class, contentOf(b.Left), contentOf(b.Right)}
		b.Nth = seen[k]
		seen[k]++
	}
}

// content is what an item says beside its key, in a form that compares.
type content struct {
	there    bool
	amount   string
	currency string
	date     int32
}

func contentOf(it *Item) content {
	if it == nil {
		return content{}
	}
	return content{true, it.Amount.Normalize().String(), it.Currency, it.Date}
}
