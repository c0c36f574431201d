// Package money computes with amounts exactly: 128-bit integers, decimals,
// currencies, allocation and sums.
//
// Nouns. An [Int128] is a signed 128-bit integer with the bit layout of an Arrow
// decimal128 value. A [Decimal] is a coefficient of at most 38 digits and a scale
// of 0 to 38: 12.30 is the coefficient 1230 at scale 2. A [Currency] is an ISO 4217
// code with its number of minor digits. An [Amount] is a decimal in a currency. A
// [Sum] adds columns of integers. A [RoundingMode] says which neighbour is taken
// where a result does not fit its scale; whoever rounds names one.
//
// Invariants.
//   - Nothing is ever rounded without a rounding mode, wrapped around, or turned into a
//     floating-point number.
//   - The absolute value of a decimal's coefficient is below 10^38, so every decimal
//     fits an Arrow decimal128(38, s) and an Iceberg decimal(38, s).
//   - Scale is kept: 1.0 and 1.00 print differently, compare as equal with Cmp and Equal,
//     and differ under Go's == operator.
//   - A Sum does not depend on the order or grouping of what was added.
//   - The parts of an allocation add up to the whole.
//
// Values are immutable and safe for concurrent use, except for [Sum], which
// accumulates in place.
//
// Errors, to be tested with errors.Is: [ErrSyntax], [ErrOverflow], [ErrInexact],
// [ErrScale], [ErrDivideByZero], [ErrCurrency], [ErrCurrencyMismatch] and [ErrWeights].
// Those that come from a text name the text.
//
// The package imports neither Beam nor Arrow.
package money

import "errors"

var (
	// ErrSyntax is wrapped where a text or JSON token is not a number in the documented form.
	ErrSyntax = errors.New("not a decimal number")
	// ErrOverflow is wrapped where a result has more digits than fit.
	ErrOverflow = errors.New("decimal overflow: more than 38 digits")
	// ErrInexact is wrapped where an exact result was asked for and digits other than zero would be lost.
	ErrInexact = errors.New("digits would be lost")
	// ErrScale is wrapped where a scale is outside 0 to 38.
	ErrScale = errors.New("scale outside 0 to 38")
	// ErrDivideByZero is returned by divisions.
	ErrDivideByZero = errors.New("division by zero")
	// ErrCurrency is wrapped where a text is not a known ISO 4217 code.
	ErrCurrency = errors.New("unknown currency")
	// ErrCurrencyMismatch is wrapped where amounts of two currencies meet.
	ErrCurrencyMismatch = errors.New("currencies differ")
	// ErrWeights is wrapped where an allocation has no weights, a negative one, or only zeros.
	ErrWeights = errors.New("bad allocation weights")
)
