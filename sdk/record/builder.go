package record

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/money"
)

// Builder collects rows into record batches. It is not safe for concurrent use.
type Builder[T any] struct {
	schema *arrow.Schema
	cols   []column
	sinks  []sink
	rows   int
	one    [1]T // where Append puts its row, so that it does not allocate
}

// NewBuilder makes a builder for rows of type T. It fails with ErrType.
func NewBuilder[T any]() (*Builder[T], error) {
	cols, err := layoutOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	b := &Builder[T]{schema: schemaOf(cols), cols: cols}
	for i := range cols {
		b.sinks = append(b.sinks, newSink(&cols[i]))
	}
	return b, nil
}

// Schema is the schema of the batches.
func (b *Builder[T]) Schema() *arrow.Schema { return b.schema }

// Len is the number of rows collected since the last NewRecord.
func (b *Builder[T]) Len() int { return b.rows }

// Append adds a row. It fails with ErrValue, and then adds nothing. Prefer AppendAll for many rows.
func (b *Builder[T]) Append(row T) error {
	b.one[0] = row
	err := b.append(b.one[:])
	b.one = [1]T{} // keeps nothing of the caller alive
	return err
}

// AppendAll adds rows. It fails with ErrValue, naming the row by its index, and then adds none of them.
func (b *Builder[T]) AppendAll(rows []T) error { return b.append(rows) }

func (b *Builder[T]) append(rows []T) error {
	if len(rows) == 0 {
		return nil
	}
	src := span{unsafe.Pointer(unsafe.SliceData(rows)), unsafe.Sizeof(rows[0]), len(rows)}
	for i, s := range b.sinks {
		if row, err := s.append(src.field(&b.cols[i]), b.rows); err != nil {
			for _, s := range b.sinks {
				s.truncate(b.rows)
			}
			return fmt.Errorf("append row %d: field %s, column %s: %w: %w", row, b.cols[i].goName, b.cols[i].name, ErrValue, err)
		}
	}
	b.rows += len(rows)
	return nil
}

// NewRecord returns the rows collected so far as a batch, which the caller releases, and starts anew.
func (b *Builder[T]) NewRecord() arrow.RecordBatch {
	arrays := make([]arrow.Array, len(b.sinks))
	for i, s := range b.sinks {
		data := s.finish(b.rows)
		arrays[i] = array.MakeFromData(data)
		data.Release()
	}
	rec := array.NewRecordBatch(b.schema, arrays, int64(b.rows))
	for _, a := range arrays {
		a.Release()
	}
	b.rows = 0
	return rec
}

// span is a run of structs in memory, seen through one field.
type span struct {
	base   unsafe.Pointer
	stride uintptr
	n      int
}

func (s span) field(c *column) span {
	return span{unsafe.Add(s.base, c.offset), s.stride, s.n}
}

// at is the field of row i.
func (s span) at(i int) unsafe.Pointer { return unsafe.Add(s.base, uintptr(i)*s.stride) }

// sink collects the values of one column.
type sink interface {
	// append takes the fields of s behind the rows collected so far; on error it says which row of s failed.
	append(s span, rows int) (row int, err error)
	truncate(rows int)
	finish(rows int) *array.Data
}

func newSink(c *column) sink {
	switch c.kind {
	case kindBool:
		return &boolSink{validity: validityOf(c)}
	case kindInt8, kindUint8:
		return newFixed(c, func(p *uint8) (uint8, error) { return *p, nil })
	case kindInt16, kindUint16:
		return newFixed(c, func(p *uint16) (uint16, error) { return *p, nil })
	case kindInt32, kindUint32, kindFloat32:
		return newFixed(c, func(p *uint32) (uint32, error) { return *p, nil })
	case kindInt64, kindUint64, kindFloat64:
		return newFixed(c, func(p *uint64) (uint64, error) { return *p, nil })
	case kindTimestamp:
		return newFixed(c, instantMicros)
	case kindLocal:
		return newFixed(c, wallMicros)
	case kindDate:
		return newFixed(c, dayNumber)
	case kindDecimal:
		return newFixed(c, func(d *money.Decimal) (money.Int128, error) { return coefficient(*d, c.prec, c.scale) })
	case kindString:
		return newText(c, func(s *string) string { return *s })
	case kindCurrency:
		return newText(c, func(m *money.Currency) string { return m.Code() })
	}
	bytes := &textSink[[]byte]{validity: validityOf(c), typ: c.arrow, offsets: []int32{0},
		get: func(b *[]byte) string { return unsafe.String(unsafe.SliceData(*b), len(*b)) }}
	if c.nullable {
		bytes.isNull = func(b *[]byte) bool { return *b == nil }
	}
	return bytes
}

// coefficient is d at the column's scale.
func coefficient(d money.Decimal, precision, scale int) (money.Int128, error) {
	if d.Scale() != scale {
		r, err := d.RescaleExact(scale)
		if err != nil {
			return money.Int128{}, err
		}
		d = r
	}
	if c := d.Coefficient(); c.Fits(precision) {
		return c, nil
	}
	return money.Int128{}, fmt.Errorf("%v does not fit decimal(%d,%d): %w", d, precision, scale, money.ErrOverflow)
}
