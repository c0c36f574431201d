package files

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/millrace/millrace/sdk/money"
)

// Reasons for which a text is not a column's value.
var (
	errNotInteger = errors.New("not an integer")
	errRange      = errors.New("out of the type's range")
	errNotFloat   = errors.New("not a number")
	errNotBool    = errors.New("not a boolean")
	errPrecision  = errors.New("more digits than the column's precision")
)

// parseInt reads an optional sign and digits.
func parseInt(text []byte, bits int) (int64, error) {
	digits, negative := signed(text)
	u, err := parseDigits(digits)
	if err != nil {
		return 0, err
	}
	limit := uint64(1) << (bits - 1)
	if u > limit || u == limit && !negative {
		return 0, errRange
	}
	if negative {
		return -int64(u), nil // wraps right for the smallest
	}
	return int64(u), nil
}

func parseUint(text []byte, bits int) (uint64, error) {
	digits, negative := signed(text)
	u, err := parseDigits(digits)
	if err != nil {
		return 0, err
	}
	if negative && u != 0 || bits < 64 && u>>bits != 0 {
		return 0, errRange
	}
	return u, nil
}

func signed(text []byte) (digits []byte, negative bool) {
	if len(text) > 1 && (text[0] == '-' || text[0] == '+') {
		return text[1:], text[0] == '-'
	}
	return text, false
}

func parseDigits(digits []byte) (uint64, error) {
	if len(digits) == 0 {
		return 0, errNotInteger
	}
	var u uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, errNotInteger
		}
		if u > math.MaxUint64/10 {
			return 0, errRange
		}
		next := u*10 + uint64(c-'0')
		if next < u*10 {
			return 0, errRange
		}
		u = next
	}
	return u, nil
}

func parseFloat(text []byte, bits int) (int64, error) {
	if len(bytes.Trim(text, "+-.0123456789eE")) > 0 { // no hexadecimal, no underscores, no infinity
		return 0, errNotFloat
	}
	f, err := strconv.ParseFloat(string(text), bits)
	if errors.Is(err, strconv.ErrRange) {
		return 0, errRange
	}
	if err != nil {
		return 0, errNotFloat
	}
	return int64(math.Float64bits(f)), nil
}

func floatOf(bits int64) float64 { return math.Float64frombits(uint64(bits)) }

// parseDecimal reads digits into a coefficient at the scale: exactly, or not at all.
func parseDecimal(text []byte, precision, scale int) (decimal128.Num, error) {
	v, err := money.ParseScaled(text, scale)
	if errors.Is(err, money.ErrSyntax) && hasExponent(text) {
		v, err = parseExponent(text, scale)
	}
	if err != nil {
		return decimal128.Num{}, reason(err)
	}
	if !v.Fits(precision) {
		return decimal128.Num{}, errPrecision
	}
	return decimal128.New(v.Hi, v.Lo), nil
}

func hasExponent(text []byte) bool { return bytes.ContainsAny(text, "eE") }

// parseExponent reads a number such as 1.5e3, which JSON writers use.
func parseExponent(text []byte, scale int) (money.Int128, error) {
	d, err := money.ParseSci(string(text))
	if err == nil {
		d, err = d.RescaleExact(scale)
	}
	return d.Coefficient(), err
}

// reason is the bare cause: the text itself is in the reject already.
func reason(err error) error {
	for _, cause := range []error{money.ErrSyntax, money.ErrInexact, money.ErrOverflow} {
		if errors.Is(err, cause) {
			return cause
		}
	}
	return err
}
