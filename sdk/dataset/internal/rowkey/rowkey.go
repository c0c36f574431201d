// Package rowkey turns the key columns of a record batch into byte strings whose
// order is the order of the rows.
//
// Nouns. A key is the concatenation of its columns' encodings. Each column is
// one byte that says null (0) or not (1), then the value: integers, dates and
// times as 8 bytes big-endian with the sign bit flipped, decimals so in 16
// bytes, booleans in one, texts and bytes with 0x00 escaped and a terminator,
// floating-point numbers as their ordered bit pattern.
//
// Invariants. Two rows have equal keys if and only if their columns are equal
// (nulls equal each other; so do NaNs, and 0.0 and -0.0). bytes.Compare of two
// keys is the comparison of the rows column by column, nulls first. A key
// delimits itself, so keys may be appended to one another. The encoding does
// not depend on whether a column is declared nullable, nor on the width of an
// integer: keys of an int32 and an int64 column compare.
//
// Keys live in memory and in staged files of one run only; they are not a format to keep.
package rowkey

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

const (
	null  = 0
	value = 1
)

// Encoder encodes the keys of batches of one schema. It is safe for concurrent use.
type Encoder struct {
	columns []int
	types   []arrow.DataType
	width   int // bytes of a key where all columns have a fixed width, else 0
}

// New returns an encoder of the named columns. It fails for a column that the
// schema lacks and for a type that cannot be a key (lists, structs, maps).
func New(schema *arrow.Schema, columns []string) (*Encoder, error) {
	e := &Encoder{}
	fixed := true
	for _, name := range columns {
		at := schema.FieldIndices(name)
		if len(at) == 0 {
			return nil, fmt.Errorf("there is no column %q: the columns are %s", name, columnNames(schema))
		}
		if len(at) > 1 {
			return nil, fmt.Errorf("column %q: there are %d of that name", name, len(at))
		}
		t := schema.Field(at[0]).Type
		w, ok := widthOf(t)
		if !ok {
			return nil, fmt.Errorf("column %q: type %s cannot be compared", name, t)
		}
		fixed = fixed && w > 0
		e.width += 1 + w
		e.columns = append(e.columns, at[0])
		e.types = append(e.types, t)
	}
	if !fixed {
		e.width = 0
	}
	return e, nil
}

func columnNames(schema *arrow.Schema) string {
	var names []string
	for _, f := range schema.Fields() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// Comparable reports whether keys of the two types compare with one another:
// the same type, or two integers.
func Comparable(a, b arrow.DataType) bool {
	return arrow.TypeEqual(a, b) || arrow.IsInteger(a.ID()) && arrow.IsInteger(b.ID()) &&
		arrow.IsSignedInteger(a.ID()) == arrow.IsSignedInteger(b.ID())
}

// widthOf is the encoded width of a value of the type: 0 if it varies.
func widthOf(t arrow.DataType) (width int, ok bool) {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return 1, true
	case *arrow.Decimal128Type:
		return 16, true
	case *arrow.FixedSizeBinaryType:
		return t.ByteWidth, true
	}
	switch id := t.ID(); id {
	case arrow.DATE32, arrow.DATE64, arrow.TIME32, arrow.TIME64, arrow.TIMESTAMP, arrow.DURATION, arrow.FLOAT32, arrow.FLOAT64:
		return 8, true
	case arrow.STRING, arrow.LARGE_STRING, arrow.BINARY, arrow.LARGE_BINARY:
		return 0, true
	default:
		if arrow.IsInteger(id) {
			return 8, true
		}
		return 0, false
	}
}

// Keys are the keys of the rows of one batch.
type Keys struct {
	data []byte
	ends []int // ends[i] is where key i ends
}

// Len is the number of keys.
func (k *Keys) Len() int { return len(k.ends) }

// At is the key of row i. It is valid until the next Encode into k, and must not be changed.
func (k *Keys) At(i int) []byte {
	if i == 0 {
		return k.data[:k.ends[0]:k.ends[0]]
	}
	return k.data[k.ends[i-1]:k.ends[i]:k.ends[i]]
}

// Bytes is the memory that the keys hold.
func (k *Keys) Bytes() int64 { return int64(cap(k.data) + 8*cap(k.ends)) }

// HasNull reports whether a column of row i's key is null. It needs the encoder that wrote k.
func (e *Encoder) HasNull(batch arrow.RecordBatch, row int) bool {
	for _, c := range e.columns {
		if batch.Column(c).IsNull(row) {
			return true
		}
	}
	return false
}

// Encode writes the keys of all rows of the batch into k, replacing what it held.
func (e *Encoder) Encode(batch arrow.RecordBatch, k *Keys) {
	n := int(batch.NumRows())
	k.data, k.ends = k.data[:0], k.ends[:0]
	if e.width > 0 {
		e.encodeFixed(batch, k, n)
		return
	}
	appenders := make([]func([]byte, int) []byte, len(e.columns))
	for i, c := range e.columns {
		appenders[i] = appender(batch.Column(c))
	}
	for row := range n {
		for _, add := range appenders {
			k.data = add(k.data, row)
		}
		k.ends = append(k.ends, len(k.data))
	}
}

func (e *Encoder) encodeFixed(batch arrow.RecordBatch, k *Keys, n int) {
	if need := n * e.width; cap(k.data) < need {
		k.data = make([]byte, need)
	} else {
		k.data = k.data[:need]
		clear(k.data)
	}
	at := 0
	for i, c := range e.columns {
		w, _ := widthOf(e.types[i])
		put(k.data[at:], e.width, batch.Column(c), n)
		at += 1 + w
	}
	for row := range n {
		k.ends = append(k.ends, (row+1)*e.width)
	}
}

// put writes a column of fixed width at every stride bytes of data, which is zero.
func put(data []byte, stride int, col arrow.Array, n int) {
	switch col := col.(type) {
	case *array.Int64:
		putInts(data, stride, col, col.Int64Values())
	case *array.Int32:
		putInts(data, stride, col, col.Int32Values())
	case *array.Timestamp:
		putInts(data, stride, col, col.TimestampValues())
	case *array.Date32:
		putInts(data, stride, col, col.Date32Values())
	default:
		add := appender(col)
		var buf [64]byte
		for row := range n {
			copy(data[row*stride:], add(buf[:0], row))
		}
	}
}

func putInts[T ~int32 | ~int64](data []byte, stride int, col arrow.Array, values []T) {
	nulls := col.NullN() > 0
	for row, v := range values {
		if nulls && col.IsNull(row) {
			continue
		}
		at := row * stride
		data[at] = value
		binary.BigEndian.PutUint64(data[at+1:], uint64(v)^1<<63)
	}
}

// appender returns a function that appends the encoding of a row's value.
func appender(col arrow.Array) func([]byte, int) []byte {
	add := valueAppender(col)
	w, _ := widthOf(col.DataType())
	if col.NullN() == 0 {
		return func(dst []byte, row int) []byte { return add(append(dst, value), row) }
	}
	zeros := make([]byte, 1+w)
	return func(dst []byte, row int) []byte {
		if col.IsNull(row) {
			return append(dst, zeros...)
		}
		return add(append(dst, value), row)
	}
}

func valueAppender(col arrow.Array) func([]byte, int) []byte {
	switch col := col.(type) {
	case *array.String:
		return func(dst []byte, row int) []byte { return appendText(dst, col.Value(row)) }
	case *array.LargeString:
		return func(dst []byte, row int) []byte { return appendText(dst, col.Value(row)) }
	case *array.Binary:
		return func(dst []byte, row int) []byte { return appendText(dst, col.Value(row)) }
	case *array.LargeBinary:
		return func(dst []byte, row int) []byte { return appendText(dst, col.Value(row)) }
	case *array.FixedSizeBinary:
		return func(dst []byte, row int) []byte { return append(dst, col.Value(row)...) }
	case *array.Decimal128:
		return func(dst []byte, row int) []byte { return appendDecimal(dst, col.Value(row)) }
	case *array.Boolean:
		return func(dst []byte, row int) []byte {
			if col.Value(row) {
				return append(dst, 1)
			}
			return append(dst, 0)
		}
	}
	return numberAppender(col)
}

func numberAppender(col arrow.Array) func([]byte, int) []byte {
	switch col := col.(type) {
	case *array.Int8:
		return signed(col.Int8Values())
	case *array.Int16:
		return signed(col.Int16Values())
	case *array.Int32:
		return signed(col.Int32Values())
	case *array.Int64:
		return signed(col.Int64Values())
	case *array.Date32:
		return signed(col.Date32Values())
	case *array.Date64:
		return signed(col.Date64Values())
	case *array.Time32:
		return signed(col.Time32Values())
	case *array.Time64:
		return signed(col.Time64Values())
	case *array.Timestamp:
		return signed(col.TimestampValues())
	case *array.Duration:
		return signed(col.DurationValues())
	case *array.Uint8:
		return unsigned(col.Uint8Values())
	case *array.Uint16:
		return unsigned(col.Uint16Values())
	case *array.Uint32:
		return unsigned(col.Uint32Values())
	case *array.Uint64:
		return unsigned(col.Uint64Values())
	case *array.Float32:
		return floating(col.Float32Values())
	case *array.Float64:
		return floating(col.Float64Values())
	}
	// New refuses every other type.
	return func(dst []byte, _ int) []byte { return dst }
}

func signed[T ~int8 | ~int16 | ~int32 | ~int64](values []T) func([]byte, int) []byte {
	return func(dst []byte, row int) []byte {
		return binary.BigEndian.AppendUint64(dst, uint64(int64(values[row]))^1<<63)
	}
}

func unsigned[T ~uint8 | ~uint16 | ~uint32 | ~uint64](values []T) func([]byte, int) []byte {
	return func(dst []byte, row int) []byte {
		return binary.BigEndian.AppendUint64(dst, uint64(values[row]))
	}
}

func floating[T ~float32 | ~float64](values []T) func([]byte, int) []byte {
	return func(dst []byte, row int) []byte {
		v := float64(values[row])
		switch {
		case v == 0:
			v = 0 // -0.0 equals 0.0
		case v != v:
			v = math.NaN()
		}
		bits := math.Float64bits(v)
		if bits>>63 == 1 {
			bits = ^bits
		} else {
			bits ^= 1 << 63
		}
		return binary.BigEndian.AppendUint64(dst, bits)
	}
}

func appendDecimal(dst []byte, v decimal128.Num) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(v.HighBits())^1<<63)
	return binary.BigEndian.AppendUint64(dst, v.LowBits())
}

// appendText escapes 0x00 as 0x00 0xff and ends with 0x00 0x00, which keeps the order.
func appendText[T string | []byte](dst []byte, text T) []byte {
	for i := range len(text) {
		dst = append(dst, text[i])
		if text[i] == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 0)
}
