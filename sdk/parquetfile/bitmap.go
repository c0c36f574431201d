package parquetfile

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A bitmap holds one bit a row, least significant first, as Arrow does.

// word reads up to 64 bits of b from bit off; n says how many are wanted.
func word(b []byte, off, n int) uint64 {
	i, s := off>>3, uint(off&7)
	var lo uint64
	if i+8 <= len(b) {
		lo = binary.LittleEndian.Uint64(b[i:])
	} else {
		for k := 0; i+k < len(b); k++ {
			lo |= uint64(b[i+k]) << (8 * k)
		}
	}
	lo >>= s
	if s > 0 && i+8 < len(b) {
		lo |= uint64(b[i+8]) << (64 - s)
	}
	if n < 64 {
		lo &= 1<<n - 1
	}
	return lo
}

// eachRun calls f for every run of set bits among n bits from off, with positions relative to off.
func eachRun(b []byte, off, n int, f func(start, length int)) {
	start, length := 0, 0
	for i := 0; i < n; i += 64 {
		k := min(64, n-i)
		w := word(b, off+i, k)
		if w == 0 {
			continue
		}
		for at := 0; at < k; {
			skip := bits.TrailingZeros64(w >> at)
			if at+skip >= k {
				break
			}
			at += skip
			run := min(bits.TrailingZeros64(^(w >> at)), k-at)
			if length > 0 && start+length == i+at {
				length += run
			} else {
				if length > 0 {
					f(start, length)
				}
				start, length = i+at, run
			}
			at += run
		}
	}
	if length > 0 {
		f(start, length)
	}
}

// countBits counts the set bits among n bits from off.
func countBits(b []byte, off, n int) int {
	c := 0
	for i := 0; i < n; i += 64 {
		c += bits.OnesCount64(word(b, off+i, min(64, n-i)))
	}
	return c
}

// bitBuffer is a growing bitmap.
type bitBuffer struct {
	b []byte
	n int
}

func (m *bitBuffer) reset() { m.b, m.n = m.b[:0], 0 }

// grow makes room for n more bits, which are zero.
func (m *bitBuffer) grow(n int) {
	need := (m.n + n + 7) / 8
	if have := len(m.b); have < need {
		m.b = slices.Grow(m.b, need-have)[:need]
		clear(m.b[have:])
	}
}

// fill appends n bits of one value.
func (m *bitBuffer) fill(v bool, n int) {
	m.grow(n)
	if v {
		setBits(m.b, m.n, n)
	}
	m.n += n
}

// copyFrom appends n bits of src from off.
func (m *bitBuffer) copyFrom(src []byte, off, n int) {
	m.grow(n)
	copyBits(m.b, m.n, src, off, n)
	m.n += n
}

// setBits sets n bits of b from off.
func setBits(b []byte, off, n int) {
	for n > 0 && off&7 != 0 {
		b[off>>3] |= 1 << (off & 7)
		off++
		n--
	}
	for ; n >= 8; n -= 8 {
		b[off>>3] = 0xff
		off += 8
	}
	if n > 0 {
		b[off>>3] |= 1<<n - 1
	}
}

// copyBits copies n bits of src from off over zero bits of dst from at.
func copyBits(dst []byte, at int, src []byte, off, n int) {
	for i := 0; i < n; {
		k := min(56, n-i)
		w := word(src, off+i, k)
		s := (at + i) & 7
		w <<= s
		for p := (at + i) >> 3; w != 0; p++ {
			dst[p] |= byte(w)
			w >>= 8
		}
		i += k
	}
}
