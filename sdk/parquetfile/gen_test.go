package parquetfile_test

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"
)

// flatTypes are the types of flat columns that are written.
var flatTypes = []arrow.DataType{
	arrow.FixedWidthTypes.Boolean,
	arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
	arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
	arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
	arrow.BinaryTypes.String, arrow.BinaryTypes.Binary,
	&arrow.FixedSizeBinaryType{ByteWidth: 5}, &arrow.FixedSizeBinaryType{ByteWidth: 16},
	arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Time32ms, arrow.FixedWidthTypes.Time64us,
	arrow.FixedWidthTypes.Timestamp_us, &arrow.TimestampType{Unit: arrow.Microsecond}, arrow.FixedWidthTypes.Timestamp_ms, arrow.FixedWidthTypes.Timestamp_ns,
	&arrow.Decimal128Type{Precision: 9, Scale: 2}, &arrow.Decimal128Type{Precision: 18, Scale: 4},
	&arrow.Decimal128Type{Precision: 20, Scale: 0}, &arrow.Decimal128Type{Precision: 38, Scale: 10},
}

func field(i int, t arrow.DataType, nullable bool) arrow.Field {
	return arrow.Field{Name: fmt.Sprintf("c%d", i), Type: t, Nullable: nullable,
		Metadata: arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{strconv.Itoa(i + 1)})}
}

// drawSchema draws a flat schema, or one with some nested columns.
func drawSchema(t *rapid.T, nested bool) *arrow.Schema {
	n := rapid.IntRange(1, 6).Draw(t, "columns")
	var fs []arrow.Field
	for i := range n {
		typ := rapid.SampledFrom(flatTypes).Draw(t, "type")
		if nested {
			typ = drawType(t, 2)
		}
		fs = append(fs, field(i, typ, rapid.Bool().Draw(t, "nullable")))
	}
	return arrow.NewSchema(fs, nil)
}

func drawType(t *rapid.T, depth int) arrow.DataType {
	if depth > 0 {
		switch rapid.IntRange(0, 3).Draw(t, "shape") {
		case 0:
			n := rapid.IntRange(1, 3).Draw(t, "fields")
			var fs []arrow.Field
			for i := range n {
				fs = append(fs, arrow.Field{Name: fmt.Sprintf("f%d", i), Type: drawType(t, depth-1), Nullable: rapid.Bool().Draw(t, "nullable")})
			}
			return arrow.StructOf(fs...)
		case 1:
			return arrow.ListOfField(arrow.Field{Name: "element", Type: drawType(t, depth-1), Nullable: rapid.Bool().Draw(t, "nullable")})
		}
	}
	return rapid.SampledFrom(flatTypes).Draw(t, "type")
}

// rng is a small seeded generator, so that large batches cost rapid one draw.
type rng uint64

func (r *rng) next() uint64 {
	*r ^= *r << 13
	*r ^= *r >> 7
	*r ^= *r << 17
	return uint64(*r)
}

func (r *rng) below(n int) int { return int(r.next() % uint64(n)) }

// shape says what values a column's batches hold.
type shape struct {
	distinct  int  // of this many values
	ascending bool // or growing ones
	nulls     int  // percent
}

func drawShape(t *rapid.T) shape {
	return shape{
		distinct:  rapid.SampledFrom([]int{1, 5, 300, 1 << 40}).Draw(t, "distinct"),
		ascending: rapid.Bool().Draw(t, "ascending"),
		nulls:     rapid.SampledFrom([]int{0, 1, 30, 100}).Draw(t, "nulls"),
	}
}

// fill appends n values to a builder.
func fill(b array.Builder, f arrow.Field, n int, r *rng, s shape) {
	for i := range n {
		if f.Nullable && r.below(100) < s.nulls {
			b.AppendNull()
			continue
		}
		v := int64(r.next() % uint64(s.distinct))
		if s.distinct > 1<<30 {
			v = int64(r.next())
		}
		if s.ascending {
			v = int64(i) * 3
		}
		appendValue(b, f.Type, v, r, s)
	}
}

func appendValue(b array.Builder, t arrow.DataType, v int64, r *rng, s shape) {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v&1 == 1)
	case *array.Int8Builder:
		b.Append(int8(v))
	case *array.Int16Builder:
		b.Append(int16(v))
	case *array.Int32Builder:
		b.Append(int32(v))
	case *array.Int64Builder:
		b.Append(v)
	case *array.Uint8Builder:
		b.Append(uint8(v))
	case *array.Uint16Builder:
		b.Append(uint16(v))
	case *array.Uint32Builder:
		b.Append(uint32(v))
	case *array.Uint64Builder:
		b.Append(uint64(v))
	case *array.Float32Builder:
		b.Append(float32(v) / 4)
	case *array.Float64Builder:
		b.Append(float64(v) / 4)
	case *array.StringBuilder:
		b.Append(text(v))
	case *array.BinaryBuilder:
		b.Append([]byte(text(v)))
	case *array.FixedSizeBinaryBuilder:
		w := t.(*arrow.FixedSizeBinaryType).ByteWidth
		b.Append([]byte(fmt.Sprintf("%032d", uint64(v)))[32-w:])
	case *array.Date32Builder:
		b.Append(arrow.Date32(v % 100000))
	case *array.Time32Builder:
		b.Append(arrow.Time32(uint64(v) % 86400000))
	case *array.Time64Builder:
		b.Append(arrow.Time64(uint64(v) % 86400000000))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v % (1 << 55)))
	case *array.Decimal128Builder:
		p := t.(*arrow.Decimal128Type).Precision
		switch {
		case p <= 18:
			b.Append(decimal128.FromI64(v % (1 << 29)))
		case p > 30 && v%3 == 0:
			b.Append(decimal128.New(v%(1<<58), r.next()))
		default:
			b.Append(decimal128.FromI64(v))
		}
	case *array.StructBuilder:
		b.Append(true)
		for i := range b.NumField() {
			fill(b.FieldBuilder(i), t.(*arrow.StructType).Field(i), 1, r, s)
		}
	case *array.ListBuilder:
		b.Append(true)
		fill(b.ValueBuilder(), t.(*arrow.ListType).ElemField(), r.below(4), r, s)
	default:
		panic(fmt.Sprintf("no values for %T", b))
	}
}

func text(v int64) string {
	s := strconv.FormatInt(v, 36)
	if v%7 == 0 {
		s = ""
	} else if v%5 == 0 {
		s += "ключ и ещё немного"
	}
	return s
}

// drawBatches draws some batches of a schema; about half of them are slices, with an offset.
func drawBatches(t *rapid.T, schema *arrow.Schema, maxRows int) []arrow.RecordBatch {
	r := rng(rapid.Uint64Range(1, 1<<60).Draw(t, "seed"))
	shapes := make([]shape, schema.NumFields())
	for i := range shapes {
		shapes[i] = drawShape(t)
	}
	var out []arrow.RecordBatch
	for range rapid.IntRange(0, 4).Draw(t, "batches") {
		n := rapid.IntRange(0, maxRows).Draw(t, "rows")
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		skip := rapid.IntRange(0, 9).Draw(t, "skip")
		for i, f := range schema.Fields() {
			fill(b.Field(i), f, n+skip, &r, shapes[i])
		}
		rec := b.NewRecordBatch()
		out = append(out, rec.NewSlice(int64(skip), int64(n+skip)))
	}
	return out
}

// concat joins batches into one, so that two lists of batches compare whatever their sizes.
func concat(t rapid.TB, schema *arrow.Schema, recs []arrow.RecordBatch) []arrow.Array {
	cols := make([]arrow.Array, schema.NumFields())
	for i := range cols {
		var parts []arrow.Array
		for _, r := range recs {
			parts = append(parts, r.Column(i))
		}
		if len(parts) == 0 {
			cols[i] = array.NewBuilder(memory.DefaultAllocator, schema.Field(i).Type).NewArray()
			continue
		}
		var err error
		if cols[i], err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
			t.Fatal(err)
		}
	}
	return cols
}
