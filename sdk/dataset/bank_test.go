package dataset_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/record"
)

// Entry is a row of ledger.entries.
type Entry struct {
	EntryID  int64         `lake:"entry_id,key"`
	Account  int64         `lake:"account_id"`
	Amount   money.Decimal `lake:",decimal(18,2)"`
	Channel  *string
	BookedAt int64 `lake:"booked_at"`
}

// Account is a row of ledger.accounts.
type Account struct {
	Account int64 `lake:"account_id,key"`
	Owner   string
}

// Spend is a row of marts.card_spend.
type Spend struct {
	Account int64         `lake:"account_id,key"`
	Spent   money.Decimal `lake:",decimal(38,2)"`
	N       int64
}

func init() {
	dataset.RegisterMapBatches(same)
	dataset.RegisterMapBatches(broken)
	dataset.RegisterMapBatches(careless)
	dataset.RegisterMapBatches(swapped)
	dataset.RegisterMapBatches(stuck)
	dataset.RegisterMap(double)
	dataset.RegisterFlatMap(twice)
}

func same(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) { return b, nil }

var errBroken = errors.New("the rate of 2026-11-23 is missing")

func broken(context.Context, arrow.RecordBatch) (arrow.RecordBatch, error) {
	return nil, fault.Mark(fault.Findings, errBroken)
}

func careless(context.Context, arrow.RecordBatch) (arrow.RecordBatch, error) {
	var none []int
	_ = none[3]
	return nil, nil
}

func swapped(_ context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	return b.NewSlice(0, 0), nil // no rows: fine
}

// stuckStarted is closed when stuck is called, which only TestCancelStopsTasks does.
var (
	stuckStarted = make(chan struct{})
	stuckOnce    sync.Once
)

// stuck waits for the end of its context.
func stuck(ctx context.Context, _ arrow.RecordBatch) (arrow.RecordBatch, error) {
	stuckOnce.Do(func() { close(stuckStarted) })
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func double(s Spend) (Spend, error) {
	sum, err := s.Spent.Add(s.Spent)
	s.Spent = sum
	return s, err
}

func twice(s Spend, emit func(Spend)) error {
	emit(s)
	s.N = -s.N
	emit(s)
	return nil
}

// batchOf makes a batch of structs.
func batchOf[T any](t testing.TB, rows []T) arrow.RecordBatch {
	t.Helper()
	b, err := record.NewBuilder[T]()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.AppendAll(rows); err != nil {
		t.Fatal(err)
	}
	return b.NewRecord()
}

// put writes rows to a table, a file for each chunk.
func put[T any](t testing.TB, lk *datasettest.Tables, table string, layout dataset.Layout, rows []T, chunk int) {
	t.Helper()
	schema, err := record.SchemaOf[T]()
	if err != nil {
		t.Fatal(err)
	}
	var batches []arrow.RecordBatch
	for c := range slices.Chunk(rows, chunk) {
		batches = append(batches, batchOf(t, c))
	}
	if err := lk.Put(table, layout, schema, batches...); err != nil {
		t.Fatal(err)
	}
}

// rowsOf reads a table as sorted texts.
func rowsOf(t testing.TB, lk *datasettest.Tables, table string) []string {
	t.Helper()
	b, err := lk.Rows(table)
	if err != nil {
		t.Fatal(err)
	}
	rows := texts(b)
	slices.Sort(rows)
	return rows
}

func texts(b arrow.RecordBatch) []string {
	var rows []string
	for r := range int(b.NumRows()) {
		var cols []string
		for c := range int(b.NumCols()) {
			cols = append(cols, b.Column(c).ValueStr(r))
		}
		rows = append(rows, strings.Join(cols, " "))
	}
	return rows
}

// bank makes entries of a few accounts: amounts are in cents and can be added as such.
func bank(n int) []Entry {
	card, wire := "card", "wire"
	rows := make([]Entry, n)
	x := uint32(7)
	for i := range rows {
		x = x*1664525 + 1013904223
		amount, _ := money.New(int64(x%100_000)-50_000, 2)
		rows[i] = Entry{EntryID: int64(i), Account: int64(x>>16) % 97, Amount: amount, BookedAt: int64(x >> 8 % 1000)}
		switch x >> 30 {
		case 0:
			rows[i].Channel = &card
		case 1:
			rows[i].Channel = &wire
		}
	}
	return rows
}

// run runs a pipeline and fails the test on an error.
func run(t testing.TB, opts dataset.RunOptions, build func(beam.Scope)) dataset.Stats {
	t.Helper()
	if opts.Staging == "" {
		opts.Staging = t.TempDir()
	}
	stats, err := datasettest.Run(t.Context(), build, opts)
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

// equal compares rows.
func equal(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		n := 0
		for n < len(got) && n < len(want) && got[n] == want[n] {
			n++
		}
		t.Errorf("%d rows, want %d; the first that differs is %d: %v, want %v", len(got), len(want), n, at(got, n), at(want, n))
	}
}

func at(rows []string, i int) string {
	if i < len(rows) {
		return rows[i]
	}
	return "none"
}

// cents prints an amount as arrays print decimals of scale 2.
func cents(n int64) string {
	d, _ := money.New(n, 2)
	return d.Normalize().String()
}

// spendOf is what the pipeline of the package's documentation computes, written naively.
func spendOf(rows []Entry, keep func(Entry) bool) []string {
	sum, n := map[int64]int64{}, map[int64]int64{}
	for _, e := range rows {
		if keep(e) {
			c := e.Amount.Coefficient()
			v, _ := c.Int64()
			sum[e.Account] += v
			n[e.Account]++
		}
	}
	var out []string
	for a := range n {
		out = append(out, fmt.Sprint(a, " ", cents(sum[a]), " ", n[a]))
	}
	slices.Sort(out)
	return out
}

func isCard(e Entry) bool { return e.Channel != nil && *e.Channel == "card" }
