package debezium

import "math/bits"

// sextet maps a base64 digit to its value; others to 0xff.
var sextet = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range 64 {
		t["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[i]] = byte(i)
	}
	return t
}()

// unpad checks the padding of canonical base64 (length a multiple of four, no
// line breaks) and returns the digits without it and the number of bytes they stand for.
func unpad(s []byte) (digits []byte, size int, ok bool) {
	n := len(s)
	if n%4 != 0 {
		return nil, 0, false
	}
	if n > 0 && s[n-1] == '=' {
		n--
		if s[n-1] == '=' {
			n--
		}
	}
	return s[:n], n * 6 / 8, true
}

// parseDecimalBytes reads base64 of a big-endian two's complement unscaled value
// of the scale from, as one of the scale to with a magnitude below limit.
func parseDecimalBytes(s []byte, from, to int32, limit u128) (i128, string) {
	const bad = "bad base64 of a decimal"
	digits, size, ok := unpad(s)
	if !ok || size == 0 || size > 48 {
		return i128{}, bad
	}
	x, fits, ok := base64Int(digits, size)
	if !ok {
		return i128{}, bad
	}
	u, neg := x.abs()
	if to > from {
		var up bool
		u, up = u.scaleUp(int(to - from))
		fits = fits && up
	}
	if !fits || !u.less(limit) {
		return i128{}, decimalBig
	}
	if from > to {
		if u, ok = u.scaleDown(int(from - to)); !ok {
			return i128{}, decimalFine
		}
	}
	return u.signed(neg), ""
}

// base64Int reads digits that stand for size bytes. fits is false if the value needs more than 128 bits.
func base64Int(digits []byte, size int) (x i128, fits, ok bool) {
	var u u128
	spare := 6*len(digits) - 8*size // zero bits at the end
	bad := byte(0)
	var v byte
	for _, c := range digits {
		v = sextet[c]
		bad |= v
		u = u128{u.hi<<6 | u.lo>>58, u.lo<<6 | uint64(v)}
	}
	if bad > 63 || v&(1<<spare-1) != 0 {
		return x, false, false
	}
	if size > 16 {
		return x, false, true
	}
	u = u128{u.hi >> spare, u.lo>>spare | u.hi<<(64-spare)}
	if size == 16 { // 22 digits are 132 bits: the first digit's upper bits were shifted out
		return i128{int64(u.hi | uint64(sextet[digits[0]])<<58), u.lo}, true, true
	}
	shift := uint(128 - 8*size)
	return u.shiftLeft(shift).shiftRight(shift), true, true
}

func (u u128) shiftLeft(n uint) i128 {
	if n >= 64 {
		return i128{int64(u.lo << (n - 64)), 0}
	}
	return i128{int64(u.hi<<n | u.lo>>(64-n)), u.lo << n}
}

// shiftRight keeps the sign.
func (x i128) shiftRight(n uint) i128 {
	if n >= 64 {
		return i128{x.hi >> 63, uint64(x.hi >> (n - 64))}
	}
	return i128{x.hi >> n, x.lo>>n | uint64(x.hi)<<(64-n)}
}

// scaleDown is u / 10^n; ok is false if that leaves a remainder.
func (u u128) scaleDown(n int) (u128, bool) {
	for ; n > 0; n-- {
		hi, rest := u.hi/10, u.hi%10
		lo, rem := bits.Div64(rest, u.lo, 10)
		if rem != 0 {
			return u, false
		}
		u = u128{hi, lo}
	}
	return u, true
}

// appendBase64 decodes s to dst.
func appendBase64(dst, s []byte) ([]byte, bool) {
	digits, _, ok := unpad(s)
	if !ok {
		return dst, false
	}
	var w uint32
	bad, spare := byte(0), 0
	for _, c := range digits {
		v := sextet[c]
		bad |= v
		w = w<<6 | uint32(v&63)
		if spare += 6; spare >= 8 {
			spare -= 8
			dst = append(dst, byte(w>>spare))
		}
	}
	return dst, bad <= 63 && w&(1<<spare-1) == 0
}
