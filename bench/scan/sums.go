package main

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// sums adds up columns: integers and timestamps modulo 2^64, decimals exactly, texts by their bytes.
type sums struct {
	names []string
	hi    []uint64
	lo    []uint64
	rows  int64
}

func newSums(names []string) *sums {
	return &sums{names: names, hi: make([]uint64, len(names)), lo: make([]uint64, len(names))}
}

func (s *sums) add(rec arrow.RecordBatch) error {
	s.rows += rec.NumRows()
	for i, c := range rec.Columns() {
		switch c := c.(type) {
		case *array.Int64:
			s.lo[i] += sum64(c.Int64Values())
		case *array.Timestamp:
			v := c.TimestampValues()
			s.lo[i] += sum64(unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(v))), len(v)))
		case *array.Decimal128:
			s.decimals(i, c.Values())
		case *array.String:
			if o := c.ValueOffsets(); len(o) > 0 {
				s.lo[i] += uint64(o[len(o)-1] - o[0])
			}
		default:
			return fmt.Errorf("column %s has type %s", s.names[i], c.DataType())
		}
	}
	return nil
}

func sum64(v []int64) uint64 {
	t := int64(0)
	for _, x := range v {
		t += x
	}
	return uint64(t)
}

func (s *sums) decimals(i int, v []decimal128.Num) {
	hi, lo := s.hi[i], s.lo[i]
	for _, x := range v {
		var carry uint64
		lo, carry = bits.Add64(lo, x.LowBits(), 0)
		hi, _ = bits.Add64(hi, uint64(x.HighBits()), carry)
	}
	s.hi[i], s.lo[i] = hi, lo
}

func (s *sums) merge(o *sums) {
	s.rows += o.rows
	for i := range s.lo {
		var carry uint64
		s.lo[i], carry = bits.Add64(s.lo[i], o.lo[i], 0)
		s.hi[i], _ = bits.Add64(s.hi[i], o.hi[i], carry)
	}
}

// answer is what all engines must agree on.
func (s *sums) answer() map[string]string {
	out := map[string]string{"rows": fmt.Sprint(s.rows)}
	for i, n := range s.names {
		if at := schema.FieldIndices(n); schema.Field(at[0]).Type.ID() == arrow.DECIMAL128 {
			out[n] = decimal128.New(int64(s.hi[i]), s.lo[i]).ToString(2)
		} else {
			out[n] = fmt.Sprint(s.lo[i])
		}
	}
	return out
}
