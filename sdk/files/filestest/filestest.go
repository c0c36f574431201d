// Package filestest makes record batches for tests of file formats.
package filestest

import (
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/millrace/millrace/sdk/files"
	"pgregory.net/rapid"
)

// Types are all types that text formats hold.
func Types() []arrow.DataType {
	return []arrow.DataType{
		arrow.BinaryTypes.String, arrow.FixedWidthTypes.Boolean,
		arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
		arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
		&arrow.Decimal128Type{Precision: 18, Scale: 2}, &arrow.Decimal128Type{Precision: 38, Scale: 10}, &arrow.Decimal128Type{Precision: 5},
		arrow.FixedWidthTypes.Date32,
		&arrow.TimestampType{Unit: arrow.Second}, &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"},
		&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, &arrow.TimestampType{Unit: arrow.Nanosecond},
	}
}

// Batch draws a batch of up to 100 rows with a text column and some of all types. The caller releases it.
func Batch(t *rapid.T) arrow.RecordBatch {
	fields := []arrow.Field{{Name: "first", Type: arrow.BinaryTypes.String}}
	for i := range rapid.IntRange(0, 6).Draw(t, "columns") {
		fields = append(fields, arrow.Field{
			Name: fmt.Sprintf("c %d", i), Nullable: rapid.Bool().Draw(t, "nullable"),
			Type: rapid.SampledFrom(Types()).Draw(t, "type"),
		})
	}
	schema := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for range rapid.IntRange(0, 100).Draw(t, "rows") {
		for i, f := range fields {
			if f.Nullable && rapid.IntRange(0, 4).Draw(t, "null") == 0 {
				b.Field(i).AppendNull()
				continue
			}
			appendValue(t, b.Field(i), f.Type)
		}
	}
	return b.NewRecordBatch()
}

var texts = []string{"", " ", "a", " lead", "trail ", "NULL", `\N`, "quo\"te", "new\nline", "cr\r\nlf", "tab\t", ",", ";", "|", "'", `\`, "日本", "1", "true", "\u2028", "\x01"}

func appendValue(t *rapid.T, b array.Builder, typ arrow.DataType) {
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(rapid.SampledFrom(texts).Draw(t, "text"))
	case *array.BooleanBuilder:
		b.Append(rapid.Bool().Draw(t, "bool"))
	case *array.Int8Builder:
		b.Append(rapid.Int8().Draw(t, "int8"))
	case *array.Int16Builder:
		b.Append(rapid.Int16().Draw(t, "int16"))
	case *array.Int32Builder:
		b.Append(rapid.Int32().Draw(t, "int32"))
	case *array.Int64Builder:
		b.Append(rapid.Int64().Draw(t, "int64"))
	case *array.Uint8Builder:
		b.Append(rapid.Uint8().Draw(t, "uint8"))
	case *array.Uint16Builder:
		b.Append(rapid.Uint16().Draw(t, "uint16"))
	case *array.Uint32Builder:
		b.Append(rapid.Uint32().Draw(t, "uint32"))
	case *array.Uint64Builder:
		b.Append(rapid.Uint64().Draw(t, "uint64"))
	case *array.Float32Builder:
		b.Append(rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32).Draw(t, "float32"))
	case *array.Float64Builder:
		b.Append(rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "float64"))
	case *array.Decimal128Builder:
		b.Append(drawDecimal(t, typ.(*arrow.Decimal128Type)))
	case *array.Date32Builder:
		b.Append(arrow.Date32(rapid.Int32Range(-719162, 2932896).Draw(t, "date")))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(drawTime(t, typ.(*arrow.TimestampType).Unit)))
	}
}

func drawDecimal(t *rapid.T, typ *arrow.Decimal128Type) decimal128.Num {
	digits := rapid.IntRange(0, int(typ.Precision)).Draw(t, "digits")
	v := decimal128.FromI64(0)
	for range digits {
		v = v.Mul(decimal128.FromI64(10)).Add(decimal128.FromI64(rapid.Int64Range(0, 9).Draw(t, "digit")))
	}
	if rapid.Bool().Draw(t, "negative") {
		return v.Negate()
	}
	return v
}

func drawTime(t *rapid.T, unit arrow.TimeUnit) int64 {
	secs := rapid.Int64Range(-62_135_596_800, 253_402_300_799).Draw(t, "seconds")
	switch unit {
	case arrow.Second:
		return secs
	case arrow.Millisecond:
		return secs*1e3 + rapid.Int64Range(0, 999).Draw(t, "milliseconds")
	case arrow.Microsecond:
		return secs*1e6 + rapid.Int64Range(0, 999_999).Draw(t, "microseconds")
	}
	return rapid.Int64().Draw(t, "nanoseconds")
}

// Rows makes a batch of rows of texts, numbers as texts, int64 or bool values, and nil. It
// panics if a value does not fit: it is for literals in tests. The caller releases it.
func Rows(schema *arrow.Schema, rows ...[]any) arrow.RecordBatch {
	p, err := files.NewParser(schema, files.TextOptions{})
	if err != nil {
		panic(err)
	}
	defer p.Release()
	for _, row := range rows {
		p.Begin()
		for i, v := range row {
			if v == nil {
				err = p.Null(i)
			} else {
				err = p.Text(i, fmt.Append(nil, v))
			}
			if err != nil {
				panic(err)
			}
		}
		if err := p.Add(); err != nil {
			panic(err)
		}
	}
	return p.Batch()
}

// Texts are a batch's rows, their values joined by bars, a null as ∅.
func Texts(b arrow.RecordBatch) []string {
	var rows []string
	for row := range int(b.NumRows()) {
		var cells []string
		for _, c := range b.Columns() {
			cell := []byte("∅")
			if !c.IsNull(row) {
				var err error
				if cell, err = files.AppendValue(nil, c, row); err != nil {
					panic(err)
				}
			}
			cells = append(cells, string(cell))
		}
		rows = append(rows, strings.Join(cells, "|"))
	}
	return rows
}
