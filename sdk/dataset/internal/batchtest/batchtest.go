// Package batchtest makes and reads record batches as tables of texts, for tests.
package batchtest

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"
)

// Null is the text of a null.
const Null = array.NullValueStr

// Row is a row as texts, as arrays print and parse values.
type Row []string

// Schema makes a schema of nullable fields: names and types alternate with no surprises.
func Schema(fields ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fields, nil) }

// Field is a nullable field.
func Field(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

// Fataler is what *testing.T and *rapid.T have in common.
type Fataler interface {
	Fatalf(format string, args ...any)
}

// Batch makes a batch of rows.
func Batch(t Fataler, schema *arrow.Schema, rows []Row) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, row := range rows {
		for c, text := range row {
			if text == Null {
				b.Field(c).AppendNull()
				continue
			}
			if err := b.Field(c).AppendValueFromString(text); err != nil {
				t.Fatalf("column %d: value %q: %v", c, text, err)
			}
		}
	}
	return b.NewRecordBatch()
}

// Batches cuts rows into batches of a size, the last of each pair a slice of a larger one, so that offsets are tested too.
func Batches(t Fataler, schema *arrow.Schema, rows []Row, size int) []arrow.RecordBatch {
	all := Batch(t, schema, rows)
	var out []arrow.RecordBatch
	for from := 0; from < len(rows); from += size {
		to := min(from+size, len(rows))
		if (from/size)%2 == 0 {
			out = append(out, Batch(t, schema, rows[from:to]))
			continue
		}
		out = append(out, all.NewSlice(int64(from), int64(to)))
	}
	return out
}

// Rows reads a batch.
func Rows(batches ...arrow.RecordBatch) []Row {
	var rows []Row
	for _, b := range batches {
		for r := range int(b.NumRows()) {
			row := make(Row, b.NumCols())
			for c := range row {
				row[c] = b.Column(c).ValueStr(r)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// Types are types that can be keys, with a generator of texts of their values.
var Types = []struct {
	Type arrow.DataType
	Gen  *rapid.Generator[string]
}{
	{arrow.PrimitiveTypes.Int64, rapid.SampledFrom([]string{"0", "1", "-1", "7", "9223372036854775807", "-9223372036854775808", "255", "256"})},
	{arrow.PrimitiveTypes.Int32, rapid.SampledFrom([]string{"0", "1", "-1", "2147483647", "-2147483648"})},
	{arrow.PrimitiveTypes.Uint16, rapid.SampledFrom([]string{"0", "1", "65535"})},
	{arrow.BinaryTypes.String, rapid.SampledFrom([]string{"", "a", "a\x00", "a\x00b", "ab", "b", "\xff", "é"})},
	{arrow.FixedWidthTypes.Boolean, rapid.SampledFrom([]string{"true", "false"})},
	{&arrow.Decimal128Type{Precision: 38, Scale: 2}, rapid.SampledFrom([]string{"0", "1.25", "-1.25", "99999999999999999999999999999999.99", "-99999999999999999999999999999999.99"})},
	{arrow.FixedWidthTypes.Date32, rapid.SampledFrom([]string{"1970-01-01", "1969-12-31", "2026-11-23"})},
	{&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, rapid.SampledFrom([]string{"1970-01-01T00:00:00Z", "1960-01-01T00:00:00.000001Z", "2026-11-23T10:00:00Z"})},
}

// Close is a helper for streams in tests.
func Close(t *testing.T, c interface{ Close() error }) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
