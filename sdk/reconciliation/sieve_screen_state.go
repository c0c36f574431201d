package reconciliation

import (
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation/tree"
)

// ScreenState is what was screened of a side, as it is kept.
type ScreenState struct {
	Tree   []byte // as [tree.Tree.MarshalBinary] writes it
	Totals []byte // what else a sieve knows of the rows, as JSON
}

// screenTotals are the totals of a state.
type screenTotals struct {
	Held         []heldState       `json:"held"`
	Scale        int               `json:"scale"`
	NumberScales []int             `json:"number_scales"`
	Last         int32             `json:"last"`
	Bars         bool              `json:"bars"`
	Largest      map[int]magnified `json:"largest"`
}

// magnified is a magnitude, written as a text: JSON's numbers do not hold all of them.
type magnified uint64

type heldState struct {
	Currency string         `json:"currency"`
	Rows     int64          `json:"rows"`
	Sums     map[int][]byte `json:"sums"` // by scale
}

func (m magnified) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d", uint64(m)), nil }

func (m *magnified) UnmarshalText(b []byte) error {
	_, err := fmt.Sscanf(string(b), "%d", (*uint64)(m))
	return err
}

// ScreenState is what Screen has made of a side's rows, for RestoreScreen of a later sieve by the same rules and schema. It is asked for before Screened.
func (s *Sieve) ScreenState(side int) (kept ScreenState, err error) {
	if !s.screening() {
		return kept, errScreen
	}
	d := s.sides[side]
	out := screenTotals{Scale: d.scale, NumberScales: d.numberScales, Last: d.last, Bars: d.bars, Largest: map[int]magnified{}}
	if kept.Tree, err = s.screen.trees[side].MarshalBinary(); err != nil {
		return kept, fmt.Errorf("keep what was screened of %s: %w", d.rest.name, err)
	}
	for code, h := range d.held {
		one := heldState{Currency: d.currencies.names[code], Rows: h.rows, Sums: map[int][]byte{}}
		for scale, sum := range h.sums {
			if sum.IsZero() {
				continue
			}
			if one.Sums[scale], err = sum.MarshalBinary(); err != nil {
				return kept, fmt.Errorf("keep what was screened of %s: %w", d.rest.name, err)
			}
		}
		out.Held = append(out.Held, one)
	}
	for scale, largest := range d.largest {
		if largest > 0 {
			out.Largest[scale] = magnified(largest)
		}
	}
	kept.Totals, err = json.Marshal(out)
	return kept, err
}

// RestoreScreen takes rows that were screened before: those of a state that ScreenState gave. It comes after StartScreen and before the side's first Screen.
// A state that cannot be one of the sieve's rules and schema is an error, and so is one that was cut short: the sieve is then as it was. That the rows are the right
// ones is the caller's to know.
func (s *Sieve) RestoreScreen(side int, state ScreenState) error {
	if !s.screening() {
		return errScreen
	}
	d := s.sides[side]
	fail := func(err error) error { return fmt.Errorf("rows of %s that were screened before: %w", d.rest.name, err) }
	var in screenTotals
	if err := json.Unmarshal(state.Totals, &in); err != nil {
		return fail(err)
	}
	kept := tree.New(0)
	if err := kept.UnmarshalBinary(state.Tree); err != nil {
		return fail(err)
	}
	root, err := kept.Root()
	if err != nil {
		return fail(err)
	}
	if kept.Scale() != 0 || in.Scale < 0 || in.Scale > money.MaxScale || len(in.NumberScales) != len(d.numberScales) || len(d.held) > 0 {
		return fail(fmt.Errorf("they are of other rules"))
	}
	for _, scale := range in.NumberScales {
		if scale < 0 || scale > money.MaxScale {
			return fail(fmt.Errorf("a number has %d digits after the point", scale))
		}
	}
	var rows int64
	var all []*held
	seen := map[string]bool{}
	for _, h := range in.Held {
		now := &held{rows: h.Rows}
		for scale, sum := range h.Sums {
			if scale < 0 || scale > in.Scale {
				return fail(fmt.Errorf("a sum has %d digits after the point", scale))
			}
			if err := now.sums[scale].UnmarshalBinary(sum); err != nil {
				return fail(err)
			}
		}
		if h.Rows < 0 || seen[h.Currency] {
			return fail(fmt.Errorf("currency %q stands twice, or has %d rows", h.Currency, h.Rows))
		}
		seen[h.Currency] = true
		all, rows = append(all, now), rows+h.Rows
	}
	if rows != root.Rows {
		return fail(fmt.Errorf("the sums are of %d rows, the tree of %d", rows, root.Rows))
	}
	for scale := range in.Largest {
		if scale < 0 || scale > in.Scale {
			return fail(fmt.Errorf("an amount has %d digits after the point", scale))
		}
	}
	// all is well: from here on nothing fails
	for scale, largest := range in.Largest {
		d.largest[scale] = uint64(largest)
	}
	for _, h := range in.Held {
		d.currencies.of(h.Currency)
	}
	d.held = all
	d.scale, d.last, d.bars = in.Scale, in.Last, in.Bars
	copy(d.numberScales, in.NumberScales)
	s.screen.trees[side] = kept
	return nil
}
