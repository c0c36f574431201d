package money

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Sum adds integers, such as the coefficients of a decimal column. The zero value is an
// empty sum.
//
// It keeps 192 bits, so nothing that is added overflows on the way, and the total depends
// neither on the order of what was added nor on how it was grouped into partial sums: only
// a total that does not fit makes Total fail. A Sum is not safe for concurrent use.
type Sum struct {
	lo, mid uint64
	hi      int64
}

// AddInt64 adds one 64-bit integer.
func (s *Sum) AddInt64(v int64) { s.Add(Int128Of(v)) }

// Add adds one 128-bit integer.
func (s *Sum) Add(v Int128) {
	var c uint64
	s.lo, c = bits.Add64(s.lo, v.Lo, 0)
	s.mid, c = bits.Add64(s.mid, uint64(v.Hi), c)
	s.hi += v.Hi>>63 + int64(c)
}

// AddInt64s adds a column of 64-bit integers.
func (s *Sum) AddInt64s(column []int64) {
	const block = 1 << 30 // so many 33-bit halves cannot leave 64 bits
	for len(column) > 0 {
		n := min(len(column), block)
		var lows uint64
		var highs int64
		for _, v := range column[:n] {
			lows += uint64(uint32(v))
			highs += v >> 32
		}
		s.AddInt64(int64(lows)) // below 2^62
		s.Add(Int128{uint64(highs) << 32, highs >> 32})
		column = column[n:]
	}
}

// AddInt128s adds a column of 128-bit integers.
func (s *Sum) AddInt128s(column []Int128) {
	lo, mid, hi := s.lo, s.mid, s.hi
	for i := range column {
		var c uint64
		h := column[i].Hi
		lo, c = bits.Add64(lo, column[i].Lo, 0)
		mid, c = bits.Add64(mid, uint64(h), c)
		hi += h>>63 + int64(c)
	}
	s.lo, s.mid, s.hi = lo, mid, hi
}

// Merge adds a partial sum.
func (s *Sum) Merge(t Sum) {
	var c uint64
	s.lo, c = bits.Add64(s.lo, t.lo, 0)
	s.mid, c = bits.Add64(s.mid, t.mid, c)
	s.hi += t.hi + int64(c)
}

// Sub takes a partial sum away, as a sliding window does with what leaves it.
func (s *Sum) Sub(t Sum) {
	var b uint64
	s.lo, b = bits.Sub64(s.lo, t.lo, 0)
	s.mid, b = bits.Sub64(s.mid, t.mid, b)
	s.hi -= t.hi + int64(b)
}

// IsZero reports whether the total is 0.
func (s Sum) IsZero() bool { return s == Sum{} }

// Total is the sum in 128 bits. It fails with ErrOverflow.
func (s Sum) Total() (Int128, error) {
	if s.hi != int64(s.mid)>>63 {
		return Int128{}, fmt.Errorf("sum needs more than 128 bits: %w", ErrOverflow)
	}
	return Int128{s.lo, int64(s.mid)}, nil
}

// Decimal is the sum as a decimal with the scale of what was added. It fails with ErrOverflow and ErrScale.
func (s Sum) Decimal(scale int) (Decimal, error) {
	t, err := s.Total()
	if err != nil {
		return Decimal{}, err
	}
	return NewFromInt128(t, scale)
}

const sumSize = 24

// MarshalBinary encodes the sum in 24 bytes.
func (s Sum) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, sumSize)
	b = binary.LittleEndian.AppendUint64(b, s.lo)
	b = binary.LittleEndian.AppendUint64(b, s.mid)
	return binary.LittleEndian.AppendUint64(b, uint64(s.hi)), nil
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (s *Sum) UnmarshalBinary(b []byte) error {
	if len(b) != sumSize {
		return fmt.Errorf("decode sum: %d bytes: want %d", len(b), sumSize)
	}
	s.lo = binary.LittleEndian.Uint64(b)
	s.mid = binary.LittleEndian.Uint64(b[8:])
	s.hi = int64(binary.LittleEndian.Uint64(b[16:]))
	return nil
}

// SumInt64s adds a column of 64-bit integers. It cannot overflow.
func SumInt64s(column []int64) Int128 {
	var s Sum
	s.AddInt64s(column)
	return Int128{s.lo, int64(s.mid)}
}

// SumInt128s adds a column of 128-bit integers. It fails with ErrOverflow where the total, not a part of it, does not fit.
func SumInt128s(column []Int128) (Int128, error) {
	var s Sum
	s.AddInt128s(column)
	return s.Total()
}
