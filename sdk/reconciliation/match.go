package reconciliation

import (
	"cmp"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// Item is one movement on one side.
type Item struct {
	Key      string // what identifies the movement on both sides
	Amount   money.Decimal
	Currency string
	Date     int32  // days since 1970-01-01; 0 where the rule has no date
	Ref      string // where the item comes from (row id, file and line); unique on its side
}

// Rule says what matches.
type Rule struct {
	Tolerance money.Decimal // largest |left − right| that still matches, 0 or more
	Days      int32         // largest difference of dates that still matches, 0 or more
	HasDate   bool          // whether dates take part
}

// Class is the kind of a break.
type Class string

// The classes of breaks.
const (
	MissingLeft  Class = "missing_left"  // on the right only
	MissingRight Class = "missing_right" // on the left only
	Duplicate    Class = "duplicate"     // one item more on a side than the other has, of a key that both have
	Amount       Class = "amount"        // same key and currency, amounts differ by more than the tolerance
	Currency     Class = "currency"      // same key, different currencies
	Date         Class = "date"          // same key, amounts match, dates differ by more than the rule allows
)

// Classes lists every class, in the order of reports.
func Classes() []Class {
	return []Class{MissingLeft, MissingRight, Duplicate, Amount, Currency, Date}
}

// Match pairs an item of each side.
type Match struct{ Left, Right Item }

// Break is what did not match. Left or Right is nil where that side has no item.
type Break struct {
	Class       Class
	Left, Right *Item
}

// Key is the key of the break's items.
func (b Break) Key() string {
	if b.Left != nil {
		return b.Left.Key
	}
	return b.Right.Key
}

// Result is the outcome of a comparison, ordered by key.
type Result struct {
	Matches             []Match
	Breaks              []Break
	LeftRows, RightRows int64
}

// Compare matches two sides. It sorts copies of the slices: O(n log n) time, and memory for both sides.
func Compare(left, right []Item, rule Rule) Result {
	l, r := sorted(left), sorted(right)
	res := Result{LeftRows: int64(len(l)), RightRows: int64(len(r))}
	for len(l) > 0 || len(r) > 0 {
		key := ""
		switch {
		case len(l) == 0:
			key = r[0].Key
		case len(r) == 0:
			key = l[0].Key
		default:
			key = min(l[0].Key, r[0].Key)
		}
		nl, nr := run(l, key), run(r, key)
		res.group(l[:nl], r[:nr], rule)
		l, r = l[nl:], r[nr:]
	}
	return res
}

func sorted(items []Item) []Item {
	out := slices.Clone(items)
	slices.SortFunc(out, func(a, b Item) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Currency, b.Currency), a.Amount.Cmp(b.Amount), cmp.Compare(a.Date, b.Date), strings.Compare(a.Ref, b.Ref))
	})
	return out
}

// run is the number of items at the front that have the key.
func run(items []Item, key string) int {
	n := 0
	for n < len(items) && items[n].Key == key {
		n++
	}
	return n
}

// verdict says how two items of one key relate; "" is a match.
func (rule Rule) verdict(a, b Item) Class {
	switch {
	case a.Currency != b.Currency:
		return Currency
	case !rule.near(a.Amount, b.Amount):
		return Amount
	case rule.HasDate && abs32(a.Date-b.Date) > rule.Days:
		return Date
	}
	return ""
}

func (rule Rule) near(a, b money.Decimal) bool {
	d, err := a.Sub(b)
	if err != nil { // further apart than 128 bits can say
		return false
	}
	return d.Abs().Cmp(rule.Tolerance) <= 0
}

func abs32(x int32) int32 {
	if x < 0 {
		return -x
	}
	return x
}

// group settles the items of one key: the nearest matching pairs first, then
// pairs that differ, then what is left over on one side.
func (res *Result) group(l, r []Item, rule Rule) {
	usedL, usedR := make([]bool, len(l)), make([]bool, len(r))
	for _, p := range rule.pairs(l, r) {
		if usedL[p.i] || usedR[p.j] {
			continue
		}
		usedL[p.i], usedR[p.j] = true, true
		if p.class == "" {
			res.Matches = append(res.Matches, Match{l[p.i], r[p.j]})
		} else {
			res.Breaks = append(res.Breaks, Break{p.class, &l[p.i], &r[p.j]})
		}
	}
	missingRight, missingLeft := MissingRight, MissingLeft
	if len(l) > 0 && len(r) > 0 {
		missingRight, missingLeft = Duplicate, Duplicate
	}
	for i := range l {
		if !usedL[i] {
			res.Breaks = append(res.Breaks, Break{missingRight, &l[i], nil})
		}
	}
	for j := range r {
		if !usedR[j] {
			res.Breaks = append(res.Breaks, Break{missingLeft, nil, &r[j]})
		}
	}
}

type pair struct {
	i, j  int
	class Class
	cost  money.Decimal // |Δ amount|
	days  int32
}

// severity orders verdicts: matches first, then dates, amounts, currencies.
func severity(c Class) int {
	return slices.Index([]Class{"", Date, Amount, Currency}, c)
}

// pairs lists every pair of a group from best to worst. Groups are small: keys identify movements.
// A pair of equal items in equal places is the common case and needs no list of all pairs.
func (rule Rule) pairs(l, r []Item) []pair {
	if len(l) == 1 && len(r) == 1 {
		return []pair{{0, 0, rule.verdict(l[0], r[0]), money.Decimal{}, 0}}
	}
	all := make([]pair, 0, len(l)*len(r))
	for i := range l {
		for j := range r {
			d, err := l[i].Amount.Sub(r[j].Amount)
			if err != nil {
				d = l[i].Amount
			}
			all = append(all, pair{i, j, rule.verdict(l[i], r[j]), d.Abs(), abs32(l[i].Date - r[j].Date)})
		}
	}
	slices.SortFunc(all, func(a, b pair) int {
		return cmp.Or(severity(a.class)-severity(b.class), a.cost.Cmp(b.cost), cmp.Compare(a.days, b.days), a.i-b.i, a.j-b.j)
	})
	return all
}
