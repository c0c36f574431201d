package money

import (
	"cmp"
	"fmt"
	"slices"
)

// Allocate divides a into parts in proportion to the weights, without losing a unit: the
// parts add up to a exactly. The unit is the currency's minor unit, or a's last digit where a
// has more digits than that; the parts have the unit's scale.
//
// Each part is first cut off towards zero. The units that remain, fewer than there are
// weights, go one each to the parts with the largest cut-off fractions; among equal fractions
// the earlier part comes first. A part whose weight is 0 gets nothing. A negative amount is
// allocated as its positive counterpart is, and negated.
//
// It fails with ErrWeights (none, a negative one, or all zero) and with ErrOverflow.
func (a Amount) Allocate(weights ...int64) ([]Amount, error) {
	w := make([]Int128, len(weights))
	for i, v := range weights {
		w[i] = Int128Of(v)
	}
	parts, err := a.allocate(w)
	if err != nil {
		return nil, fmt.Errorf("allocate %v by %v: %w", a, weights, err)
	}
	return parts, nil
}

// AllocateBy is Allocate with decimal weights, such as the open balances that a payment is spread over.
func (a Amount) AllocateBy(weights []Decimal) ([]Amount, error) {
	scale := 0
	for _, d := range weights {
		scale = max(scale, d.Scale())
	}
	w := make([]Int128, len(weights))
	for i, d := range weights {
		r, err := d.RescaleExact(scale)
		if err != nil {
			return nil, fmt.Errorf("allocate %v: weight %d: %w", a, i, err)
		}
		w[i] = r.coef
	}
	parts, err := a.allocate(w)
	if err != nil {
		return nil, fmt.Errorf("allocate %v by %v: %w", a, weights, err)
	}
	return parts, nil
}

// Split divides a into n parts that differ by at most one unit, larger parts first. It is
// Allocate with n equal weights: 10.00 EUR in three parts is 3.34, 3.33 and 3.33.
func (a Amount) Split(n int) ([]Amount, error) {
	if n < 1 {
		return nil, fmt.Errorf("split %v into %d parts: %w", a, n, ErrWeights)
	}
	w := make([]Int128, n)
	for i := range w {
		w[i] = Int128Of(1)
	}
	parts, err := a.allocate(w)
	if err != nil {
		return nil, fmt.Errorf("split %v into %d parts: %w", a, n, err)
	}
	return parts, nil
}

func (a Amount) allocate(weights []Int128) ([]Amount, error) {
	total, err := weightTotal(weights)
	if err != nil {
		return nil, err
	}
	whole, err := a.Value.RescaleExact(max(a.Value.Scale(), a.Currency.Digits()))
	if err != nil {
		return nil, err
	}
	parts, fractions := cutOff(whole.coef.magnitude(), weights, total)
	left := whole.coef.magnitude()
	for _, p := range parts {
		left = left.minus(p)
	}
	order := make([]int, len(weights))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Or(fractions[j].cmp(fractions[i]), cmp.Compare(i, j)) })
	for _, i := range order[:left.lo] { // fewer than the parts with a fraction
		parts[i], _ = parts[i].add(u128{0, 1})
	}
	out := make([]Amount, len(parts))
	for i, p := range parts {
		c, _ := p.signed(whole.coef.Hi < 0)
		out[i] = Amount{Decimal{c, whole.scale}, a.Currency}
	}
	return out, nil
}

// cutOff returns whole·weight/total for each weight, cut off to an integer, and the remainders.
func cutOff(whole u128, weights []Int128, total u128) (parts, remainders []u128) {
	parts, remainders = make([]u128, len(weights)), make([]u128, len(weights))
	for i, w := range weights {
		q, r := mulWide(whole, w.magnitude()).quoRem(total)
		parts[i], _ = q.narrow() // at most whole
		remainders[i] = r
	}
	return parts, remainders
}

func weightTotal(weights []Int128) (u128, error) {
	var total u128
	for i, w := range weights {
		if w.Hi < 0 {
			return u128{}, fmt.Errorf("weight %d is negative: %w", i, ErrWeights)
		}
		var ok bool
		if total, ok = total.add(w.magnitude()); !ok {
			return u128{}, fmt.Errorf("sum of the weights: %w", ErrOverflow)
		}
	}
	if total.isZero() {
		return u128{}, fmt.Errorf("no weight above zero: %w", ErrWeights)
	}
	return total, nil
}
