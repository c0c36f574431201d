package reconciliation

import (
	"errors"
	"fmt"
	"slices"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation/tree"
)

// Screens reports whether rows can be screened for these rules: a sieve can settle by them, every pass has the keys of the first, so that a row matters to no row of
// another key, and the first pass matches rows that are equal.
func (r Rules) Screens() bool {
	if !r.Sifts() {
		return false
	}
	for i := range r.Passes {
		for _, k := range r.Passes[0].Keys {
			if !slices.Contains(r.Passes[i].Keys, k) {
				return false
			}
		}
	}
	for _, w := range r.Passes[0].Windows {
		if w.Before < 0 || w.After < 0 {
			return false
		}
	}
	return true
}

// screen adds up the rows of a sieve's sides before they are appended.
type screen struct {
	trees   [2]*tree.Tree
	hashers [2]tree.Hasher
	ended   bool
	full    bool // all rows are to be compared
	buckets [tree.Leaves / 64]uint64
}

// errScreen is of calls in another order than StartScreen, RestoreScreen, Screen, ScreenState, Screened, Append.
var errScreen = errors.New("reconciliation: rows are screened between StartScreen and Screened, and appended after it")

// screening reports whether rows can be screened now.
func (s *Sieve) screening() bool { return s.screen != nil && !s.screen.ended }

// Screen adds a row to the tree of the left side (0) or the right one (1), and keeps nothing else of it. Where rows are screened, all rows of both sides are, then
// [Sieve.Screened] says where they differ, and Append gets the rows once more: it drops those of buckets that are equal, which match row for row. Equal
// are rows with one key, amount, currency and date whose other columns are all equal too, but for Ref. Screen may be called for the two sides
// at once. It is a usage error where [Rules.Screens] is false.
func (s *Sieve) Screen(side int, m *Movement) error {
	if !s.screening() {
		return errScreen
	}
	d := s.sides[side]
	if len(m.Texts) != len(d.rest.texts) || len(m.Numbers) != len(d.numberScales) || len(m.Days) != len(d.rest.days) {
		return d.rest.Append(*m) // it says what is wrong
	}
	if m.NoAmount {
		m.Amount = money.Decimal{}
	}
	d.count(m)
	return s.screen.add(d, side, m)
}

// StartScreen readies a sieve for Screen, before any row was appended.
func (s *Sieve) StartScreen() error {
	if !s.rules.Screens() {
		return fault.Usagef("rules %s: trees need a first pass of pairs with keys, which every other pass has too", s.rules.Name)
	}
	s.screen = &screen{trees: [2]*tree.Tree{tree.New(0), tree.New(0)}}
	return nil
}

// Screened ends the screening. Rows that it finds equal are matches of the first pass, which no taker of pairs gets.
func (s *Sieve) Screened() (tree.Buckets, error) {
	if !s.screening() {
		return tree.Buckets{}, errScreen
	}
	found, err := tree.Descend(s.screen.trees[0], s.screen.trees[1])
	if err != nil {
		return found, err
	}
	for _, b := range found.Differ {
		s.screen.buckets[b/64] |= 1 << (b % 64)
	}
	s.screen.ended, s.screen.full, s.screen.trees = true, found.Full(), [2]*tree.Tree{}
	return found, nil
}

// add takes a row into its side's tree. Sums by currency are the side's, so that the tree gets no amount beside the one in the row's hash.
func (c *screen) add(d *sieveSide, side int, m *Movement) error {
	h := &c.hashers[side]
	h.Key()
	keyed := d.keyOf(m)
	if keyed {
		h.Bytes(d.key)
	}
	h.Row()
	if !keyed || m.NoAmount || !d.dated(m) {
		h.Int(int64(side)) // it matches no row, not even an equal one: its bucket differs
	}
	h.Number(m.Amount)
	h.Text(m.Currency)
	h.Day(m.Date)
	for i, t := range m.Texts {
		if !d.sieve.inKey[i] {
			h.Text(t)
		}
	}
	for _, n := range m.Numbers {
		h.Number(n)
	}
	for _, n := range m.Days {
		h.Day(n)
	}
	bucket, row := h.Sum()
	return c.trees[side].Add(bucket, row, money.Decimal{})
}

// dated reports whether a row has the dates that the first pass compares.
func (d *sieveSide) dated(m *Movement) bool {
	for _, w := range d.sieve.rules.Passes[0].Windows {
		if c, _ := d.sieve.schema.find(w.Column); m.day(c) == NoDate { // Check has seen it
			return false
		}
	}
	return true
}

// differs reports whether the bucket of the key in d.key is to be compared.
func (c *screen) differs(d *sieveSide) bool {
	if c.full {
		return true
	}
	var side int
	if d == d.sieve.sides[1] {
		side = 1
	}
	h := &c.hashers[side]
	h.Key()
	h.Bytes(d.key)
	h.Row()
	b := h.Bucket()
	return c.buckets[b/64]&(1<<(b%64)) != 0
}

// settle accounts for the rows that were found equal.
func (c *screen) settle(s *Sieve, out *Sifted) error {
	if !c.ended {
		return errScreen
	}
	var equal [2]int64
	for side, from := range s.sides {
		for code, have := range from.held {
			rest := *have
			if code < len(from.again) {
				rest.rows -= from.again[code].rows
				for i := range rest.sums {
					rest.sums[i].Sub(from.again[code].sums[i])
				}
			}
			sums := out.at(from.currencies.names[code])
			sums.settled[side][0] += rest.rows
			if err := rest.addTo(&sums.explained[side][0], out.scale); err != nil {
				return fmt.Errorf("equal rows in %s: %w", from.currencies.names[code], err)
			}
			equal[side] += rest.rows
		}
	}
	if equal[0] != equal[1] {
		return fmt.Errorf("reconciliation: %d rows of %s and %d of %s lie in buckets that are equal: not all rows that were screened were appended, or a side has changed between",
			equal[0], s.sides[0].rest.name, equal[1], s.sides[1].rest.name)
	}
	out.Pairs[0] += equal[0]
	return nil
}
