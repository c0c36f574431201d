package money

import (
	"fmt"

	iso "github.com/bojanz/currency"
)

// Currency is an ISO 4217 currency: its code and the number of digits of its minor unit.
// Currencies are comparable with ==. The zero value is no currency.
type Currency struct {
	code   [3]byte
	digits uint8
}

// ParseCurrency finds a currency by its three-letter code in upper case, such as EUR.
// It fails with ErrCurrency.
func ParseCurrency(code string) (Currency, error) {
	digits, known := iso.GetDigits(code)
	if !known || len(code) != 3 {
		return Currency{}, fmt.Errorf("%w %q: want an ISO 4217 code in upper case, such as EUR", ErrCurrency, code)
	}
	return Currency{[3]byte([]byte(code)), digits}, nil
}

// Code is the three-letter code; "" for the zero value.
func (c Currency) Code() string {
	if c.IsZero() {
		return ""
	}
	return string(c.code[:])
}

// String is the code.
func (c Currency) String() string { return c.Code() }

// Digits is the number of digits of the minor unit: 2 for EUR, 0 for JPY, 3 for KWD.
func (c Currency) Digits() int { return int(c.digits) }

// Numeric is the three-digit numeric code, such as 978 for EUR; "" for the zero value.
func (c Currency) Numeric() string {
	n, _ := iso.GetNumericCode(c.Code())
	return n
}

// IsZero reports whether c is no currency.
func (c Currency) IsZero() bool { return c == Currency{} }

// MarshalText is the code.
func (c Currency) MarshalText() ([]byte, error) { return []byte(c.Code()), nil }

// UnmarshalText reads a code as ParseCurrency does; an empty text is no currency.
func (c *Currency) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*c = Currency{}
		return nil
	}
	*c, err = ParseCurrency(string(text))
	return err
}
