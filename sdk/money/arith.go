package money

import "fmt"

// Add returns d + e at the larger of the two scales. It fails with ErrOverflow.
func (d Decimal) Add(e Decimal) (Decimal, error) {
	a, b, scale, ok := align(d, e)
	if ok {
		if c, fits := a.Add(b); fits && c.Fits(MaxPrecision) {
			return Decimal{c, scale}, nil
		}
	}
	return Decimal{}, fmt.Errorf("add %v and %v: %w", d, e, ErrOverflow)
}

// Sub returns d - e at the larger of the two scales. It fails with ErrOverflow.
func (d Decimal) Sub(e Decimal) (Decimal, error) {
	a, b, scale, ok := align(d, e)
	if ok {
		if c, fits := a.Sub(b); fits && c.Fits(MaxPrecision) {
			return Decimal{c, scale}, nil
		}
	}
	return Decimal{}, fmt.Errorf("subtract %v from %v: %w", e, d, ErrOverflow)
}

// align brings two coefficients to the larger scale.
func align(d, e Decimal) (a, b Int128, scale uint8, ok bool) {
	switch {
	case d.scale == e.scale:
		return d.coef, e.coef, d.scale, true
	case d.scale < e.scale:
		a, ok = d.coef.scaleUp(int(e.scale - d.scale))
		return a, e.coef, e.scale, ok
	}
	b, ok = e.coef.scaleUp(int(d.scale - e.scale))
	return d.coef, b, d.scale, ok
}

// scaleUp is a·10^n, n in 0 to 38.
func (a Int128) scaleUp(n int) (Int128, bool) {
	if n <= 18 && a.IsInt64() {
		return a.Mul(Int128{Lo: pow10[n].lo})
	}
	m, ok := a.magnitude().scaleUp(n)
	if !ok {
		return Int128{}, false
	}
	return m.signed(a.Hi < 0)
}

// Mul returns d · e exactly, at the sum of the two scales. It fails with ErrScale where
// that sum is above 38 and with ErrOverflow where the product has more than 38 digits;
// MulRound has neither limit on the way to its result.
func (d Decimal) Mul(e Decimal) (Decimal, error) {
	scale := int(d.scale) + int(e.scale)
	if err := checkScale(scale); err != nil {
		return Decimal{}, fmt.Errorf("multiply %v by %v: %w", d, e, err)
	}
	c, ok := d.coef.Mul(e.coef)
	if !ok || !c.Fits(MaxPrecision) {
		return Decimal{}, fmt.Errorf("multiply %v by %v: %w", d, e, ErrOverflow)
	}
	return Decimal{c, uint8(scale)}, nil
}

// MulRound returns d · e at the given scale, rounded once, by mode, from the exact product.
// It fails with ErrScale and ErrOverflow.
func (d Decimal) MulRound(e Decimal, scale int, mode RoundingMode) (Decimal, error) {
	r, err := mulRound(d.coef, e.coef, int(d.scale)+int(e.scale), scale, mode)
	if err != nil {
		return Decimal{}, fmt.Errorf("multiply %v by %v to scale %d: %w", d, e, scale, err)
	}
	return r, nil
}

func mulRound(a, b Int128, from, to int, mode RoundingMode) (Decimal, error) {
	if err := checkRounding(to, mode); err != nil {
		return Decimal{}, err
	}
	negative := a.Hi < 0 != (b.Hi < 0)
	w := mulWide(a.magnitude(), b.magnitude())
	if from >= to {
		m, ok := w.roundPow10(from-to, negative, mode)
		return finish(m, ok, negative, to)
	}
	m, ok := w.narrow()
	if ok {
		m, ok = m.scaleUp(to - from)
	}
	return finish(m, ok, negative, to)
}

// Div returns d / e at the given scale, rounded once, by mode, from the exact quotient.
// It fails with ErrDivideByZero, ErrScale and ErrOverflow.
func (d Decimal) Div(e Decimal, scale int, mode RoundingMode) (Decimal, error) {
	r, err := div(d, e, scale, mode)
	if err != nil {
		return Decimal{}, fmt.Errorf("divide %v by %v to scale %d: %w", d, e, scale, err)
	}
	return r, nil
}

func div(d, e Decimal, scale int, mode RoundingMode) (Decimal, error) {
	if err := checkRounding(scale, mode); err != nil {
		return Decimal{}, err
	}
	if e.IsZero() {
		return Decimal{}, ErrDivideByZero
	}
	// d/e·10^scale = dc·10^(scale + e.scale - d.scale) / ec; the exponent lies in -38 to 76.
	exp := scale + int(e.scale) - int(d.scale)
	negative := d.coef.Hi < 0 != (e.coef.Hi < 0)
	n, m := d.coef.magnitude(), e.coef.magnitude()
	if exp < 0 {
		q, ok := n.roundQuoWide(mulWide(m, pow10[-exp]), negative, mode)
		return finish(q, ok, negative, scale)
	}
	w := mulWide(n, pow10[min(exp, MaxScale)])
	if narrow, fits := w.narrow(); fits && exp <= MaxScale {
		q, ok := narrow.roundQuo(m, negative, mode)
		return finish(q, ok, negative, scale)
	}
	if exp > MaxScale { // past 256 bits the quotient has more than 38 digits
		var ok bool
		if w, ok = w.mul(pow10[exp-MaxScale]); !ok {
			return Decimal{}, ErrOverflow
		}
	}
	q, ok := w.roundQuo(m, negative, mode)
	return finish(q, ok, negative, scale)
}

// finish gives a magnitude its sign and scale and checks the number of digits.
func finish(m u128, ok, negative bool, scale int) (Decimal, error) {
	if !ok || !m.less(pow10[MaxPrecision]) {
		return Decimal{}, ErrOverflow
	}
	c, _ := m.signed(negative)
	return Decimal{c, uint8(scale)}, nil
}

func checkRounding(scale int, mode RoundingMode) error {
	if !mode.Valid() {
		return fmt.Errorf("%v: not a rounding mode", mode)
	}
	return checkScale(scale)
}

// Rescale returns d with exactly the given scale: zeros are appended, or digits are
// rounded off by mode. It fails with ErrScale and ErrOverflow.
func (d Decimal) Rescale(scale int, mode RoundingMode) (Decimal, error) {
	err := checkRounding(scale, mode)
	if err == nil {
		var r Decimal
		if r, err = d.rescale(scale, mode); err == nil {
			return r, nil
		}
	}
	return Decimal{}, fmt.Errorf("round %v to scale %d: %w", d, scale, err)
}

func (d Decimal) rescale(scale int, mode RoundingMode) (Decimal, error) {
	if scale >= int(d.scale) {
		c, ok := d.coef.scaleUp(scale - int(d.scale))
		if !ok || !c.Fits(MaxPrecision) {
			return Decimal{}, ErrOverflow
		}
		return Decimal{c, uint8(scale)}, nil
	}
	negative := d.coef.Hi < 0
	m, ok := d.coef.magnitude().roundQuo(pow10[int(d.scale)-scale], negative, mode)
	return finish(m, ok, negative, scale)
}

// RescaleExact returns d with exactly the given scale. It fails with ErrScale, with
// ErrOverflow, and with ErrInexact where a digit other than zero would be lost.
func (d Decimal) RescaleExact(scale int) (Decimal, error) {
	err := checkScale(scale)
	if err == nil {
		var r Decimal
		if r, err = d.rescale(scale, Down); err == nil {
			if r.Equal(d) {
				return r, nil
			}
			err = ErrInexact
		}
	}
	return Decimal{}, fmt.Errorf("bring %v to scale %d: %w", d, scale, err)
}

// Round rounds off the digits after the given scale by mode. Unlike Rescale it never
// appends zeros, so it cannot overflow and fails only with ErrScale or for an invalid mode.
func (d Decimal) Round(scale int, mode RoundingMode) (Decimal, error) {
	if scale >= int(d.scale) && scale <= MaxScale && mode.Valid() {
		return d, nil
	}
	return d.Rescale(scale, mode)
}

// Normalize drops trailing zeros after the point: 1.500 becomes 1.5, and 100.00 becomes 100.
func (d Decimal) Normalize() Decimal {
	negative := d.coef.Hi < 0
	m, scale := d.coef.magnitude(), d.scale
	for scale > 0 {
		q, r := m.quoRem(pow10[1])
		if !r.isZero() {
			break
		}
		m, scale = q, scale-1
	}
	c, _ := m.signed(negative)
	return Decimal{c, scale}
}
