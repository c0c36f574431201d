package files

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/millrace/millrace/sdk/fault"
)

// kind is how a column's values are held between text and Arrow.
type kind uint8

const (
	kText kind = iota
	kBool
	kInt
	kUint
	kFloat
	kDecimal
	kDate
	kTimestamp
)

// column is one field and how its texts are read.
type column struct {
	field     arrow.Field
	kind      kind
	bits      int // of integers and floats
	precision int // of decimals
	scale     int
	unit      arrow.TimeUnit // of timestamps
	zoned     bool           // a timestamp that is an instant
	builder   array.Builder
}

// value is one parsed field, before the whole row is known to be good.
type value struct {
	null bool
	i    int64 // integers, days, time units, booleans, and the bits of floats
	dec  decimal128.Num
	text []byte
}

// newColumn refuses types that no text format writes.
func newColumn(f arrow.Field) (column, error) {
	c := column{field: f}
	switch t := f.Type.(type) {
	case *arrow.StringType:
		c.kind = kText
	case *arrow.BooleanType:
		c.kind = kBool
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type:
		c.kind, c.bits = kInt, t.(arrow.FixedWidthDataType).BitWidth()
	case *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type:
		c.kind, c.bits = kUint, t.(arrow.FixedWidthDataType).BitWidth()
	case *arrow.Float32Type, *arrow.Float64Type:
		c.kind, c.bits = kFloat, t.(arrow.FixedWidthDataType).BitWidth()
	case *arrow.Decimal128Type:
		if t.Scale < 0 {
			return c, fault.Usagef("column %s: a decimal of negative scale %d cannot be read from text", f.Name, t.Scale)
		}
		c.kind, c.precision, c.scale = kDecimal, int(t.Precision), int(t.Scale)
	case *arrow.Date32Type:
		c.kind = kDate
	case *arrow.TimestampType:
		c.kind, c.unit, c.zoned = kTimestamp, t.Unit, t.TimeZone != ""
	default:
		return c, fault.Usagef("column %s has the type %s, which cannot be in a text file; use string, bool, an integer, a float, decimal128, date32 or timestamp", f.Name, f.Type)
	}
	return c, nil
}

// CheckSchema reports, as one fault.Usage, every column that no text format can hold, and names that are empty or given twice.
func CheckSchema(schema *arrow.Schema) error {
	var faults []string
	seen := map[string]bool{}
	for _, f := range schema.Fields() {
		if _, err := newColumn(f); err != nil {
			faults = append(faults, err.Error())
		}
		if f.Name == "" || seen[f.Name] {
			faults = append(faults, fmt.Sprintf("the column name %q is empty or given twice", f.Name))
		}
		seen[f.Name] = true
	}
	if faults != nil {
		return fault.Usagef("schema: %s", strings.Join(faults, "; "))
	}
	return nil
}

// append adds v to the column's builder.
func (c *column) append(v *value) {
	if v.null {
		c.builder.AppendNull()
		return
	}
	switch b := c.builder.(type) {
	case *array.StringBuilder:
		b.BinaryBuilder.Append(v.text)
	case *array.BooleanBuilder:
		b.Append(v.i != 0)
	case *array.Int64Builder:
		b.Append(v.i)
	case *array.Int32Builder:
		b.Append(int32(v.i))
	case *array.Decimal128Builder:
		b.Append(v.dec)
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.i))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.i))
	default:
		c.appendRare(v)
	}
}

func (c *column) appendRare(v *value) {
	switch b := c.builder.(type) {
	case *array.Int8Builder:
		b.Append(int8(v.i))
	case *array.Int16Builder:
		b.Append(int16(v.i))
	case *array.Uint8Builder:
		b.Append(uint8(v.i))
	case *array.Uint16Builder:
		b.Append(uint16(v.i))
	case *array.Uint32Builder:
		b.Append(uint32(v.i))
	case *array.Uint64Builder:
		b.Append(uint64(v.i))
	case *array.Float32Builder:
		b.Append(float32(floatOf(v.i)))
	case *array.Float64Builder:
		b.Append(floatOf(v.i))
	}
}

// Batcher collects rows into record batches. It is not safe for concurrent use.
type Batcher struct {
	schema  *arrow.Schema
	columns []column
	record  *array.RecordBuilder
	rows    int
}

func newBatcher(schema *arrow.Schema) (*Batcher, error) {
	if err := CheckSchema(schema); err != nil {
		return nil, err
	}
	b := &Batcher{schema: schema, record: array.NewRecordBuilder(memory.DefaultAllocator, schema)}
	for i, f := range schema.Fields() {
		c, err := newColumn(f)
		if err != nil {
			return nil, err
		}
		c.builder = b.record.Field(i)
		b.columns = append(b.columns, c)
	}
	return b, nil
}

// Rows is how many rows the next batch has so far.
func (b *Batcher) Rows() int { return b.rows }

// Batch ends the batch and begins the next. The caller releases it.
func (b *Batcher) Batch() arrow.RecordBatch {
	b.rows = 0
	return b.record.NewRecordBatch()
}

// Release frees what was not made a batch.
func (b *Batcher) Release() { b.record.Release() }
