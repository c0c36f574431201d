package scatter

import (
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
)

// A column of a chunk begins with a header: how many nulls it has, its form, and a number that the form needs.
const headerBytes = 4 + 4 + 8

// The forms of texts. A fixed-width column's form is the bytes that a value takes: as many as its type's, or
// fewer, and the number is then the least value, from which the others are counted.
const (
	formOffsets = iota // offsets, then bytes
	formLength         // all are as long as the number says
	formSame           // all are the same, which is as long as the number says
)

type header struct {
	nulls, form uint32
	number      uint64
}

func (h header) put(b []byte) {
	binary.LittleEndian.PutUint32(b, h.nulls)
	binary.LittleEndian.PutUint32(b[4:], h.form)
	binary.LittleEndian.PutUint64(b[8:], h.number)
}

func headerOf(b []byte) header {
	return header{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint64(b[8:])}
}

// narrowest is how many bytes the values, w bytes wide each, take beside their least.
func narrowest(data []byte, w int) (n int, least int64) {
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	switch w {
	case 4:
		for _, v := range arrow.Int32Traits.CastFromBytes(data) {
			lo, hi = min(lo, int64(v)), max(hi, int64(v))
		}
	case 8:
		for _, v := range arrow.Int64Traits.CastFromBytes(data) {
			lo, hi = min(lo, v), max(hi, v)
		}
	case 16:
		words := arrow.Int64Traits.CastFromBytes(data)
		for i := 0; i < len(words); i += 2 {
			v := words[i]
			if words[i+1] != v>>63 { // more than 64 bits
				return w, 0
			}
			lo, hi = min(lo, v), max(hi, v)
		}
	default:
		return w, 0
	}
	return narrowTo(uint64(hi)-uint64(lo), w), lo
}

// narrowTo is the bytes that numbers up to most take, w if that spares nothing.
func narrowTo(most uint64, w int) int {
	n := 8
	switch {
	case most == 0:
		n = 0
	case most <= math.MaxUint8:
		n = 1
	case most <= math.MaxUint16:
		n = 2
	case most <= math.MaxUint32:
		n = 4
	}
	if n >= w {
		return w
	}
	return n
}

// narrow appends values of w bytes as n bytes each.
func narrow(dst, data []byte, w, n int, least int64) []byte {
	at := len(dst)
	rows := len(data) / w
	dst = grown(dst, rows*n)
	switch n {
	case 1:
		narrowInto(dst[at:], data, w, least)
	case 2:
		narrowInto(arrow.Uint16Traits.CastFromBytes(dst[at:]), data, w, least)
	case 4:
		narrowInto(arrow.Uint32Traits.CastFromBytes(dst[at:]), data, w, least)
	case 8:
		narrowInto(arrow.Uint64Traits.CastFromBytes(dst[at:]), data, w, least)
	}
	return dst
}

func narrowInto[N uint8 | uint16 | uint32 | uint64](out []N, data []byte, w int, least int64) {
	switch w {
	case 4:
		for i, v := range arrow.Int32Traits.CastFromBytes(data) {
			out[i] = N(int64(v) - least)
		}
	case 8:
		for i, v := range arrow.Int64Traits.CastFromBytes(data) {
			out[i] = N(v - least)
		}
	case 16:
		words := arrow.Int64Traits.CastFromBytes(data)
		for i := range out {
			out[i] = N(words[2*i] - least)
		}
	}
}

// widen is the reverse of narrow: it fills out, w bytes a value.
func widen(out, data []byte, w, n int, least int64) {
	switch n {
	case 0:
		widenInto(make([]uint8, len(out)/w), out, w, least)
	case 1:
		widenInto(data, out, w, least)
	case 2:
		widenInto(arrow.Uint16Traits.CastFromBytes(data), out, w, least)
	case 4:
		widenInto(arrow.Uint32Traits.CastFromBytes(data), out, w, least)
	case 8:
		widenInto(arrow.Uint64Traits.CastFromBytes(data), out, w, least)
	}
}

func widenInto[N uint8 | uint16 | uint32 | uint64](data []N, out []byte, w int, least int64) {
	switch w {
	case 4:
		to := arrow.Int32Traits.CastFromBytes(out)
		for i, v := range data {
			to[i] = int32(least + int64(v))
		}
	case 8:
		to := arrow.Int64Traits.CastFromBytes(out)
		for i, v := range data {
			to[i] = least + int64(v)
		}
	case 16:
		to := arrow.Int64Traits.CastFromBytes(out)
		for i, v := range data {
			x := least + int64(v)
			to[2*i], to[2*i+1] = x, x>>63
		}
	}
}
