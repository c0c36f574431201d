package record

import (
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/money"
)

type benchRow struct {
	ID      int64
	Account int64
	Channel string
	Amount  money.Decimal `lake:",decimal(18,2)"`
	At      time.Time
	Memo    *string
}

func benchRows(n int) []benchRow {
	rows := make([]benchRow, n)
	memo := "standing order"
	for i := range rows {
		amount, _ := money.New(int64(i)*7-5000, 2)
		rows[i] = benchRow{int64(i), int64(i % 100), fmt.Sprint("channel-", i%7), amount, time.UnixMicro(int64(i)).UTC(), nil}
		if i%4 == 0 {
			rows[i].Memo = &memo
		}
	}
	return rows
}

const benchSize = 8192

func perRow(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchSize, "ns/row")
}

func BenchmarkAppendAll(b *testing.B) {
	rows := benchRows(benchSize)
	builder, err := NewBuilder[benchRow]()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := builder.AppendAll(rows); err != nil {
			b.Fatal(err)
		}
		builder.NewRecord().Release()
	}
	perRow(b)
}

func BenchmarkAppend(b *testing.B) {
	rows := benchRows(benchSize)
	builder, err := NewBuilder[benchRow]()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range rows {
			if err := builder.Append(r); err != nil {
				b.Fatal(err)
			}
		}
		builder.NewRecord().Release()
	}
	perRow(b)
}

func BenchmarkRead(b *testing.B) {
	builder, err := NewBuilder[benchRow]()
	if err != nil {
		b.Fatal(err)
	}
	if err := builder.AppendAll(benchRows(benchSize)); err != nil {
		b.Fatal(err)
	}
	rec := builder.NewRecord()
	defer rec.Release()
	r, err := NewReader[benchRow](rec.Schema())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range r.Rows(rec) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	perRow(b)
}
