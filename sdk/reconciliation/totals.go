package reconciliation

import (
	"fmt"

	"github.com/millrace/millrace/sdk/money"
)

// Total is one currency's control total.
type Total struct {
	Currency string
	Left     money.Decimal // Σ of the left side's items
	Right    money.Decimal
	Matched  money.Decimal // Σ (left − right) over matches: what tolerances let pass
	Breaks   money.Decimal // Σ (left − right) over breaks
	// Unexplained is Left − Right − Matched − Breaks: always zero, or the comparison is wrong.
	Unexplained money.Decimal
}

// Totals adds up both sides by currency, with the difference explained. The
// sides are added from the items that were given, independently of the result.
func (res Result) Totals(left, right []Item) (map[string]Total, error) {
	out := map[string]Total{}
	for _, it := range left {
		if err := add(out, it.Currency, it.Amount, func(t *Total) *money.Decimal { return &t.Left }); err != nil {
			return nil, err
		}
	}
	for _, it := range right {
		if err := add(out, it.Currency, it.Amount, func(t *Total) *money.Decimal { return &t.Right }); err != nil {
			return nil, err
		}
	}
	matched := func(t *Total) *money.Decimal { return &t.Matched }
	for _, m := range res.Matches {
		if err := diff(out, &m.Left, &m.Right, matched); err != nil {
			return nil, err
		}
	}
	broken := func(t *Total) *money.Decimal { return &t.Breaks }
	for _, b := range res.Breaks {
		if err := diff(out, b.Left, b.Right, broken); err != nil {
			return nil, err
		}
	}
	for ccy, t := range out {
		u := t.Left
		for _, x := range []money.Decimal{t.Right, t.Matched, t.Breaks} {
			var err error
			if u, err = u.Sub(x); err != nil {
				return nil, fmt.Errorf("control total in %s: %w", ccy, err)
			}
		}
		t.Unexplained = u
		out[ccy] = t
	}
	return out, nil
}

func diff(out map[string]Total, l, r *Item, field func(*Total) *money.Decimal) error {
	if l != nil {
		if err := add(out, l.Currency, l.Amount, field); err != nil {
			return err
		}
	}
	if r != nil {
		return add(out, r.Currency, r.Amount.Neg(), field)
	}
	return nil
}

func add(out map[string]Total, ccy string, amount money.Decimal, field func(*Total) *money.Decimal) error {
	t := out[ccy]
	t.Currency = ccy
	sum, err := field(&t).Add(amount)
	if err != nil {
		return fmt.Errorf("control total in %s: %w", ccy, err)
	}
	*field(&t) = sum
	out[ccy] = t
	return nil
}
