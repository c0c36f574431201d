package parquetfile

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/parquet-go/parquet-go/format"
)

// boundBytes is how much of a text or binary bound is kept in table metadata.
const boundBytes = 16

// footerBoundBytes is how much of a text or binary bound is kept in a file's footer.
const footerBoundBytes = 64

// bounds are the least and the greatest value of a column; which pair is used depends on the leaf's type.
type bounds struct {
	set    bool
	i0, i1 int64 // integers, times, decimals up to 18 digits; unsigned types by their bits
	d0, d1 decimal128.Num
	f0, f1 float64
	b0, b1 []byte
}

// class says which pair of bounds a leaf uses.
type class uint8

const (
	classInt class = iota
	classUint
	classDecimal // stored as fixed-length bytes
	classFloat
	classBytes
	classBool
)

func (l *leaf) class() class {
	switch l.phys {
	case format.Boolean:
		return classBool
	case format.Float, format.Double:
		return classFloat
	case format.ByteArray:
		return classBytes
	case format.FixedLenByteArray:
		if _, ok := l.typ.(arrow.DecimalType); ok {
			return classDecimal
		}
		return classBytes
	}
	switch l.typ.ID() {
	case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return classUint
	}
	return classInt
}

func (b *bounds) reset() { *b = bounds{b0: b.b0[:0], b1: b.b1[:0]} }

func (b *bounds) addInt(lo, hi int64, unsigned bool) {
	if !b.set {
		b.i0, b.i1, b.set = lo, hi, true
		return
	}
	if unsigned {
		b.i0, b.i1 = int64(min(uint64(b.i0), uint64(lo))), int64(max(uint64(b.i1), uint64(hi)))
		return
	}
	b.i0, b.i1 = min(b.i0, lo), max(b.i1, hi)
}

func (b *bounds) addFloat(v float64) {
	if v != v {
		return
	}
	if !b.set {
		b.f0, b.f1, b.set = v, v, true
		return
	}
	b.f0, b.f1 = min(b.f0, v), max(b.f1, v) // the built-ins order -0 below +0
}

func (b *bounds) addDecimal(v decimal128.Num) {
	if !b.set {
		b.d0, b.d1, b.set = v, v, true
		return
	}
	if v.Less(b.d0) {
		b.d0 = v
	} else if v.Greater(b.d1) {
		b.d1 = v
	}
}

func (b *bounds) addBytes(v []byte) {
	if !b.set {
		b.b0, b.b1, b.set = append(b.b0[:0], v...), append(b.b1[:0], v...), true
		return
	}
	if bytes.Compare(v, b.b0) < 0 {
		b.b0 = append(b.b0[:0], v...)
	} else if bytes.Compare(v, b.b1) > 0 {
		b.b1 = append(b.b1[:0], v...)
	}
}

// merge widens b by o.
func (b *bounds) merge(o *bounds, c class) {
	if !o.set {
		return
	}
	switch c {
	case classInt, classBool:
		b.addInt(o.i0, o.i1, false)
	case classUint:
		b.addInt(o.i0, o.i1, true)
	case classFloat:
		b.addFloat(o.f0)
		b.addFloat(o.f1)
	case classDecimal:
		b.addDecimal(o.d0)
		b.addDecimal(o.d1)
	case classBytes:
		b.addBytes(o.b0)
		b.addBytes(o.b1)
	}
}

// typed gives the bounds as Go values; see [ColumnStats].
func (b *bounds) typed(l *leaf) (lo, hi any) {
	if !b.set {
		return nil, nil
	}
	switch l.class() {
	case classInt:
		if _, ok := l.typ.(arrow.DecimalType); ok {
			return decimal128.FromI64(b.i0), decimal128.FromI64(b.i1)
		}
		return b.i0, b.i1
	case classUint:
		return uint64(b.i0), uint64(b.i1)
	case classBool:
		return b.i0 != 0, b.i1 != 0
	case classFloat:
		return b.f0, b.f1
	case classDecimal:
		return b.d0, b.d1
	}
	if isText(l.typ) {
		return string(b.b0), string(b.b1)
	}
	return bytes.Clone(b.b0), bytes.Clone(b.b1)
}

// iceberg gives the bounds in Iceberg's single-value binary form; nil where there is none.
func (b *bounds) iceberg(l *leaf) (lo, hi []byte) {
	if !b.set {
		return nil, nil
	}
	switch l.class() {
	case classBool:
		return []byte{byte(b.i0)}, []byte{byte(b.i1)}
	case classUint:
		if l.typ.ID() == arrow.UINT32 || l.typ.ID() == arrow.UINT64 {
			return le64(uint64(b.i0)), le64(uint64(b.i1))
		}
		return le32(uint32(b.i0)), le32(uint32(b.i1))
	case classFloat:
		if l.phys == format.Float {
			return le32(math.Float32bits(float32(b.f0))), le32(math.Float32bits(float32(b.f1)))
		}
		return le64(math.Float64bits(b.f0)), le64(math.Float64bits(b.f1))
	case classDecimal:
		return minimalDecimal(b.d0), minimalDecimal(b.d1)
	case classBytes:
		if l.phys == format.FixedLenByteArray && l.width <= boundBytes {
			return bytes.Clone(b.b0), bytes.Clone(b.b1)
		}
		return truncateDown(b.b0, boundBytes, isText(l.typ)), truncateUp(b.b1, boundBytes, isText(l.typ))
	}
	return icebergInt(l, b.i0), icebergInt(l, b.i1)
}

func icebergInt(l *leaf, v int64) []byte {
	switch t := l.typ.(type) {
	case arrow.DecimalType:
		return minimalDecimal(decimal128.FromI64(v))
	case *arrow.TimestampType:
		if t.Unit == arrow.Millisecond { // Iceberg has no milliseconds: such a column is one of microseconds
			v *= 1000
		}
	}
	if l.phys == format.Int32 {
		return le32(uint32(v))
	}
	return le64(uint64(v))
}

// plain gives the bounds as a footer's min_value and max_value; nil where there is none.
func (b *bounds) plain(l *leaf) (lo, hi []byte) {
	if !b.set {
		return nil, nil
	}
	switch l.class() {
	case classBool:
		return []byte{byte(b.i0)}, []byte{byte(b.i1)}
	case classFloat:
		lo, hi := b.f0, b.f1
		if lo == 0 {
			lo = math.Copysign(0, -1) // as the format asks, since zeros of both signs compare equal
		}
		if hi == 0 {
			hi = 0
		}
		if l.phys == format.Float {
			return le32(math.Float32bits(float32(lo))), le32(math.Float32bits(float32(hi)))
		}
		return le64(math.Float64bits(lo)), le64(math.Float64bits(hi))
	case classDecimal:
		return appendFixedDecimal(nil, b.d0, l.width), appendFixedDecimal(nil, b.d1, l.width)
	case classBytes:
		if l.phys == format.FixedLenByteArray {
			return bytes.Clone(b.b0), bytes.Clone(b.b1)
		}
		return truncateDown(b.b0, footerBoundBytes, isText(l.typ)), truncateUp(b.b1, footerBoundBytes, isText(l.typ))
	}
	if l.phys == format.Int32 {
		return le32(uint32(b.i0)), le32(uint32(b.i1))
	}
	return le64(uint64(b.i0)), le64(uint64(b.i1))
}

func isText(t arrow.DataType) bool { return t.ID() == arrow.STRING || t.ID() == arrow.LARGE_STRING }

func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
func le64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

// appendFixedDecimal appends v as width bytes of big-endian two's complement.
func appendFixedDecimal(dst []byte, v decimal128.Num, width int) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(v.HighBits()))
	binary.BigEndian.PutUint64(b[8:], v.LowBits())
	return append(dst, b[16-width:]...)
}

// minimalDecimal is v in the fewest bytes of big-endian two's complement.
func minimalDecimal(v decimal128.Num) []byte {
	b := appendFixedDecimal(nil, v, 16)
	for len(b) > 1 && ((b[0] == 0 && b[1] < 0x80) || (b[0] == 0xff && b[1] >= 0x80)) {
		b = b[1:]
	}
	return b
}

// truncateDown gives at most n bytes that are not above v; text is cut between characters.
func truncateDown(v []byte, n int, text bool) []byte {
	out := []byte{}
	if len(v) <= n {
		return append(out, v...)
	}
	if text {
		for n > 0 && !utf8.RuneStart(v[n]) {
			n--
		}
	}
	return append(out, v[:n]...)
}

// truncateUp gives at most n bytes that are not below v, or nil if there are none.
func truncateUp(v []byte, n int, text bool) []byte {
	out := truncateDown(v, n, text)
	if len(v) <= n {
		return out
	}
	if !text {
		for len(out) > 0 {
			if out[len(out)-1] < 0xff {
				out[len(out)-1]++
				return out
			}
			out = out[:len(out)-1]
		}
		return nil
	}
	for len(out) > 0 {
		r, size := utf8.DecodeLastRune(out)
		out = out[:len(out)-size]
		if r == utf8.RuneError || r == utf8.MaxRune {
			continue
		}
		if r++; r == 0xD800 { // surrogates are not characters
			r = 0xE000
		}
		if len(out)+utf8.RuneLen(r) <= n {
			return utf8.AppendRune(out, r)
		}
	}
	return nil
}
