package expr

import (
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/record"
)

// vec is a column of values of one type in the course of an evaluation. Values at nulls are arbitrary.
//
// A vec over an Arrow column takes its values out of the array when they are first asked for,
// without copying where the layouts agree. A constant is shared by all evaluations and never changed.
type vec struct {
	typ   Type
	n     int
	konst bool        // one value that stands for all rows; n is 1
	valid bitmap      // nil: no nulls
	src   arrow.Array // the column that the values are taken from, or nil
	alien bool        // values may lie in the memory of a column

	bits   bitmap         // Bool; only valid rows have a bit
	ints   []int64        // Int, Date and Timestamp
	wide   []money.Int128 // Decimal
	floats []float64      // Float
	texts  *texts         // String and Bytes
}

// texts are the values of a text column: cut out of data by offsets, or listed. With index
// set, row i has the text index[i]: a dictionary.
type texts struct {
	offsets []int32
	data    string
	list    []string
	index   []int32
}

// at is the text of row i.
func (t *texts) at(i int) string {
	if t.index != nil {
		i = int(t.index[i])
	}
	if t.list != nil {
		return t.list[i]
	}
	return t.data[t.offsets[i]:t.offsets[i+1]]
}

// columnVec is a vec over a column of the batch.
func columnVec(a arrow.Array, t Type) *vec {
	v := &vec{typ: t, n: a.Len(), src: a, alien: true}
	if t.Kind == Null {
		v.valid = newBitmap(v.n)
		return v
	}
	if a.NullN() > 0 && len(a.NullBitmapBytes()) > 0 {
		v.valid = loadBitmap(a.NullBitmapBytes(), a.Data().Offset(), v.n)
	}
	if d, ok := a.(*array.Dictionary); ok && v.n > 0 {
		v.loadDictionary(d)
	}
	return v
}

// bool is the bits of a Bool vec.
func (v *vec) bool() bitmap {
	if v.bits == nil && v.src != nil {
		if b, ok := v.src.(*array.Boolean); ok && v.n > 0 {
			v.bits = loadBitmap(b.Data().Buffers()[1].Bytes(), b.Data().Offset(), v.n)
			if v.valid != nil {
				v.bits = both(v.bits, v.valid)
			}
		}
	}
	if v.bits == nil {
		v.bits = newBitmap(v.n)
	}
	return v.bits
}

// int64s are the values of an Int, Date or Timestamp vec.
func (v *vec) int64s() []int64 {
	if v.ints != nil || v.src == nil {
		return v.ints
	}
	switch a := v.src.(type) {
	case *array.Int64:
		v.ints = a.Int64Values()
	case *array.Timestamp:
		ts := a.TimestampValues()
		v.ints = unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(ts))), len(ts))
	case *array.Int32:
		v.ints = widen(a.Int32Values())
	case *array.Int16:
		v.ints = widen(a.Int16Values())
	case *array.Int8:
		v.ints = widen(a.Int8Values())
	case *array.Uint32:
		v.ints = widen(a.Uint32Values())
	case *array.Uint16:
		v.ints = widen(a.Uint16Values())
	case *array.Uint8:
		v.ints = widen(a.Uint8Values())
	case *array.Date32:
		v.ints = widen(a.Date32Values())
	}
	return v.ints
}

func widen[T ~int8 | ~int16 | ~int32 | ~uint8 | ~uint16 | ~uint32](values []T) []int64 {
	out := make([]int64, len(values))
	for i, x := range values {
		out[i] = int64(x)
	}
	return out
}

// decimals are the coefficients of a Decimal vec, or the values of an Int vec.
func (v *vec) decimals() []money.Int128 {
	if v.wide != nil {
		return v.wide
	}
	if v.typ.Kind != Decimal { // an integer beside a decimal, or a timestamp beside one of another unit
		ints := v.int64s()
		wide := make([]money.Int128, len(ints))
		for i, x := range ints {
			wide[i] = money.Int128Of(x)
		}
		if !v.konst { // constants are shared between evaluations and stay as they are
			v.wide = wide
		}
		return wide
	}
	switch a := v.src.(type) {
	case *array.Decimal128:
		v.wide = record.Int128s(a)
	case *array.Decimal64:
		v.wide = make([]money.Int128, v.n)
		for i, x := range a.Values() {
			v.wide[i] = money.Int128Of(int64(x))
		}
	case *array.Decimal32:
		v.wide = make([]money.Int128, v.n)
		for i, x := range a.Values() {
			v.wide[i] = money.Int128Of(int64(x))
		}
	case *array.Uint64:
		v.wide = make([]money.Int128, v.n)
		for i, x := range a.Uint64Values() {
			v.wide[i] = money.Int128{Lo: x}
		}
	}
	return v.wide
}

// numbers are the values of a Float vec.
func (v *vec) numbers() []float64 {
	if v.floats != nil || v.src == nil {
		return v.floats
	}
	switch a := v.src.(type) {
	case *array.Float64:
		v.floats = a.Float64Values()
	case *array.Float32:
		v.floats = make([]float64, v.n)
		for i, x := range a.Float32Values() {
			v.floats[i] = float64(x)
		}
	}
	return v.floats
}

// text is the values of a String or Bytes vec.
func (v *vec) text() *texts {
	if v.texts != nil {
		return v.texts
	}
	if v.n == 0 {
		v.texts = &texts{list: []string{}}
		return v.texts
	}
	switch a := v.src.(type) {
	case *array.String:
		v.texts = &texts{offsets: a.ValueOffsets(), data: wholeData(a.Data())}
	case *array.Binary:
		v.texts = &texts{offsets: a.ValueOffsets(), data: wholeData(a.Data())}
	case interface{ Value(int) string }:
		v.texts = &texts{list: make([]string, v.n)}
		for i := range v.n {
			v.texts.list[i] = a.Value(i)
		}
	case interface{ Value(int) []byte }:
		v.texts = &texts{list: make([]string, v.n)}
		for i := range v.n {
			b := a.Value(i)
			v.texts.list[i] = unsafe.String(unsafe.SliceData(b), len(b))
		}
	}
	return v.texts
}

// wholeData is the data buffer that the offsets of a text array point into.
func wholeData(d arrow.ArrayData) string {
	b := d.Buffers()[2]
	if b == nil || b.Len() == 0 {
		return ""
	}
	return unsafe.String(unsafe.SliceData(b.Bytes()), b.Len())
}

// nullVec is the constant null of a type.
func nullVec(t Type) *vec {
	v := &vec{typ: t, n: 1, konst: true, valid: newBitmap(1)}
	switch t.Kind {
	case Bool:
		v.bits = newBitmap(1)
	case Int, Date, Timestamp:
		v.ints = make([]int64, 1)
	case Decimal:
		v.wide = make([]money.Int128, 1)
	case Float:
		v.floats = make([]float64, 1)
	case String, Bytes:
		v.texts = &texts{list: []string{""}}
	}
	return v
}

// boolVec is a Bool vec; bits outside valid are cleared.
func boolVec(n int, bits, valid bitmap) *vec {
	if valid != nil {
		bits = both(bits, valid)
	}
	return &vec{typ: Type{Kind: Bool}, n: n, bits: bits, valid: valid}
}

// index is what to and with a row number to index the values: 0 for constants, else all bits.
func (v *vec) index() int {
	if v.konst {
		return 0
	}
	return -1
}

// rows is the validity over n rows, a constant spread out.
func (v *vec) rows(n int) bitmap {
	switch {
	case v.valid == nil || !v.konst:
		return v.valid
	case v.valid.has(0):
		return nil
	}
	return newBitmap(n)
}

// spread is v with a value for each of n rows.
func (v *vec) spread(n int) *vec {
	if !v.konst {
		return v
	}
	out := &vec{typ: v.typ, n: n, valid: v.rows(n)}
	switch v.typ.Kind {
	case Bool:
		out.bits = newBitmap(n)
		if v.bool().has(0) {
			out.bits = ones(n)
		}
	case Int, Date, Timestamp:
		out.ints = repeat(v.ints[0], n)
	case Decimal:
		out.wide = repeat(v.wide[0], n)
	case Float:
		out.floats = repeat(v.floats[0], n)
	case String, Bytes:
		out.texts = &texts{list: repeat(v.text().at(0), n)}
	}
	return out
}

func repeat[T any](x T, n int) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = x
	}
	return out
}
