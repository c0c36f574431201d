package money

import (
	"fmt"
	"math/big"
	"math/bits"
)

// Int128 is a signed 128-bit integer in two's complement: Hi·2^64 + Lo.
// Its memory layout is that of Arrow's decimal128.Num on little-endian machines.
// The zero value is 0, and == compares numerically.
//
// Arithmetic reports overflow by its second result instead of wrapping around;
// the first result is then meaningless.
type Int128 struct {
	Lo uint64 // the low 64 bits
	Hi int64  // the high 64 bits, with the sign
}

var (
	// MaxInt128 is 2^127 - 1.
	MaxInt128 = Int128{Lo: 1<<64 - 1, Hi: 1<<63 - 1}
	// MinInt128 is -2^127.
	MinInt128 = Int128{Hi: -1 << 63}
)

// Int128Of widens a 64-bit integer.
func Int128Of(v int64) Int128 { return Int128{Lo: uint64(v), Hi: v >> 63} }

// Int128FromBig narrows v; ok is false where v is outside 128 bits.
func Int128FromBig(v *big.Int) (a Int128, ok bool) {
	if v.BitLen() > 128 {
		return Int128{}, false
	}
	var mag big.Int
	mag.Abs(v)
	var mask big.Int
	mask.SetUint64(1<<64 - 1)
	lo := new(big.Int).And(&mag, &mask).Uint64()
	hi := mag.Rsh(&mag, 64).Uint64()
	return u128{hi, lo}.signed(v.Sign() < 0)
}

// Big returns a as a big.Int.
func (a Int128) Big() *big.Int {
	b := big.NewInt(a.Hi)
	b.Lsh(b, 64)
	return b.Add(b, new(big.Int).SetUint64(a.Lo))
}

// IsInt64 reports whether a fits 64 bits.
func (a Int128) IsInt64() bool { return a.Hi == int64(a.Lo)>>63 }

// Int64 narrows a; ok is false where a does not fit 64 bits.
func (a Int128) Int64() (v int64, ok bool) { return int64(a.Lo), a.IsInt64() }

// Sign is -1, 0 or 1.
func (a Int128) Sign() int {
	switch {
	case a.Hi < 0:
		return -1
	case a.Hi == 0 && a.Lo == 0:
		return 0
	}
	return 1
}

// Cmp is -1, 0 or 1 where a is less than, equal to or greater than b.
func (a Int128) Cmp(b Int128) int {
	switch {
	case a == b:
		return 0
	case a.Less(b):
		return -1
	}
	return 1
}

// Less reports whether a < b.
func (a Int128) Less(b Int128) bool {
	if a.Hi != b.Hi {
		return a.Hi < b.Hi
	}
	return a.Lo < b.Lo
}

// Add returns a + b.
func (a Int128) Add(b Int128) (sum Int128, ok bool) {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	h, _ := bits.Add64(uint64(a.Hi), uint64(b.Hi), carry)
	hi := int64(h)
	return Int128{lo, hi}, (a.Hi^hi)&(b.Hi^hi) >= 0
}

// Sub returns a - b.
func (a Int128) Sub(b Int128) (diff Int128, ok bool) {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	h, _ := bits.Sub64(uint64(a.Hi), uint64(b.Hi), borrow)
	hi := int64(h)
	return Int128{lo, hi}, (a.Hi^b.Hi)&(a.Hi^hi) >= 0
}

// Neg returns -a; ok is false for MinInt128 only.
func (a Int128) Neg() (neg Int128, ok bool) {
	lo, borrow := bits.Sub64(0, a.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(a.Hi), borrow)
	return Int128{lo, int64(hi)}, a != MinInt128
}

// Abs returns |a|; ok is false for MinInt128 only.
func (a Int128) Abs() (abs Int128, ok bool) {
	if a.Hi < 0 {
		return a.Neg()
	}
	return a, true
}

// Mul returns a · b.
func (a Int128) Mul(b Int128) (product Int128, ok bool) {
	if a.IsInt64() && b.IsInt64() { // 64 × 64 bits always fit 128
		x, y := int64(a.Lo), int64(b.Lo)
		h, lo := bits.Mul64(uint64(x), uint64(y))
		return Int128{lo, int64(h) - (x>>63)&y - (y>>63)&x}, true
	}
	w := mulWide(a.magnitude(), b.magnitude())
	if w[3]|w[2] != 0 {
		return Int128{}, false
	}
	return u128{w[1], w[0]}.signed((a.Hi ^ b.Hi) < 0)
}

// QuoRem divides and truncates towards zero, as Go's / and % do: a = q·b + r,
// where r has a's sign or is 0. ok is false where b is 0, and for MinInt128 / -1.
func (a Int128) QuoRem(b Int128) (q, r Int128, ok bool) {
	if b == (Int128{}) {
		return Int128{}, Int128{}, false
	}
	mq, mr := a.magnitude().quoRem(b.magnitude())
	q, ok = mq.signed((a.Hi ^ b.Hi) < 0)
	r, _ = mr.signed(a.Hi < 0)
	return q, r, ok
}

// String is the decimal text of a.
func (a Int128) String() string {
	var buf [42]byte
	return string(a.appendText(buf[:0]))
}

func (a Int128) appendText(dst []byte) []byte {
	if a.Hi < 0 {
		dst = append(dst, '-')
	}
	var buf [40]byte
	return append(dst, a.magnitude().digits(&buf)...)
}

// GoString names the value in Go syntax.
func (a Int128) GoString() string { return fmt.Sprintf("money.Int128{Lo:%#x, Hi:%#x}", a.Lo, a.Hi) }

func (a Int128) magnitude() u128 {
	if a.Hi < 0 {
		lo, borrow := bits.Sub64(0, a.Lo, 0)
		hi, _ := bits.Sub64(0, uint64(a.Hi), borrow)
		return u128{hi, lo}
	}
	return u128{uint64(a.Hi), a.Lo}
}
