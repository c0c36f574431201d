package money

import (
	"fmt"
	"strings"
)

// Amount is a decimal in a currency. The decimal may have more or fewer digits than the
// currency's minor unit (an interest accrual in EUR with six digits, say); Round brings it
// to the minor unit. The zero value is 0 of no currency, which does not mix with any other.
type Amount struct {
	Value    Decimal  `json:"value"`
	Currency Currency `json:"currency"`
}

// NewAmount puts a decimal and a currency together.
func NewAmount(value Decimal, c Currency) Amount { return Amount{value, c} }

// FromMinor returns units of the currency's minor unit: 1230 in EUR is 12.30 EUR.
func FromMinor(units int64, c Currency) Amount {
	return Amount{Decimal{Int128Of(units), c.digits}, c}
}

// ParseAmount reads what String writes: a number as Parse takes it, one space and a currency code.
func ParseAmount(text string) (Amount, error) {
	number, code, found := strings.Cut(text, " ")
	if !found {
		return Amount{}, fmt.Errorf("parse amount %q: %w: want a number, a space and a currency, such as 12.30 EUR", abbreviate(text), ErrSyntax)
	}
	d, err := Parse(number)
	if err != nil {
		return Amount{}, fmt.Errorf("parse amount %q: %w", abbreviate(text), err)
	}
	c, err := ParseCurrency(code)
	if err != nil {
		return Amount{}, fmt.Errorf("parse amount %q: %w", abbreviate(text), err)
	}
	return Amount{d, c}, nil
}

// String is the number, a space and the currency's code, such as 12.30 EUR; just the number without a currency.
func (a Amount) String() string {
	if a.Currency.IsZero() {
		return a.Value.String()
	}
	return a.Value.String() + " " + a.Currency.Code()
}

// Sign is -1, 0 or 1.
func (a Amount) Sign() int { return a.Value.Sign() }

// IsZero reports whether the value is 0, in any currency.
func (a Amount) IsZero() bool { return a.Value.IsZero() }

// Neg returns -a.
func (a Amount) Neg() Amount { return Amount{a.Value.Neg(), a.Currency} }

// Abs returns |a|.
func (a Amount) Abs() Amount { return Amount{a.Value.Abs(), a.Currency} }

func (a Amount) sameCurrency(b Amount, verb string) error {
	if a.Currency != b.Currency {
		return fmt.Errorf("%s %v and %v: %w", verb, a, b, ErrCurrencyMismatch)
	}
	return nil
}

// Add returns a + b. It fails with ErrCurrencyMismatch and ErrOverflow.
func (a Amount) Add(b Amount) (Amount, error) {
	if err := a.sameCurrency(b, "add"); err != nil {
		return Amount{}, err
	}
	v, err := a.Value.Add(b.Value)
	return Amount{v, a.Currency}, err
}

// Sub returns a - b. It fails with ErrCurrencyMismatch and ErrOverflow.
func (a Amount) Sub(b Amount) (Amount, error) {
	if err := a.sameCurrency(b, "subtract"); err != nil {
		return Amount{}, err
	}
	v, err := a.Value.Sub(b.Value)
	return Amount{v, a.Currency}, err
}

// Cmp is -1, 0 or 1 where a is less than, equal to or greater than b. It fails with ErrCurrencyMismatch.
func (a Amount) Cmp(b Amount) (int, error) {
	if err := a.sameCurrency(b, "compare"); err != nil {
		return 0, err
	}
	return a.Value.Cmp(b.Value), nil
}

// Mul returns a times a factor (a rate, a quantity) at the scale of a, rounded once, by mode.
// It fails with ErrOverflow.
func (a Amount) Mul(factor Decimal, mode RoundingMode) (Amount, error) {
	v, err := a.Value.MulRound(factor, a.Value.Scale(), mode)
	return Amount{v, a.Currency}, err
}

// Round brings a to exactly the digits of its currency's minor unit, rounding by mode. It fails with ErrOverflow.
func (a Amount) Round(mode RoundingMode) (Amount, error) {
	v, err := a.Value.Rescale(a.Currency.Digits(), mode)
	return Amount{v, a.Currency}, err
}

// Minor is the number of minor units: 1230 for 12.30 EUR. It fails with ErrInexact where a
// has a fraction of a minor unit, and with ErrOverflow where the number leaves 64 bits.
func (a Amount) Minor() (int64, error) {
	v, err := a.Value.RescaleExact(a.Currency.Digits())
	if err != nil {
		return 0, err
	}
	units, ok := v.coef.Int64()
	if !ok {
		return 0, fmt.Errorf("minor units of %v do not fit 64 bits: %w", a, ErrOverflow)
	}
	return units, nil
}
