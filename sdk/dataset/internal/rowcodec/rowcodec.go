// Package rowcodec encodes single rows of a known schema as bytes: for each
// column a byte that says null (0) or not (1), then the value: fixed-width ones
// as Arrow has them in memory, booleans as one byte, texts and bytes with their length before.
//
// It is the element coder of pipelines that leave datasets for ordinary Beam
// collections. Both ends have the same schema; damaged input is an error that wraps [ErrDamaged].
package rowcodec

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// ErrDamaged is wrapped by Decode's errors.
var ErrDamaged = errors.New("not an encoded row of this type")

// Supported reports the first column whose type cannot be encoded, as an error.
func Supported(schema *arrow.Schema) error {
	for _, f := range schema.Fields() {
		if _, ok := width(f.Type); !ok {
			return fmt.Errorf("column %q: type %s cannot be an element", f.Name, f.Type)
		}
	}
	return nil
}

// width is a type's bytes; 0 if they vary.
func width(t arrow.DataType) (int, bool) {
	switch t := t.(type) {
	case *arrow.BooleanType:
		return 1, true
	case *arrow.StringType, *arrow.BinaryType:
		return 0, true
	case *arrow.DictionaryType:
		return 0, false
	case arrow.FixedWidthDataType:
		return t.BitWidth() / 8, true
	}
	return 0, false
}

// Append appends a row of a batch, whose schema is supported.
func Append(dst []byte, batch arrow.RecordBatch, row int) []byte {
	for _, col := range batch.Columns() {
		if col.IsNull(row) {
			dst = append(dst, 0)
			continue
		}
		dst = append(dst, 1)
		switch col := col.(type) {
		case *array.Boolean:
			dst = append(dst, 0)
			if col.Value(row) {
				dst[len(dst)-1] = 1
			}
		case *array.String:
			dst = appendText(dst, col.Value(row))
		case *array.Binary:
			dst = appendText(dst, col.Value(row))
		default:
			w, _ := width(col.DataType())
			at := (col.Data().Offset() + row) * w
			dst = append(dst, col.Data().Buffers()[1].Bytes()[at:at+w]...)
		}
	}
	return dst
}

func appendText[T string | []byte](dst []byte, text T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(text)))
	return append(dst, text...)
}

// Decode makes a batch of one row. It does not keep data.
func Decode(schema *arrow.Schema, data []byte) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, schema.NumFields())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, f := range schema.Fields() {
		col, rest, err := decode(f, data)
		if err != nil {
			return nil, fmt.Errorf("decode row: column %q: %w", f.Name, err)
		}
		cols[i], data = col, rest
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("decode row: %w: %d bytes are left over", ErrDamaged, len(data))
	}
	return array.NewRecordBatch(schema, cols, 1), nil
}

func decode(f arrow.Field, data []byte) (arrow.Array, []byte, error) {
	if len(data) == 0 || data[0] > 1 {
		return nil, nil, fmt.Errorf("%w: no null marker", ErrDamaged)
	}
	null, data := data[0] == 0, data[1:]
	if null {
		if !f.Nullable {
			return nil, nil, fmt.Errorf("%w: a null in a column without nulls", ErrDamaged)
		}
		return array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, 1), data, nil
	}
	w, ok := width(f.Type)
	if !ok {
		return nil, nil, fmt.Errorf("type %s cannot be an element", f.Type)
	}
	var offsets []byte
	if w == 0 {
		n, used := binary.Uvarint(data)
		if used <= 0 || n > uint64(len(data)-used) {
			return nil, nil, fmt.Errorf("%w: cut in a text", ErrDamaged)
		}
		data, w = data[used:], int(n)
		offsets = binary.LittleEndian.AppendUint32(make([]byte, 4, 8), uint32(n))
	}
	if w > len(data) {
		return nil, nil, fmt.Errorf("%w: cut in a value", ErrDamaged)
	}
	value := append([]byte(nil), data[:w]...)
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(value)}
	if offsets != nil {
		buffers = []*memory.Buffer{nil, memory.NewBufferBytes(offsets), memory.NewBufferBytes(value)}
	}
	d := array.NewData(f.Type, 1, buffers, nil, 0, 0)
	defer d.Release()
	return array.MakeFromData(d), data[w:], nil
}
