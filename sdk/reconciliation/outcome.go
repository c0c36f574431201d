package reconciliation

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// Outcome is a match, or a break: rows of both sides and what they are to each other. Every row is in exactly one outcome.
type Outcome struct {
	Class Class
	// Base is the class before user classes; equal to Class where none applied.
	Base Class
	// Pass is the pass that matched, or, of a break, the one that nearly did; "" where none came near.
	Pass string
	Key  string // the values of that pass's keys, joined by |; of a lone row those of the first pass with keys
	// Left and Right are rows of the sides, in their total order.
	Left, Right []int32
	// Days is how far the right side's date lies from the left's, in the days of the pass's first window; only of one row each.
	Days int64
	// Over is by how much the difference of amounts exceeds the pass's tolerance; zero where it does not.
	Over money.Decimal
	// Suggested are rows of the other side whose texts are alike, of a break that has one side only.
	Suggested []Suggestion
	// Nth tells breaks apart that say the same: 0 for the first, in the rows' order.
	Nth int
}

// Suggestion is a row of the other side that may be meant; nothing is confirmed.
type Suggestion struct {
	Pass       string
	Row        int32
	Similarity int // in thousandths
}

// Cardinality of the outcome, such as 1:N; of a match.
func (o *Outcome) Cardinality() Cardinality {
	switch {
	case len(o.Left) <= 1 && len(o.Right) <= 1:
		return OneToOne
	case len(o.Left) == 1:
		return OneToMany
	case len(o.Right) == 1:
		return ManyToOne
	}
	return ManyToMany
}

// Settlement is the outcome of comparing two sides.
type Settlement struct {
	Left, Right *Side
	Rules       Rules
	AsOf        int32 // the day that timing was judged on
	Outcomes    []Outcome
	// Cut counts rows that had more candidates than a pass looks at, and sums that had more rows than it searches:
	// they may have stayed open though a match existed.
	Cut   int64
	scale int
}

// Scale is the number of digits after the point of sums and differences.
func (s *Settlement) Scale() int { return s.scale }

// Matches yields the outcomes that are matches, and Breaks the others.
func (s *Settlement) Matches() []*Outcome { return s.pick(true) }

// Breaks yields the outcomes that are no matches, in the total order of reports.
func (s *Settlement) Breaks() []*Outcome { return s.pick(false) }

func (s *Settlement) pick(matches bool) (out []*Outcome) {
	for i := range s.Outcomes {
		if (s.Outcomes[i].Class == Matched) == matches {
			out = append(out, &s.Outcomes[i])
		}
	}
	return out
}

// Sum adds up the amounts of an outcome's rows on one side. ok is false where there are none, or none with an amount, or they have several currencies.
func (s *Settlement) Sum(side *Side, rows []int32) (sum money.Decimal, currency string, ok bool) {
	var total money.Sum
	for i, r := range rows {
		switch {
		case i == 0:
			currency = side.currency[r]
		case currency != side.currency[r]:
			return sum, "", false
		}
		if side.noAmount != nil && side.noAmount[r] {
			if len(rows) == 1 {
				return sum, currency, false
			}
			continue
		}
		d, err := side.amounts[r].RescaleExact(s.scale)
		if err != nil {
			return sum, currency, false
		}
		total.Add(d.Coefficient())
	}
	sum, err := total.Decimal(s.scale)
	return sum, currency, err == nil && len(rows) > 0
}

// Difference is left − right, a missing side counting as zero. ok is false where there is no such number.
func (s *Settlement) Difference(o *Outcome) (d money.Decimal, ok bool) {
	l, lc, lok := s.Sum(s.Left, o.Left)
	r, rc, rok := s.Sum(s.Right, o.Right)
	switch {
	case len(o.Right) == 0:
		return l, lok
	case len(o.Left) == 0:
		return r.Neg(), rok
	case !lok || !rok || lc != rc:
		return money.Decimal{}, false
	}
	d, err := l.Sub(r)
	return d, err == nil
}

// ID identifies a break on every night on which it is found: 32 hex digits of a SHA-256 over the rules' name, its key,
// what its rows say (amount, currency, date) and Nth. Neither class nor refs count: a row that is late today and missing
// tomorrow is one break, and a statement's lines move.
func (s *Settlement) ID(o *Outcome) string {
	sum := sha256.Sum256(append(s.said(o), strconv.Itoa(o.Nth)...))
	return hex.EncodeToString(sum[:16])
}

// said is what identifies a break but for its number among others that say the same.
func (s *Settlement) said(o *Outcome) []byte {
	buf := make([]byte, 0, 160)
	buf = appendPart(appendPart(buf, s.Rules.Name), o.Key)
	for _, of := range []struct {
		side *Side
		rows []int32
	}{{s.Left, o.Left}, {s.Right, o.Right}} {
		buf = append(buf, '[')
		for _, r := range of.rows {
			buf = appendPart(buf, string(of.side.appendColumn(nil, column{kind: amountColumn}, int(r))))
			buf = appendPart(buf, of.side.currency[r])
			buf = appendPart(buf, strconv.Itoa(int(of.side.dates[r])))
		}
		buf = append(buf, ']')
	}
	return buf
}

// finish puts outcomes into the total order of reports (key, class, rows) and numbers breaks that say the same.
func (s *Settlement) finish() {
	rank := map[Class]int{Matched: -1}
	for i, c := range Classes() {
		rank[c] = i
	}
	slices.SortFunc(s.Outcomes, func(a, b Outcome) int {
		if c := cmp.Or(strings.Compare(a.Key, b.Key), cmp.Compare(rank[a.Class], rank[b.Class])); c != 0 {
			return c
		}
		return cmp.Or(s.compareRows(s.Left, a.Left, b.Left), s.compareRows(s.Right, a.Right, b.Right))
	})
	seen := map[string]int{}
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		if o.Class == Matched {
			continue
		}
		said := string(s.said(o))
		o.Nth = seen[said]
		seen[said]++
	}
}

func (s *Settlement) compareRows(side *Side, a, b []int32) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Or(compareOther(side, a[i], side, b[i]), strings.Compare(side.refs[a[i]], side.refs[b[i]])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// Control is one currency's control total on both sides, with the difference explained.
type Control struct {
	Total
	LeftRows, RightRows       int64
	LeftMatched, RightMatched int64
	LeftBreaks, RightBreaks   int64
}

// Controls adds up both sides by currency from their own rows, and beside it what the outcomes account for. It is an error, and a
// defect, where matched + breaks is not the population of a side, or where anything is unexplained.
func (s *Settlement) Controls() ([]Control, error) {
	all := map[string]*controlSums{}
	at := func(currency string) *controlSums {
		if all[currency] == nil {
			all[currency] = &controlSums{}
		}
		return all[currency]
	}
	for i := range s.Left.Len() {
		c := at(s.Left.currency[i])
		c.rows[0]++
		if err := s.addTo(&c.sides[0], s.Left, int32(i)); err != nil {
			return nil, err
		}
	}
	for i := range s.Right.Len() {
		c := at(s.Right.currency[i])
		c.rows[1]++
		if err := s.addTo(&c.sides[1], s.Right, int32(i)); err != nil {
			return nil, err
		}
	}
	if err := s.explain(all); err != nil {
		return nil, err
	}
	return controls(all, s.scale)
}

// explain adds up what outcomes account for; each row is in one of them.
func (s *Settlement) explain(all map[string]*controlSums) error {
	seen := [2][]bool{make([]bool, s.Left.Len()), make([]bool, s.Right.Len())}
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		kind := 0
		if o.Class != Matched {
			kind = 1
		}
		for k, of := range []struct {
			side *Side
			rows []int32
		}{{s.Left, o.Left}, {s.Right, o.Right}} {
			for _, r := range of.rows {
				if seen[k][r] {
					return fmt.Errorf("reconciliation: row %s of %s is in two outcomes", of.side.refs[r], of.side.name)
				}
				seen[k][r] = true
				c := all[of.side.currency[r]]
				if c == nil {
					c = &controlSums{}
					all[of.side.currency[r]] = c
				}
				c.settled[k][kind]++
				if err := s.addTo(&c.explained[k][kind], of.side, r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// controls are currencies' control totals, in order of their names; an error where one does not tie out.
func controls(all map[string]*controlSums, scale int) ([]Control, error) {
	currencies := make([]string, 0, len(all))
	for c := range all {
		currencies = append(currencies, c)
	}
	slices.Sort(currencies)
	out := make([]Control, 0, len(all))
	for _, name := range currencies {
		c, err := all[name].control(name, scale)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func (s *Settlement) addTo(sum *money.Sum, side *Side, row int32) error {
	d, err := side.amounts[row].RescaleExact(s.scale)
	if err != nil {
		return fmt.Errorf("amount of row %s of %s: %w", side.refs[row], side.name, err)
	}
	sum.Add(d.Coefficient())
	return nil
}

// controlSums are a currency's sums while they grow: of the sides, and of matches and breaks of each.
type controlSums struct {
	rows      [2]int64
	sides     [2]money.Sum
	settled   [2][2]int64
	explained [2][2]money.Sum
}

// settle adds what other sums account for.
func (c *controlSums) settle(o *controlSums) {
	for side := range c.settled {
		for kind := range c.settled[side] {
			c.settled[side][kind] += o.settled[side][kind]
			c.explained[side][kind].Merge(o.explained[side][kind])
		}
	}
}

func (c *controlSums) control(currency string, scale int) (Control, error) {
	out := Control{Total: Total{Currency: currency}, LeftRows: c.rows[0], RightRows: c.rows[1], LeftMatched: c.settled[0][0], RightMatched: c.settled[1][0],
		LeftBreaks: c.settled[0][1], RightBreaks: c.settled[1][1]}
	less := func(a, b money.Sum) money.Sum {
		a.Sub(b)
		return a
	}
	matched, breaks := less(c.explained[0][0], c.explained[1][0]), less(c.explained[0][1], c.explained[1][1])
	rest := less(less(less(c.sides[0], c.sides[1]), matched), breaks)
	for _, f := range []struct {
		from money.Sum
		to   *money.Decimal
	}{{c.sides[0], &out.Left}, {c.sides[1], &out.Right}, {matched, &out.Matched}, {breaks, &out.Breaks}, {rest, &out.Unexplained}} {
		d, err := f.from.Decimal(scale)
		if err != nil {
			return out, fmt.Errorf("control total in %s: %w", currency, err)
		}
		*f.to = d
	}
	if !rest.IsZero() || out.LeftRows != out.LeftMatched+out.LeftBreaks || out.RightRows != out.RightMatched+out.RightBreaks {
		return out, fmt.Errorf("reconciliation: control total in %s does not tie out: %s unexplained; left %d rows, %d matched and %d in breaks; right %d, %d and %d",
			currency, out.Unexplained, out.LeftRows, out.LeftMatched, out.LeftBreaks, out.RightRows, out.RightMatched, out.RightBreaks)
	}
	return out, nil
}
