package parquetfile_test

import (
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/parquetfile"
)

// ledgerBatch is like a ledger's entries: growing ids and times, random amounts, few-valued texts, one unique text.
func ledgerBatch(n int, nullable bool) arrow.RecordBatch {
	types := []arrow.DataType{
		arrow.PrimitiveTypes.Int64, &arrow.Decimal128Type{Precision: 18, Scale: 2}, &arrow.Decimal128Type{Precision: 18, Scale: 2},
		arrow.FixedWidthTypes.Timestamp_us, arrow.FixedWidthTypes.Timestamp_us, arrow.FixedWidthTypes.Timestamp_us,
		arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Int64,
		arrow.BinaryTypes.String, arrow.BinaryTypes.String, arrow.BinaryTypes.String, arrow.BinaryTypes.String,
	}
	shapes := []shape{{ascending: true, distinct: 1}, {distinct: 1 << 21}, {distinct: 1 << 28}, {ascending: true, distinct: 1}, {distinct: 2}, {ascending: true, distinct: 1},
		{ascending: true, distinct: 1}, {distinct: 700}, {distinct: 20}, {distinct: 12}, {distinct: 5}, {distinct: 1 << 40}}
	var fs []arrow.Field
	for i, t := range types {
		fs = append(fs, field(i, t, nullable))
	}
	schema := arrow.NewSchema(fs, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	r := rng(88172645463325252)
	for i, f := range fs {
		s := shapes[i]
		if nullable && i%4 == 0 {
			s.nulls = 10
		}
		fill(b.Field(i), f, n, &r, s)
	}
	return b.NewRecordBatch()
}

// BenchmarkWrite writes 12 columns by one goroutine; 10 columns of the nullable form have no nulls.
func BenchmarkWrite(b *testing.B) {
	for name, nullable := range map[string]bool{"required": false, "nullable": true} {
		rec := ledgerBatch(1<<16, nullable)
		b.Run(name, func(b *testing.B) {
			w, err := parquetfile.NewWriter(io.Discard, rec.Schema(), parquetfile.WriterOptions{})
			if err != nil {
				b.Fatal(err)
			}
			rows := 0
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Write(rec); err != nil {
					b.Fatal(err)
				}
				rows += 1 << 16
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}
