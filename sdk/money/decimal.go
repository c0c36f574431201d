package money

import "fmt"

const (
	// MaxScale is the largest number of digits after the point.
	MaxScale = 38
	// MaxPrecision is the largest number of digits of a coefficient.
	MaxPrecision = 38
)

// Decimal is an exact decimal number: a coefficient divided by 10^scale.
// The zero value is 0 at scale 0. There is no negative zero, no infinity and no NaN.
//
// == compares coefficient and scale; use Equal or Cmp to compare numerically.
type Decimal struct {
	coef  Int128
	scale uint8
}

// New returns coefficient / 10^scale: New(1230, 2) is 12.30. It fails with ErrScale only.
func New(coefficient int64, scale int) (Decimal, error) {
	if err := checkScale(scale); err != nil {
		return Decimal{}, fmt.Errorf("decimal of %d: %w", coefficient, err)
	}
	return Decimal{Int128Of(coefficient), uint8(scale)}, nil
}

// NewFromInt128 returns coefficient / 10^scale. It fails with ErrScale, or with
// ErrOverflow for a coefficient of more than 38 digits.
func NewFromInt128(coefficient Int128, scale int) (Decimal, error) {
	if err := checkScale(scale); err != nil {
		return Decimal{}, fmt.Errorf("decimal of %v: %w", coefficient, err)
	}
	if !coefficient.Fits(MaxPrecision) {
		return Decimal{}, fmt.Errorf("decimal of %v: %w", coefficient, ErrOverflow)
	}
	return Decimal{coefficient, uint8(scale)}, nil
}

// FromInt64 returns v at scale 0.
func FromInt64(v int64) Decimal { return Decimal{coef: Int128Of(v)} }

func checkScale(scale int) error {
	if scale < 0 || scale > MaxScale {
		return fmt.Errorf("scale %d: %w", scale, ErrScale)
	}
	return nil
}

// Coefficient is the number without its point: 1230 for 12.30.
func (d Decimal) Coefficient() Int128 { return d.coef }

// Scale is the number of digits after the point, 0 to 38.
func (d Decimal) Scale() int { return int(d.scale) }

// Precision is the number of digits of the coefficient without leading zeros, 1 to 38: 3 for 0.123 and 1 for 0.
func (d Decimal) Precision() int { return max(1, d.coef.magnitude().decimalDigits()) }

// Fits reports whether d can be stored in a decimal(precision, scale) column without losing a digit.
func (d Decimal) Fits(precision, scale int) bool {
	if scale < 0 || scale > MaxScale {
		return false
	}
	r, err := d.RescaleExact(scale)
	return err == nil && r.coef.Fits(precision)
}

// Fits reports whether |a| < 10^precision. Precisions above 38 hold every value; below 1 none but 0.
func (a Int128) Fits(precision int) bool {
	if precision > MaxPrecision {
		return true
	}
	return a.magnitude().less(pow10[max(0, precision)])
}

// IsZero reports whether d is 0, at any scale.
func (d Decimal) IsZero() bool { return d.coef == Int128{} }

// Sign is -1, 0 or 1.
func (d Decimal) Sign() int { return d.coef.Sign() }

// Neg returns -d.
func (d Decimal) Neg() Decimal {
	c, _ := d.coef.Neg() // below 10^38 in magnitude: cannot overflow
	return Decimal{c, d.scale}
}

// Abs returns |d|.
func (d Decimal) Abs() Decimal {
	if d.coef.Hi < 0 {
		return d.Neg()
	}
	return d
}

// Cmp is -1, 0 or 1 where d is less than, equal to or greater than e, whatever their scales. It is always exact.
func (d Decimal) Cmp(e Decimal) int {
	if d.scale == e.scale {
		return d.coef.Cmp(e.coef)
	}
	return CompareScaled(d.coef, int(d.scale), e.coef, int(e.scale))
}

// Equal reports whether d and e are the same number: 1.0 equals 1.00.
func (d Decimal) Equal(e Decimal) bool { return d.Cmp(e) == 0 }

// CompareScaled compares a/10^aScale with b/10^bScale exactly: -1, 0 or 1.
// Scales must be within 0 to 38; others are taken as the nearest of these.
func CompareScaled(a Int128, aScale int, b Int128, bScale int) int {
	if a.Hi < 0 != (b.Hi < 0) {
		return a.Cmp(b) // the sign decides
	}
	if aScale == bScale {
		return a.Cmp(b)
	}
	if aScale > bScale {
		return -CompareScaled(b, bScale, a, aScale)
	}
	shift := min(bScale, MaxScale) - max(aScale, 0)
	w := mulWide(a.magnitude(), pow10[shift])
	c := 1
	if narrow, fits := w.narrow(); fits {
		c = narrow.cmp(b.magnitude())
	}
	if a.Hi < 0 {
		return -c
	}
	return c
}
