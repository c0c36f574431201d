package mirror_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/catalog/internal/laketest"
	"github.com/millrace/millrace/catalog/mirror"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

var stamp = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}

var benchEntries = arrow.NewSchema([]arrow.Field{
	{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "transaction_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "account_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	{Name: "currency", Type: arrow.BinaryTypes.String},
	{Name: "channel", Type: arrow.BinaryTypes.String},
	{Name: "booked_at", Type: stamp},
	{Name: "value_date", Type: arrow.FixedWidthTypes.Date32},
	{Name: "memo", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

var benchAccounts = arrow.NewSchema([]arrow.Field{
	{Name: "account_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "customer_id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "type", Type: arrow.BinaryTypes.String},
	{Name: "currency", Type: arrow.BinaryTypes.String},
	{Name: "balance", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	{Name: "status", Type: arrow.BinaryTypes.String},
	{Name: "opened_at", Type: stamp},
	{Name: "updated_at", Type: stamp},
	{Name: "version", Type: arrow.PrimitiveTypes.Int64},
}, nil)

// ledgerMix makes the epochs of the benchmark: 70% new entries, 25% updates of hot accounts, 5% deletes of entries.
type ledgerMix struct {
	nextEntry, seq, random int64
	accounts               int64
}

func (g *ledgerMix) draw(n int64) int64 {
	g.random = g.random*6364136223846793005 + 1442695040888963407
	return int64(uint64(g.random)>>33) % n
}

const batchEvents = 8192

// epoch makes the batches of one epoch, by table.
func (g *ledgerMix) epoch(events int) map[string][]*source.Batch {
	out := map[string][]*source.Batch{}
	for n := 0; n < events; n += batchEvents {
		e, a := batchEvents*75/100, batchEvents*25/100
		out["entries"] = append(out["entries"], g.entries(e, batchEvents*5/100))
		out["accounts"] = append(out["accounts"], g.accountUpdates(a))
	}
	return out
}

func (g *ledgerMix) header(table string, n int) *source.Batch {
	b := &source.Batch{Table: table, Shard: "ledger." + table + "-0",
		Ops: make([]change.Op, n), Offset: make([]int64, n), CommittedAt: make([]int64, n), LSN: make([]int64, n), Tx: make([]string, n), TxOrder: make([]int64, n)}
	for i := range n {
		g.seq++
		b.Offset[i], b.CommittedAt[i], b.LSN[i], b.TxOrder[i] = g.seq, 1_700_000_000_000_000+g.seq*37, g.seq, int64(i%4+1)
		if i%4 == 0 {
			b.Tx[i] = fmt.Sprint(700_000 + g.seq/4)
		} else {
			b.Tx[i] = b.Tx[i-1]
		}
	}
	return b
}

var currencies, channels = []string{"CZK", "EUR", "USD"}, []string{"card", "transfer", "branch", "atm"}

func (g *ledgerMix) entries(n, deletes int) *source.Batch {
	b := g.header("entries", n)
	row := array.NewRecordBuilder(memory.DefaultAllocator, benchEntries)
	defer row.Release()
	row.Reserve(n)
	for i := range n {
		b.Ops[i] = change.Create
		id := g.nextEntry
		if i >= n-deletes && g.nextEntry > int64(n) {
			b.Ops[i], id = change.Delete, g.draw(g.nextEntry)
		} else {
			g.nextEntry++
		}
		row.Field(0).(*array.Int64Builder).Append(id)
		row.Field(1).(*array.Int64Builder).Append(id / 2)
		row.Field(2).(*array.Int64Builder).Append(1_000_000 + g.draw(g.accounts))
		row.Field(3).(*array.Decimal128Builder).Append(decimal128.FromI64(g.draw(1_000_000) - 500_000))
		row.Field(4).(*array.StringBuilder).Append(currencies[id%3])
		row.Field(5).(*array.StringBuilder).Append(channels[g.draw(4)])
		row.Field(6).(*array.TimestampBuilder).Append(arrow.Timestamp(b.CommittedAt[i] - 5))
		row.Field(7).(*array.Date32Builder).Append(arrow.Date32(20_000 + id/200_000))
		if id%3 == 0 {
			row.Field(8).AppendNull()
		} else {
			row.Field(8).(*array.StringBuilder).Append(fmt.Sprintf("payment %08x", g.draw(1<<31)))
		}
	}
	b.Row = row.NewRecordBatch()
	return b
}

func (g *ledgerMix) accountUpdates(n int) *source.Batch {
	b := g.header("accounts", n)
	row := array.NewRecordBuilder(memory.DefaultAllocator, benchAccounts)
	defer row.Release()
	row.Reserve(n)
	for i := range n {
		b.Ops[i] = change.Update
		id := g.draw(g.accounts)
		if g.draw(10) < 8 {
			id /= 16 // hot ones
		}
		row.Field(0).(*array.Int64Builder).Append(1_000_000 + id)
		row.Field(1).(*array.Int64Builder).Append(id / 2)
		row.Field(2).(*array.StringBuilder).Append("current")
		row.Field(3).(*array.StringBuilder).Append(currencies[id%3])
		row.Field(4).(*array.Decimal128Builder).Append(decimal128.FromI64(g.draw(10_000_000)))
		row.Field(5).(*array.StringBuilder).Append("open")
		row.Field(6).(*array.TimestampBuilder).Append(arrow.Timestamp(1_600_000_000_000_000))
		row.Field(7).(*array.TimestampBuilder).Append(arrow.Timestamp(b.CommittedAt[i]))
		row.Field(8).(*array.Int64Builder).Append(b.LSN[i])
	}
	b.Row = row.NewRecordBatch()
	b.Row.Retain()
	b.Before = b.Row
	return b
}

// cpuTime is what the process has used of processors, in microseconds: unlike the clock it does not
// depend on what else the machine does.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return (u.Utime.Sec+u.Stime.Sec)*1e6 + u.Utime.Usec + u.Stime.Usec
}

// benchTable is one table with its log.
type benchTable struct {
	name   string
	spec   catalog.TableSpec
	log    catalog.Target
	mirror *mirror.Mirror
}

func openBenchTable(b testing.TB, lake *catalog.Lake, spec catalog.TableSpec, opts mirror.Options) *benchTable {
	b.Helper()
	ctx := context.Background()
	logSpec, err := changelog.SpecFor(spec)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range []catalog.TableSpec{spec, logSpec} {
		if err := lake.EnsureTable(ctx, s); err != nil {
			b.Fatal(err)
		}
	}
	t := &benchTable{name: spec.Name, spec: spec}
	lt, err := lake.Table(ctx, logSpec.Name)
	if err != nil {
		b.Fatal(err)
	}
	if t.log.Spec, err = lt.Spec(); err != nil {
		b.Fatal(err)
	}
	t.log.Location = lt.Location()
	if t.mirror, err = mirror.Open(ctx, lake, spec.Name, opts); err != nil {
		b.Fatal(err)
	}
	return t
}

// write applies an epoch to the log and to the mirror.
func (t *benchTable) write(ctx context.Context, lake *catalog.Lake, epoch string, batches []*source.Batch, mirrored bool) ([]catalog.TableChange, error) {
	out := make([]catalog.TableChange, 2)
	var g errgroup.Group
	g.Go(func() (err error) {
		out[0], err = t.writeLog(ctx, lake, epoch, batches)
		return err
	})
	if mirrored {
		g.Go(func() (err error) {
			out[1], err = t.mirror.Apply(ctx, epoch, batches)
			return err
		})
	} else {
		out = out[:1]
	}
	return out, g.Wait()
}

func (t *benchTable) writeLog(ctx context.Context, lake *catalog.Lake, epoch string, batches []*source.Batch) (catalog.TableChange, error) {
	w, err := lake.NewFileWriter(catalog.Target{Location: t.log.Location, Spec: t.log.Spec}, catalog.WriterOptions{EpochID: epoch, Nonce: "n"})
	if err != nil {
		return catalog.TableChange{}, err
	}
	bl, err := changelog.NewBuilder(t.spec)
	if err != nil {
		return catalog.TableChange{}, err
	}
	for _, in := range batches {
		rec, err := bl.Rows(in)
		if err != nil {
			return catalog.TableChange{}, err
		}
		err = w.Write(ctx, rec)
		rec.Release()
		if err != nil {
			return catalog.TableChange{}, err
		}
	}
	files, err := w.Close(ctx)
	if err != nil {
		return catalog.TableChange{}, err
	}
	totals, err := bl.Totals()
	return catalog.TableChange{Table: t.log.Spec.Name, Add: files, Totals: totals}, err
}

// BenchmarkLedgerEpochs measures log and mirror of both tables together, committed, for epochs of 250,000 and 2,500 events.
func BenchmarkLedgerEpochs(b *testing.B) {
	for _, events := range []int{245_760, 8192} {
		for _, mirrored := range []bool{true, false} {
			for _, mode := range []mirror.DeleteMode{mirror.Auto, mirror.Position, mirror.CopyOnWrite} {
				if !mirrored && mode != mirror.Auto {
					continue
				}
				b.Run(fmt.Sprintf("events=%d/mirrored=%v/%s", events, mirrored, mode), func(b *testing.B) { benchLedger(b, events, mirrored, mode) })
			}
		}
	}
}

func benchLedger(b *testing.B, events int, mirrored bool, mode mirror.DeleteMode) {
	ctx := context.Background()
	lake, _ := laketest.Open(b, &laketest.Clock{})
	opts := mirror.Options{Logger: slog.New(slog.DiscardHandler), Dir: b.TempDir()}
	tables := map[string]*benchTable{
		"entries": openBenchTable(b, lake, catalog.TableSpec{Name: "ledger.entries", Schema: benchEntries, Kind: catalog.Mirror, Key: []string{"entry_id"},
			BucketBy: "account_id", Buckets: 8, SortBy: []string{"account_id", "booked_at"}, Properties: map[string]string{mirror.PropDeleteMode: string(mode)}}, opts),
		"accounts": openBenchTable(b, lake, catalog.TableSpec{Name: "ledger.accounts", Schema: benchAccounts, Kind: catalog.Mirror, Key: []string{"account_id"},
			BucketBy: "account_id", Buckets: 8, SortBy: []string{"account_id"}, Properties: map[string]string{mirror.PropDeleteMode: string(mode)}}, opts),
	}
	gen := &ledgerMix{accounts: 100_000, random: 7}
	n, cpu := 0, int64(0)
	for b.Loop() {
		b.StopTimer()
		work := gen.epoch(events)
		b.StartTimer()
		before := cpuTime()
		n++
		id := fmt.Sprintf("e%d", n)
		names := []string{"accounts", "entries"}
		changes := make([][]catalog.TableChange, len(names))
		var g errgroup.Group
		for i, name := range names {
			g.Go(func() (err error) {
				changes[i], err = tables[name].write(ctx, lake, id, work[name], mirrored)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		tcs := slices.Concat(changes...)
		at := func(n int) change.Position { return change.Position{Next: map[string]int64{"s": int64(n)}} }
		out, err := lake.Commit(ctx, catalog.Commit{Stream: "s", Epoch: id, From: at(n - 1), To: at(n), Tables: tcs})
		if err != nil {
			b.Fatal(err)
		}
		for _, t := range tables {
			if mirrored {
				t.mirror.Committed(out.Snapshots[t.name])
			}
		}
		cpu += cpuTime() - before
	}
	b.ReportMetric(float64(cpu)/float64(n*events), "cpu-us/event")
	b.ReportMetric(float64(n*events)/b.Elapsed().Seconds(), "events/s")
	if mirrored {
		for name, t := range tables {
			s := t.mirror.Stats()
			b.Logf("%s: %+v", name, s)
		}
	}
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	b.ReportMetric(float64(ms.HeapSys)/(1<<20), "heap-MiB")
}

// benchRows is how many entries the tables of the following benchmarks hold.
const benchRows = 2_000_000

// BenchmarkRebuild measures how long a new process takes to build the index of a table.
func BenchmarkRebuild(b *testing.B) {
	for _, memory := range []int64{1 << 30, 16 << 20} {
		b.Run(fmt.Sprintf("memory=%dMiB", memory>>20), func(b *testing.B) {
			ctx := context.Background()
			lake, _ := laketest.Open(b, &laketest.Clock{})
			opts := mirror.Options{Logger: slog.New(slog.DiscardHandler), Dir: b.TempDir(), MemoryBudget: memory}
			t := openBenchTable(b, lake, catalog.TableSpec{Name: "ledger.entries", Schema: benchEntries, Kind: catalog.Mirror, Key: []string{"entry_id"},
				BucketBy: "account_id", Buckets: 8, SortBy: []string{"account_id", "booked_at"}}, opts)
			gen := &ledgerMix{accounts: 100_000, random: 7}
			at := func(n int) change.Position { return change.Position{Next: map[string]int64{"s": int64(n)}} }
			for n := 0; gen.nextEntry < benchRows; n++ {
				ch, err := t.mirror.Apply(ctx, fmt.Sprint("e", n), gen.epoch(245_760)["entries"])
				if err != nil {
					b.Fatal(err)
				}
				out, err := lake.Commit(ctx, catalog.Commit{Stream: "s", Epoch: fmt.Sprint("e", n), From: at(n), To: at(n + 1), Tables: []catalog.TableChange{ch}})
				if err != nil {
					b.Fatal(err)
				}
				t.mirror.Committed(out.Snapshots[t.name])
			}
			keys := t.mirror.Stats().Keys
			var stats mirror.Stats
			for b.Loop() {
				m, err := mirror.Open(ctx, lake, t.name, opts)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := m.Apply(ctx, "x", nil); err != nil {
					b.Fatal(err)
				}
				stats = m.Stats()
				if stats.Keys != keys {
					b.Fatalf("%d keys, want %d", stats.Keys, keys)
				}
				if err := m.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(keys)*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
			b.Logf("%+v", stats)
		})
	}
}
