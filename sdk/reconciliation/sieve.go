package reconciliation

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// Sieve settles two sides of any size as Settle does, in bounded memory: rows are kept in parts by their key, on disk where they are many; one row of
// each side that have a key for themselves, and match by the first pass, are settled there and then, and only the others are given to Settle.
//
// Memory is the budget, a block of 8 KiB for each of 1,024 parts of each side, one part for each worker, and the rows that do not match so: breaks, keys with
// several rows, and rows without a key. Where the keys of every pass include those of the first, these are settled part by part too, and given away; only rows
// without a key are held then. Append may be called for the two sides at once, not twice at once for one of them.
type Sieve struct {
	rules  Rules
	schema Schema
	opts   SieveOptions
	sides  [2]*sieveSide
	keys   []column
	inKey  []bool // by text column: its value is in the key
	budget atomic.Int64
	cached int // how many rows of a side of a part are looked at together
	// several says that a pass has several keys, whose texts are joined by |.
	several bool
	screen  *screen // nil where rows are not screened
}

// SieveOptions alter a sieve.
type SieveOptions struct {
	Memory  int64  // bytes of rows that are held before they go to disk. 0: 32 MiB
	Dir     string // for files of the sieve's own, which Close removes. "": the system's temporary folder
	Workers int    // parts that are settled at once. 0: 2
}

// Sifts reports whether a sieve can settle by these rules: the first pass pairs rows by a key in one currency, and passes that call rows of a key near or
// duplicate go by the same key. Others need all rows at once: Settle.
func (r Rules) Sifts() bool {
	if len(r.Passes) == 0 {
		return false
	}
	first := &r.Passes[0]
	if first.method() != Pairs || len(first.Keys) == 0 || first.Convert {
		return false
	}
	for i := range r.Passes {
		p := &r.Passes[i]
		if p.Near && p.method() == Pairs && len(p.Keys) > 0 && !slices.Equal(p.Keys, first.Keys) {
			return false
		}
	}
	return true
}

// NewSieve starts one for two sides of one schema. Rules for which Sifts is false are a usage error.
func NewSieve(left, right string, schema Schema, rules Rules, o SieveOptions) (*Sieve, error) {
	if err := rules.Check(schema); err != nil {
		return nil, err
	}
	if !rules.Sifts() {
		return nil, fault.Usagef("rules %s: they need all rows at once", rules.Name)
	}
	if o.Memory == 0 {
		o.Memory = 32 << 20
	}
	if o.Workers == 0 {
		o.Workers = 2
	}
	s := &Sieve{rules: rules, schema: schema, opts: o, inKey: make([]bool, len(schema.Texts)), cached: cachedRows}
	for i := range rules.Passes {
		s.several = s.several || len(rules.Passes[i].Keys) > 1
	}
	for _, k := range rules.Passes[0].Keys {
		c, _ := schema.find(k) // Check has seen it
		s.keys = append(s.keys, c)
		if c.kind == textColumn {
			s.inKey[c.at] = true
		}
	}
	s.budget.Store(o.Memory)
	for i, name := range []string{left, right} {
		s.sides[i] = newSieveSide(s, name)
	}
	return s, nil
}

// Close removes the sieve's files.
func (s *Sieve) Close() error {
	var errs []error
	for _, side := range s.sides {
		errs = append(errs, side.store.Close())
	}
	return errors.Join(errs...)
}

// Append adds a row to the left side (0) or the right one (1). Nothing of m is kept.
func (s *Sieve) Append(side int, m *Movement) error { return s.sides[side].append(m) }

// Sifted is the outcome of a sieve.
type Sifted struct {
	// Settlement is that of the rows that the sieve has not settled: its sides have these rows only, its Controls speak of them only.
	*Settlement
	// Pairs counts matches that the sieve has given away as pairs, by their pass's place in Rules.Passes.
	Pairs []int64
	Cut   int64 // as in Settlement, of all rows
	sums  map[string]*controlSums
}

// Takers take what a sieve settles. Each may be nil.
type Takers struct {
	// Pairs takes matches of one row with one by the first passes, in an order that depends on what rows say and not on the order in which they came.
	Pairs func(*PairRows) error
	// Part makes what Take gets of a part's other rows, which are settled apart from those of other parts. Parts may be at work at once. The settlement is valid
	// as long as what Part makes of it.
	Part func(*Settlement) (any, error)
	Take func(any) error // takes it, one part after the other, after the part's pairs
}

// parts reports whether the rows of a part can be settled apart from those of others: every pass has the first one's keys, and no row a key with | in it, by
// which the texts of two different keys could be equal, and breaks of two parts have one identity.
func (s *Sieve) parts() bool {
	for i := range s.rules.Passes {
		for _, k := range s.rules.Passes[0].Keys {
			if !slices.Contains(s.rules.Passes[i].Keys, k) {
				return false
			}
		}
	}
	return !s.sides[0].bars && !s.sides[1].bars
}

// alike is how many passes, from the first on, pair rows by the same keys: rows that have a key for themselves match by the first of them that they can.
func (s *Sieve) alike() (n int) {
	for i := range s.rules.Passes {
		p := &s.rules.Passes[i]
		if p.method() != Pairs || p.Convert || !slices.Equal(p.Keys, s.rules.Passes[0].Keys) {
			break
		}
		n++
	}
	return n
}

// Scale is the number of digits after the point of sums and differences, of all that was added.
func (s *Sieve) Scale() int {
	scale := max(s.sides[0].scale, s.sides[1].scale)
	if s.rules.Rates != nil {
		scale = max(scale, 2)
	}
	return scale
}

// Precision is how many digits amounts have at most, with Scale of them after the point: 18 or 38.
func (s *Sieve) Precision() int {
	const limit = 1e18
	for _, side := range s.sides {
		for scale, largest := range side.largest {
			for range s.Scale() - scale {
				if largest >= limit {
					break
				}
				largest *= 10
			}
			if largest >= limit {
				return money.MaxPrecision
			}
		}
	}
	return 18
}

// Settle settles all that was added, and hands to t what it has of it; Settlement has the rest. A sieve settles once.
func (s *Sieve) Settle(t Takers) (*Sifted, error) {
	if t.Part == nil || !s.parts() {
		t.Part = nil
	}
	if s.rules.AsOf == 0 {
		s.rules.AsOf = max(s.sides[0].last, s.sides[1].last)
	}
	if s.rules.Calendar == nil {
		s.rules.Calendar = everydayCalendar()
	}
	least := scales{amount: s.Scale(), numbers: make([]int, len(s.schema.Numbers))}
	for k := range least.numbers {
		least.numbers[k] = max(s.sides[0].numberScales[k], s.sides[1].numberScales[k])
	}
	out := &Sifted{sums: map[string]*controlSums{}, Pairs: make([]int64, s.alike())}
	if err := s.eachPart(least, out, t); err != nil {
		return nil, err
	}
	var err error
	out.Settlement, err = settle(s.sides[0].rest, s.sides[1].rest, s.rules, least)
	if err != nil {
		return nil, err
	}
	out.Cut += out.Settlement.Cut
	for side, from := range s.sides {
		for code, have := range from.held {
			c := out.at(from.currencies.names[code])
			c.rows[side] += have.rows
			if err := have.addTo(&c.sides[side], out.scale); err != nil {
				return nil, fmt.Errorf("control total in %s: %w", from.currencies.names[code], err)
			}
		}
	}
	if s.screen != nil {
		return out, s.screen.settle(s, out)
	}
	return out, nil
}

// eachPart settles parts, some at once, and takes what they hand over, one part after the other in order.
func (s *Sieve) eachPart(least scales, out *Sifted, t Takers) error {
	results := make([]chan piece, sieveParts)
	for i := range results {
		results[i] = make(chan piece, 2)
	}
	var pool *piecePool
	if t.Pairs != nil {
		pool = newPiecePool(PairRows{Scale: least.amount, Precision: s.Precision(), Names: s.sides[0].currencies.names})
	}
	idle := make(chan *sievePart, s.opts.Workers)
	for range s.opts.Workers {
		idle <- s.newPart(least)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range results {
			p := <-idle
			wg.Go(func() {
				var err error
				if !stop.Load() {
					err = p.settle(i, results[i], pool)
				}
				got := piece{rest: p, err: err}
				if err == nil && t.Part != nil {
					got.settled, got.err = p.settleRest(least, t.Part)
				}
				results[i] <- got
			})
		}
	})
	var failed error
	for i := range results {
		for {
			got := <-results[i]
			if failed == nil {
				failed = out.take(s, got, t)
				stop.Store(failed != nil)
			}
			if got.rows != nil {
				pool.give(got.rows)
				continue
			}
			idle <- got.rest // the part is its worker's again
			break
		}
	}
	wg.Wait()
	return failed
}

// take counts pairs and hands them on, or takes what a part has not settled.
func (o *Sifted) take(s *Sieve, got piece, t Takers) error {
	switch {
	case got.err != nil:
		return got.err
	case got.rows == nil:
		p := got.rest
		for i, n := range p.pairs {
			o.Pairs[i] += n
		}
		for code, x := range p.explained {
			if x.rows == 0 {
				continue
			}
			c := o.at(s.sides[0].currencies.names[code])
			for side := range x.sums {
				c.settled[side][0] += x.rows
				c.explained[side][0].Merge(x.sums[side])
			}
		}
		if t.Part == nil {
			return p.eachRest(func(side int, m *Movement) error { return s.sides[side].keep(m) })
		}
		if got.settled == nil {
			return nil
		}
		for currency, c := range got.settled.sums {
			o.at(currency).settle(c)
		}
		o.Cut += got.settled.cut
		if t.Take == nil {
			return nil
		}
		return t.Take(got.settled.made)
	case got.rows.Len() == 0:
		return nil
	}
	return t.Pairs(got.rows)
}

func (o *Sifted) at(currency string) *controlSums {
	c := o.sums[currency]
	if c == nil {
		c = &controlSums{}
		o.sums[currency] = c
	}
	return c
}

// Controls are those of both sides whole: what they hold was added up as rows came, apart from the matching.
func (o *Sifted) Controls() ([]Control, error) {
	all := map[string]*controlSums{}
	for currency, c := range o.sums {
		sum := *c
		all[currency] = &sum
	}
	if err := o.explain(all); err != nil {
		return nil, err
	}
	return controls(all, o.scale)
}

// held is what a side holds in one currency, by the digits that its amounts have after the point.
type held struct {
	rows int64
	sums [money.MaxScale + 1]money.Sum
}

func (h *held) add(amount money.Decimal) {
	h.rows++
	h.sums[amount.Scale()].Add(amount.Coefficient())
}

// addTo adds it to a sum of a scale.
func (h *held) addTo(sum *money.Sum, scale int) error {
	for digits, s := range h.sums {
		if s.IsZero() {
			continue
		}
		d, err := s.Decimal(digits)
		if err == nil {
			d, err = d.RescaleExact(scale)
		}
		if err != nil {
			return err
		}
		sum.Add(d.Coefficient())
	}
	return nil
}
