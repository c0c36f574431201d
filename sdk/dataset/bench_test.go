package dataset_test

import (
	"context"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/record"
)

// Posting is the row of the benchmarks.
type Posting struct {
	Account int64         `lake:"account_id"`
	Amount  money.Decimal `lake:",decimal(18,2)"`
	Channel string
}

func init() {
	dataset.RegisterMapBatches(negatedBatches)
	dataset.RegisterMap(negatedRows)
}

// negatedBatches and negatedRows do the same.
func negatedBatches(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	values := record.Int128s(b.Column(1).(*array.Decimal128))
	out := make([]money.Int128, len(values))
	for i, v := range values {
		out[i], _ = v.Neg()
	}
	col := record.DecimalArray(&arrow.Decimal128Type{Precision: 18, Scale: 2}, out, nil, 0)
	defer col.Release()
	return array.NewRecordBatch(b.Schema(), []arrow.Array{b.Column(0), col, b.Column(2)}, b.NumRows()), nil
}

func negatedRows(p Posting) (Posting, error) {
	p.Amount = p.Amount.Neg()
	return p, nil
}

const (
	benchFile  = 1 << 19
	benchFiles = 8
)

// benchTable makes a table of 4 M rows, and the same rows as structs of the
// fewest words, for the plain loop to be compared with.
func benchTable(b *testing.B, accounts int) (*datasettest.Tables, []plainRow) {
	b.Helper()
	lk := datasettest.NewTables(b.Name())
	schema, err := record.SchemaOf[Posting]()
	if err != nil {
		b.Fatal(err)
	}
	channels := []string{"card", "wire", "cash", "card"}
	var batches []arrow.RecordBatch
	plain := make([]plainRow, 0, benchFile*benchFiles)
	x := uint64(1)
	for range benchFiles {
		rb := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		acc, amt, ch := rb.Field(0).(*array.Int64Builder), rb.Field(1).(*array.Decimal128Builder), rb.Field(2).(*array.StringBuilder)
		for range benchFile {
			x = x*6364136223846793005 + 1442695040888963407
			r := plainRow{int64(x>>33) % int64(accounts), int64(x>>20)%100_000 - 50_000, channels[x>>62]}
			plain = append(plain, r)
			acc.Append(r.account)
			amt.Append(decimal128.FromI64(r.cents))
			ch.Append(r.channel)
		}
		batches = append(batches, rb.NewRecordBatch())
		rb.Release()
	}
	if err := lk.Put("postings", dataset.Layout{}, schema, batches...); err != nil {
		b.Fatal(err)
	}
	return lk, plain
}

type plainRow struct {
	account, cents int64
	channel        string
}

type plainTotal struct{ cents, n int64 }

// plainLoop is what an engineer would write without any library, on one core: not exact beyond 64 bits, no nulls.
func plainLoop(rows []plainRow) map[int64]plainTotal {
	totals := map[int64]plainTotal{}
	for _, r := range rows {
		if r.channel == "card" {
			t := totals[r.account]
			t.cents += r.cents
			t.n++
			totals[r.account] = t
		}
	}
	return totals
}

// measure runs a pipeline and reports its rate beside the plain loop's.
func measure(b *testing.B, accounts int, opts dataset.RunOptions, build func(beam.Scope, dataset.Lake)) {
	lk, plain := benchTable(b, accounts)
	start := time.Now()
	want := len(plainLoop(plain))
	loop := time.Since(start)
	b.ResetTimer()
	for range b.N {
		run(b, opts, func(s beam.Scope) { build(s, lk) })
	}
	b.StopTimer()
	got, err := lk.Rows("out")
	if err != nil {
		b.Fatal(err)
	}
	if int(got.NumRows()) != want {
		b.Fatalf("%d groups, want %d", got.NumRows(), want)
	}
	each := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(len(plain))/each.Seconds()/1e6, "Mrows/s")
	b.ReportMetric(loop.Seconds()/each.Seconds(), "x-plain-Go-loop")
	b.ReportMetric(0, "ns/op")
}

func spendOut(s beam.Scope, lk dataset.Lake, rows dataset.Rows) {
	card := dataset.Filter(s, rows, expr.Col("channel").Eq("card"))
	dataset.Write(s, lk, "out", dataset.GroupBy(s, card, "account_id").Sum("amount", "spent").Count("n"))
}

// BenchmarkScanFilterGroup is the pipeline of the package's documentation over 4 M rows in memory.
func BenchmarkScanFilterGroup(b *testing.B) {
	scan := func(s beam.Scope, lk dataset.Lake) { spendOut(s, lk, dataset.Scan[Posting](s, lk, "postings")) }
	b.Run("100-accounts", func(b *testing.B) { measure(b, 100, dataset.RunOptions{}, scan) })
	b.Run("100000-accounts", func(b *testing.B) { measure(b, 100_000, dataset.RunOptions{}, scan) })
	b.Run("100000-accounts-one-worker", func(b *testing.B) { measure(b, 100_000, dataset.RunOptions{Workers: 1}, scan) })
}

// BenchmarkMapBatches and BenchmarkMap put an author's function into that pipeline, over batches and over structs.
func BenchmarkMapBatches(b *testing.B) {
	measure(b, 100, dataset.RunOptions{}, func(s beam.Scope, lk dataset.Lake) {
		spendOut(s, lk, dataset.MapBatches(s, dataset.Scan[Posting](s, lk, "postings"), negatedBatches))
	})
}

func BenchmarkMap(b *testing.B) {
	measure(b, 100, dataset.RunOptions{}, func(s beam.Scope, lk dataset.Lake) {
		spendOut(s, lk, dataset.Map(s, dataset.Scan[Posting](s, lk, "postings"), negatedRows))
	})
}

// BenchmarkExchange moves all rows, sorted, through staged files.
func BenchmarkExchange(b *testing.B) {
	measure(b, 100_000, dataset.RunOptions{}, func(s beam.Scope, lk dataset.Lake) {
		rows := dataset.Sort(s, dataset.Repartition(s, dataset.Scan[Posting](s, lk, "postings"), 16, "account_id"), "account_id")
		spendOut(s, lk, rows)
	})
}
