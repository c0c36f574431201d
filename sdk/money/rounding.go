package money

import (
	"fmt"
	"strings"
)

// RoundingMode says which neighbour is taken where a result lies between two.
// There is no default: the zero value is not a mode and is refused.
type RoundingMode uint8

// The rounding modes, with the roundings of 2.5, 1.6, -1.6 and -2.5 to whole numbers.
const (
	HalfEven RoundingMode = iota + 1 // nearest, ties to the even neighbour: 2, 2, -2, -2
	HalfUp                           // nearest, ties away from zero: 3, 2, -2, -3
	HalfDown                         // nearest, ties towards zero: 2, 2, -2, -2
	Down                             // towards zero (truncate): 2, 1, -1, -2
	Up                               // away from zero: 3, 2, -2, -3
	Ceiling                          // towards positive infinity: 3, 2, -1, -2
	Floor                            // towards negative infinity: 2, 1, -2, -3
)

var roundingNames = [...]string{"", "half_even", "half_up", "half_down", "down", "up", "ceiling", "floor"}

// Valid reports whether m is one of the constants.
func (m RoundingMode) Valid() bool { return m >= HalfEven && m <= Floor }

// String is the mode's name in configuration files, such as half_even.
func (m RoundingMode) String() string {
	if !m.Valid() {
		return fmt.Sprintf("RoundingMode(%d)", uint8(m))
	}
	return roundingNames[m]
}

// ParseRoundingMode reads a name as String writes it.
func ParseRoundingMode(name string) (RoundingMode, error) {
	for i, n := range roundingNames[1:] {
		if n == name {
			return RoundingMode(i + 1), nil
		}
	}
	return 0, fmt.Errorf("unknown rounding mode %q: want one of %s", name, strings.Join(roundingNames[1:], ", "))
}

// MarshalText writes the mode's name.
func (m RoundingMode) MarshalText() ([]byte, error) {
	if !m.Valid() {
		return nil, fmt.Errorf("encode rounding mode: %v is not a mode", m)
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads the mode's name.
func (m *RoundingMode) UnmarshalText(text []byte) (err error) {
	*m, err = ParseRoundingMode(string(text))
	return err
}

// away reports whether a quotient's magnitude q, cut off towards zero, must grow by one.
// half is the comparison of the remainder with half of the divisor; the remainder is not zero.
func (m RoundingMode) away(negative, odd bool, half int) bool {
	switch m {
	case HalfEven:
		return half > 0 || half == 0 && odd
	case HalfUp:
		return half >= 0
	case HalfDown:
		return half > 0
	case Up:
		return true
	case Ceiling:
		return !negative
	case Floor:
		return negative
	}
	return false // Down
}

// roundQuo is the magnitude of u/d, rounded by m for a result with the given sign.
// d is not zero. ok is false where the result does not fit 128 bits.
func (u u256) roundQuo(d u128, negative bool, m RoundingMode) (q u128, ok bool) {
	w, r := u.quoRem(d)
	q, ok = w.narrow()
	if !ok || r.isZero() {
		return q, ok
	}
	return roundUp(q, compareHalf(r, d), negative, m)
}

// roundPow10 is the magnitude of u/10^n, n in 0 to 76, rounded by m.
func (u u256) roundPow10(n int, negative bool, m RoundingMode) (q u128, ok bool) {
	if n <= MaxScale {
		return u.roundQuo(pow10[n], negative, m)
	}
	w, low := u.quoRem(pow10[MaxScale])
	d := pow10[n-MaxScale]
	w, high := w.quoRem(d)
	q, ok = w.narrow()
	if !ok || low.isZero() && high.isZero() {
		return q, ok
	}
	twice, _ := high.add(high) // below 2·10^38: fits
	half := twice.cmp(d)       // d is even, so a smaller twice is smaller by enough to ignore low
	if half == 0 && !low.isZero() {
		half = 1
	}
	return roundUp(q, half, negative, m)
}

func (u u128) roundQuo(d u128, negative bool, m RoundingMode) (q u128, ok bool) {
	q, r := u.quoRem(d)
	if r.isZero() {
		return q, true
	}
	return roundUp(q, compareHalf(r, d), negative, m)
}

// roundQuoWide is the magnitude of u/d for u < 10^38.
func (u u128) roundQuoWide(d u256, negative bool, m RoundingMode) (q u128, ok bool) {
	if narrow, fits := d.narrow(); fits {
		return u.roundQuo(narrow, negative, m)
	}
	if u.isZero() {
		return u128{}, true
	}
	return roundUp(u128{}, -1, negative, m) // d ≥ 2^128 > 2u
}

// compareHalf compares the remainder r with d/2.
func compareHalf(r, d u128) int {
	twice, fits := r.add(r)
	if !fits {
		return 1
	}
	return twice.cmp(d)
}

func roundUp(q u128, half int, negative bool, m RoundingMode) (u128, bool) {
	if !m.away(negative, q.lo&1 == 1, half) {
		return q, true
	}
	return q.add(u128{0, 1})
}
