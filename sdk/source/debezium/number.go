package debezium

import (
	"encoding/binary"
	"math"
	"math/bits"
)

const zeros = 0x3030303030303030 // eight digits 0

// smallInt parses a JSON integer of at most 18 digits whose end is not close to
// the message's; otherwise it returns end 0 and the caller takes the long way.
func smallInt(b []byte, i int) (x int64, end int) {
	neg := b[i] == '-'
	if neg {
		i++
	}
	if i+24 > len(b) || b[i] == '0' {
		return 0, 0
	}
	p := (*[24]byte)(b[i:])
	w := binary.LittleEndian.Uint64(p[:8])
	var u uint64
	if m := nonDigits(w); m != 0 {
		n := bits.TrailingZeros64(m) >> 3
		if n == 0 {
			return 0, 0
		}
		u = parse8((w - zeros) << (64 - 8*n&63))
		i += n
	} else if u, i = parse8(w-zeros), i+8; p[8]-'0' <= 9 {
		v, n := digits8(binary.LittleEndian.Uint64(p[8:16]))
		u = u*tens[n] + v
		if i += n; n == 8 && p[16]-'0' <= 9 {
			v, n = digits8(binary.LittleEndian.Uint64(p[16:24]))
			if n > 2 {
				return 0, 0
			}
			u = u*tens[n] + v
			i += n
		}
	}
	if b[i] == '.' || b[i]|0x20 == 'e' {
		return 0, 0
	}
	if neg {
		return -int64(u), i
	}
	return int64(u), i
}

// digits8 reads the leading digits of the eight bytes of w.
func digits8(w uint64) (x uint64, n int) {
	m := nonDigits(w)
	if m == 0 {
		return parse8(w - zeros), 8
	}
	n = bits.TrailingZeros64(m) >> 3
	if n == 0 {
		return 0, 0
	}
	return parse8((w - zeros) << (64 - 8*n&63)), n
}

// parse8 joins eight digits, one a byte, the first one lowest.
func parse8(w uint64) uint64 {
	w = w*10 + w>>8
	return ((w&0x000000ff000000ff)*0x000f424000000064 + (w>>16&0x000000ff000000ff)*0x0000271000000001) >> 32
}

// tens are the powers of ten that fit.
var tens = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// parseInt reads a whole text as a 64-bit integer.
func parseInt(s []byte) (x int64, msg string) {
	i, neg := sign(s)
	if i == len(s) {
		return 0, "bad integer"
	}
	var u uint64
	for ; i < len(s); i++ {
		c := s[i] - '0'
		if c > 9 {
			return 0, "bad integer"
		}
		if u > (1<<63)/10 {
			return 0, "integer out of range"
		}
		if u = u*10 + uint64(c); u > 1<<63 {
			return 0, "integer out of range"
		}
	}
	if neg {
		return -int64(u), ""
	}
	if u > math.MaxInt64 {
		return 0, "integer out of range"
	}
	return int64(u), ""
}

func sign(s []byte) (next int, neg bool) {
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		return 1, s[0] == '-'
	}
	return 0, false
}

// isDouble reports whether a JSON number has a fraction or an exponent.
func isDouble(s []byte) bool {
	for _, c := range s {
		if c == '.' || c|0x20 == 'e' {
			return true
		}
	}
	return false
}

// u128 is an unsigned 128-bit integer, i128 a signed one in two's complement.
type u128 struct{ hi, lo uint64 }

type i128 struct {
	hi int64
	lo uint64
}

func (u u128) less(v u128) bool { return u.hi < v.hi || u.hi == v.hi && u.lo < v.lo }

// mulAdd is u*m + a; ok is false if it does not fit.
func (u u128) mulAdd(m, a uint64) (v u128, ok bool) {
	h, l := bits.Mul64(u.lo, m)
	over, h2 := bits.Mul64(u.hi, m)
	l, c := bits.Add64(l, a, 0)
	h, c = bits.Add64(h, h2, c)
	return u128{h, l}, over == 0 && c == 0
}

// scaleUp is u * 10^n.
func (u u128) scaleUp(n int) (v u128, ok bool) {
	for ok = true; n > 0 && ok; n -= 19 {
		u, ok = u.mulAdd(tens[min(n, 19)], 0)
	}
	return u, ok
}

// signed is u, or -u; the caller has checked that it fits.
func (u u128) signed(neg bool) i128 {
	if neg {
		l, c := bits.Sub64(0, u.lo, 0)
		h, _ := bits.Sub64(0, u.hi, c)
		return i128{int64(h), l}
	}
	return i128{int64(u.hi), u.lo}
}

// abs is the magnitude of x.
func (x i128) abs() (u u128, neg bool) {
	u = u128{uint64(x.hi), x.lo}
	if x.hi < 0 {
		n := u.signed(true)
		return u128{uint64(n.hi), n.lo}, true
	}
	return u, false
}

// powerOfTen is 10^n for n up to 38.
func powerOfTen(n int32) u128 {
	u, _ := u128{lo: 1}.scaleUp(int(n))
	return u
}

const (
	badDecimal  = "bad decimal"
	decimalBig  = "decimal out of range"
	decimalFine = "more digits than the column's scale"
)

// parseDecimal reads a whole text (sign, digits, point, exponent) as an unscaled
// value of the scale; its magnitude is below limit and no digit is rounded away.
func parseDecimal(s []byte, scale int32, limit u128) (i128, string) {
	i, neg := sign(s)
	if len(s)-i <= 19 {
		if u, ok := shortDecimal(s[i:], int(scale)); ok && u.less(limit) {
			return u.signed(neg), ""
		}
	}
	return longDecimal(s, i, neg, int(scale), limit)
}

// shortDecimal reads up to 19 plain digits with at most scale decimals.
func shortDecimal(s []byte, scale int) (u128, bool) {
	var u uint64
	decimals, n := -1, 0
	for _, ch := range s {
		if c := ch - '0'; c <= 9 {
			u = u*10 + uint64(c)
			n++
			if decimals >= 0 {
				decimals++
			}
		} else if ch == '.' && decimals < 0 {
			decimals = 0
		} else {
			return u128{}, false
		}
	}
	up := scale - max(decimals, 0)
	if n == 0 || up < 0 {
		return u128{}, false
	}
	return u128{lo: u}.scaleUp(up)
}

// longDecimal takes exponents, zeros past the scale and long texts. Zeros at the
// end are counted, not multiplied, so that 1.000…0 of any length is exact.
func longDecimal(s []byte, i int, neg bool, scale int, limit u128) (i128, string) {
	var u u128
	exp, zeros, n, point := 0, 0, 0, false
	fits := true
	for ; i < len(s); i++ {
		c := s[i] - '0'
		if s[i] == '.' && !point {
			point = true
			continue
		}
		if c > 9 {
			break
		}
		n++
		if point {
			exp--
		}
		if c == 0 {
			zeros++
			continue
		}
		if u != (u128{}) {
			var ok bool
			u, ok = u.scaleUp(min(zeros, 39))
			fits = fits && ok
		}
		var ok bool
		u, ok = u.mulAdd(10, uint64(c))
		fits, zeros = fits && ok, 0
	}
	if n == 0 {
		return i128{}, badDecimal
	}
	e, msg := exponent(s[i:])
	if msg != "" {
		return i128{}, msg
	}
	switch up := scale + exp + zeros + e; {
	case u == (u128{}):
		return i128{}, ""
	case up < 0:
		return i128{}, decimalFine
	case up > 38 || !fits:
		return i128{}, decimalBig
	default:
		v, ok := u.scaleUp(up)
		if !ok || !v.less(limit) {
			return i128{}, decimalBig
		}
		return v.signed(neg), ""
	}
}

// exponent reads what follows the digits: nothing, or e and an integer.
func exponent(s []byte) (int, string) {
	if len(s) == 0 {
		return 0, ""
	}
	if s[0]|0x20 != 'e' {
		return 0, badDecimal
	}
	e, msg := parseInt(s[1:])
	if msg != "" || e > 1e6 || e < -1e6 {
		return 0, badDecimal
	}
	return int(e), ""
}
