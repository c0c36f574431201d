package expr

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

const benchRows = 65536

// benchBatch is a batch of ledger entries.
func benchBatch() arrow.RecordBatch {
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "account", Type: arrow.PrimitiveTypes.Int32},
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}}, {Name: "fee", Type: &arrow.Decimal128Type{Precision: 18, Scale: 4}, Nullable: true},
		{Name: "channel", Type: arrow.BinaryTypes.String}, {Name: "channel_dict", Type: dict}, {Name: "booked_at", Type: arrow.FixedWidthTypes.Timestamp_us},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	channels := []string{"card", "transfer", "cash", "standing order", "fee"}
	for i := range benchRows {
		h := int64(uint64(i) * 0x9e3779b97f4a7c15 >> 40)
		b.Field(0).(*array.Int64Builder).Append(h)
		b.Field(1).(*array.Int32Builder).Append(int32(h % 1000))
		b.Field(2).(*array.Decimal128Builder).Append(decimal128.FromI64(h%2_000_000 - 1_000_000))
		if h%10 == 0 {
			b.Field(3).AppendNull()
		} else {
			b.Field(3).(*array.Decimal128Builder).Append(decimal128.FromI64(h % 5000))
		}
		b.Field(4).(*array.StringBuilder).Append(channels[h%5])
		if err := b.Field(5).(*array.BinaryDictionaryBuilder).AppendString(channels[h%5]); err != nil {
			panic(err)
		}
		b.Field(6).(*array.TimestampBuilder).Append(arrow.Timestamp(h * 1000))
	}
	return b.NewRecordBatch()
}

func BenchmarkSelect(b *testing.B) {
	rec := benchBatch()
	for _, text := range []string{"id > 100000", "account = 7", "amount > 10.00", "amount > 10.005", "amount < fee", "channel = 'card'", "channel like 'ca%'",
		"channel in ('card', 'cash')", "channel_dict = 'card'", "booked_at >= timestamp '1970-01-01T00:10:00Z'", "id in (1, 2, 3)",
		"channel = 'card' and amount > 10.00 and fee is not null", "account between 10 and 20"} {
		b.Run(text, func(b *testing.B) { benchExpr(b, rec, text, false) })
	}
}

func BenchmarkEval(b *testing.B) {
	rec := benchBatch()
	for _, text := range []string{"id + 1", "amount + fee", "amount + amount", "amount * fee", "amount / 365", "round(fee, 2, 'half_even')", "-amount",
		"case when channel = 'card' then amount else 0.00 end", "coalesce(fee, 0)", "cast(booked_at as date)"} {
		b.Run(text, func(b *testing.B) { benchExpr(b, rec, text, true) })
	}
}

func benchExpr(b *testing.B, rec arrow.RecordBatch, text string, eval bool) {
	e, err := Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	bound, err := Bind(e, rec.Schema())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if eval {
			a, err := bound.Eval(rec)
			if err != nil {
				b.Fatal(err)
			}
			a.Release()
		} else if _, err := bound.Select(rec); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

// BenchmarkApply takes a share of the rows of all columns.
func BenchmarkApply(b *testing.B) {
	rec := benchBatch()
	for _, percent := range []int64{1, 20, 80} {
		b.Run(fmt.Sprint(percent, "%"), func(b *testing.B) {
			bound, err := Bind(Col("account").Lt(percent*10), rec.Schema())
			if err != nil {
				b.Fatal(err)
			}
			sel, err := bound.Select(rec)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				out, err := sel.Apply(rec)
				if err != nil {
					b.Fatal(err)
				}
				out.Release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
		})
	}
}
