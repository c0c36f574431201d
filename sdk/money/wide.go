package money

import "math/bits"

// u128 is an unsigned 128-bit integer: the magnitude of an Int128.
type u128 struct{ hi, lo uint64 }

// u256 is an unsigned 256-bit integer, least significant word first.
type u256 [4]uint64

func (u u128) isZero() bool { return u.hi|u.lo == 0 }

func (u u128) less(v u128) bool { return u.hi < v.hi || u.hi == v.hi && u.lo < v.lo }

func (u u128) cmp(v u128) int {
	switch {
	case u == v:
		return 0
	case u.less(v):
		return -1
	}
	return 1
}

// signed gives u a sign; ok is false where the result does not fit 127 bits and the sign.
func (u u128) signed(negative bool) (a Int128, ok bool) {
	if !negative {
		return Int128{u.lo, int64(u.hi)}, u.hi>>63 == 0
	}
	lo, borrow := bits.Sub64(0, u.lo, 0)
	hi, _ := bits.Sub64(0, u.hi, borrow)
	return Int128{lo, int64(hi)}, u.hi>>63 == 0 || u == u128{1 << 63, 0}
}

func (u u128) bitLen() int {
	if u.hi != 0 {
		return 64 + bits.Len64(u.hi)
	}
	return bits.Len64(u.lo)
}

// quoRem divides by d, which must not be zero.
func (u u128) quoRem(d u128) (q, r u128) {
	switch {
	case d.hi == 0 && u.hi == 0:
		return u128{0, u.lo / d.lo}, u128{0, u.lo % d.lo}
	case d.hi == 0:
		qh, rem := u.hi/d.lo, u.hi%d.lo
		ql, rem := bits.Div64(rem, u.lo, d.lo)
		return u128{qh, ql}, u128{0, rem}
	}
	w, r := u256{u.lo, u.hi}.quoRem(d)
	return u128{w[1], w[0]}, r
}

// mulWide is u·v in 256 bits.
func mulWide(u, v u128) u256 {
	var w u256
	h, l := bits.Mul64(u.lo, v.lo)
	w[0], w[1] = l, h
	var c uint64
	h, l = bits.Mul64(u.hi, v.lo)
	w[1], c = bits.Add64(w[1], l, 0)
	w[2] = h + c // h ≤ 2^64-2, no carry out
	h, l = bits.Mul64(u.lo, v.hi)
	w[1], c = bits.Add64(w[1], l, 0)
	w[2], c = bits.Add64(w[2], h, c)
	w[3] = c
	h, l = bits.Mul64(u.hi, v.hi)
	w[2], c = bits.Add64(w[2], l, 0)
	w[3] += h + c
	return w
}

// quoRem divides by d, which must not be zero (Knuth, volume 2, algorithm D with
// 64-bit digits and a divisor of one or two digits).
func (u u256) quoRem(d u128) (q u256, r u128) {
	if d.hi == 0 {
		var rem uint64
		for i := 3; i >= 0; i-- {
			q[i], rem = bits.Div64(rem, u[i], d.lo)
		}
		return q, u128{0, rem}
	}
	shift := uint(bits.LeadingZeros64(d.hi))
	v1, v0 := d.hi<<shift|shr(d.lo, 64-shift), d.lo<<shift
	n := [5]uint64{u[0] << shift, 0, 0, 0, shr(u[3], 64-shift)}
	for i := 1; i < 4; i++ {
		n[i] = u[i]<<shift | shr(u[i-1], 64-shift)
	}
	for j := 2; j >= 0; j-- {
		q[j] = divStep(n[j:j+3:j+3], v1, v0)
	}
	return q, u128{shr(n[1], shift), shr(n[0], shift) | n[1]<<(64-shift)}
}

// shr shifts right, also by 64 or more bits.
func shr(x uint64, n uint) uint64 { return x >> n }

// divStep divides the three digits in n (least significant first), of which the upper
// two are below the normalised divisor v1·2^64 + v0; it leaves the remainder in n.
func divStep(n []uint64, v1, v0 uint64) uint64 {
	var qhat, rhat uint64
	over := false // the remainder of the estimate has left one digit
	if n[2] >= v1 {
		qhat = 1<<64 - 1
		var c uint64
		rhat, c = bits.Add64(n[1], v1, 0) // n2 = v1: n2·2^64 + n1 - (2^64-1)·v1 = n1 + v1
		over = c != 0
	} else {
		qhat, rhat = bits.Div64(n[2], n[1], v1)
	}
	for !over {
		h, l := bits.Mul64(qhat, v0)
		if h < rhat || h == rhat && l <= n[0] {
			break
		}
		qhat--
		var c uint64
		rhat, c = bits.Add64(rhat, v1, 0)
		over = c != 0
	}
	h, l := bits.Mul64(qhat, v0)
	var b uint64
	n[0], b = bits.Sub64(n[0], l, 0)
	h2, l2 := bits.Mul64(qhat, v1)
	l2, c := bits.Add64(l2, h, 0)
	n[1], b = bits.Sub64(n[1], l2, b)
	n[2], _ = bits.Sub64(n[2], h2+c, b)
	return qhat
}

// add adds v; ok is false on overflow.
func (u u128) add(v u128) (w u128, ok bool) {
	lo, c := bits.Add64(u.lo, v.lo, 0)
	hi, c := bits.Add64(u.hi, v.hi, c)
	return u128{hi, lo}, c == 0
}

// mul multiplies by v; ok is false on overflow.
func (u u256) mul(v u128) (w u256, ok bool) {
	low := mulWide(u128{u[1], u[0]}, v)
	high := mulWide(u128{u[3], u[2]}, v)
	if high[2]|high[3] != 0 {
		return u256{}, false
	}
	var c uint64
	w[0], w[1] = low[0], low[1]
	w[2], c = bits.Add64(low[2], high[0], 0)
	w[3], c = bits.Add64(low[3], high[1], c)
	return w, c == 0
}

// narrow is the low 128 bits; ok is false where the high ones are not zero.
func (u u256) narrow() (v u128, ok bool) { return u128{u[1], u[0]}, u[2]|u[3] == 0 }

const tenTo19 = 10_000_000_000_000_000_000

// digits writes the decimal digits of u at the end of buf and returns them; "0" for zero.
func (u u128) digits(buf *[40]byte) []byte {
	i := len(buf)
	for u.hi != 0 {
		var r u128
		u, r = u.quoRem(u128{0, tenTo19})
		for range 19 {
			i--
			buf[i] = byte('0' + r.lo%10)
			r.lo /= 10
		}
	}
	for u.lo >= 10 {
		i--
		buf[i] = byte('0' + u.lo%10)
		u.lo /= 10
	}
	if u.lo != 0 || i == len(buf) {
		i--
		buf[i] = byte('0' + u.lo)
	}
	return buf[i:]
}

// minus is u - v for v ≤ u.
func (u u128) minus(v u128) u128 {
	lo, b := bits.Sub64(u.lo, v.lo, 0)
	hi, _ := bits.Sub64(u.hi, v.hi, b)
	return u128{hi, lo}
}
