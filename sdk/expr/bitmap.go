package expr

import (
	"encoding/binary"
	"math/bits"
)

// bitmap has a bit a row, in words of 64 rows. Bits after the last row are zero.
type bitmap []uint64

func words(n int) int { return (n + 63) / 64 }

func newBitmap(n int) bitmap { return make(bitmap, words(n)) }

// ones is a bitmap with all n bits set.
func ones(n int) bitmap {
	b := newBitmap(n)
	for i := range b {
		b[i] = ^uint64(0)
	}
	return b.trim(n)
}

// trim clears the bits after row n.
func (b bitmap) trim(n int) bitmap {
	if r := uint(n) % 64; r != 0 {
		b[len(b)-1] &= 1<<r - 1
	}
	return b
}

func (b bitmap) has(i int) bool { return b[i>>6]>>(uint(i)&63)&1 != 0 }

func (b bitmap) set(i int) { b[i>>6] |= 1 << (uint(i) & 63) }

func (b bitmap) clear(i int) { b[i>>6] &^= 1 << (uint(i) & 63) }

func (b bitmap) count() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

func (b bitmap) empty() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

// all yields the rows whose bits are set.
func (b bitmap) all(yield func(int) bool) {
	for w, x := range b {
		for x != 0 {
			if !yield(w<<6 + bits.TrailingZeros64(x)) {
				return
			}
			x &= x - 1
		}
	}
}

// The operators below take nil for a bitmap with all bits set, as validity and row masks have it.

// both is a and b.
func both(a, b bitmap) bitmap {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	out := make(bitmap, len(a))
	for i := range out {
		out[i] = a[i] & b[i]
	}
	return out
}

// without is a and not b, over n rows. b is not nil.
func without(a, b bitmap, n int) bitmap {
	out := make(bitmap, len(b))
	for i := range out {
		out[i] = ^b[i]
		if a != nil {
			out[i] &= a[i]
		}
	}
	return out.trim(n)
}

// isIn reports whether row i is in the mask.
func (b bitmap) isIn(i int) bool { return b == nil || b.has(i) }

// loadBitmap copies n bits from the bit at offset of an Arrow bitmap.
func loadBitmap(src []byte, offset, n int) bitmap {
	out := newBitmap(n)
	if n == 0 {
		return out
	}
	src = src[offset/8:]
	shift := uint(offset % 8)
	for w := range out {
		at := w * 8
		var x uint64
		if at+9 <= len(src) {
			x = binary.LittleEndian.Uint64(src[at:])>>shift | uint64(src[at+8])<<(64-shift) // a shift by 64 gives 0
		} else {
			for i := len(src) - 1; i > at; i-- {
				x |= uint64(src[i]) << (uint(i-at)*8 - shift)
			}
			if at < len(src) {
				x |= uint64(src[at]) >> shift
			}
		}
		out[w] = x
	}
	return out.trim(n)
}

// bytes is the bitmap in Arrow's form.
func (b bitmap) bytes() []byte {
	out := make([]byte, 0, len(b)*8)
	for _, w := range b {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	return out
}
