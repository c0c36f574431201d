package features_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/features"
	"github.com/millrace/millrace/runners/embedded"
)

const day = 24 * time.Hour

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// entry is one entry of a test's ledger.
type entry struct {
	account   int64
	cents     int64
	currency  string
	booked    time.Time
	committed time.Time
}

// ledger is a lake with entries, their change log and accounts.
type ledger struct {
	t       testing.TB
	lake    *catalog.Lake
	entries []entry
	n       int
}

var entriesSchema = arrow.NewSchema([]arrow.Field{
	{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "account_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	{Name: "currency", Type: arrow.BinaryTypes.String},
	{Name: "booked_at", Type: changelog.Timestamp},
}, nil)

var accountsSchema = arrow.NewSchema([]arrow.Field{
	{Name: "account_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "currency", Type: arrow.BinaryTypes.String},
}, nil)

// newLedger makes an empty ledger whose entries have so many buckets; 0 is a table without layout.
func newLedger(t testing.TB, buckets int) *ledger {
	t.Helper()
	dir := t.TempDir()
	l, err := catalog.Open(t.Context(), catalog.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/warehouse", Storage: localio.Opener(localio.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	spec := catalog.TableSpec{Name: "ledger.entries", Schema: entriesSchema, Kind: catalog.Mirror, Key: []string{"entry_id"}}
	if buckets > 0 {
		spec.BucketBy, spec.Buckets, spec.SortBy = "account_id", buckets, []string{"account_id", "booked_at"}
	}
	log, err := changelog.SpecFor(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []catalog.TableSpec{spec, log, {Name: "ledger.accounts", Schema: accountsSchema, Kind: catalog.Mirror, Key: []string{"account_id"}}} {
		if err := l.EnsureTable(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return &ledger{t: t, lake: l}
}

// files writes rows as files of a table; values come by column name.
func (l *ledger) files(table string, rows int, value func(column string, i int) any) catalog.TableChange {
	l.t.Helper()
	ctx := l.t.Context()
	t, err := l.lake.Table(ctx, table)
	if err != nil {
		l.t.Fatal(err)
	}
	spec, err := t.Spec()
	if err != nil {
		l.t.Fatal(err)
	}
	l.n++
	w, err := l.lake.NewFileWriter(catalog.Target{Location: t.Location(), Spec: spec}, catalog.WriterOptions{EpochID: fmt.Sprint("e", l.n), Nonce: "n"})
	if err != nil {
		l.t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, spec.Schema)
	defer b.Release()
	for c, f := range spec.Schema.Fields() {
		for i := range rows {
			appendValue(l.t, b.Field(c), value(f.Name, i))
		}
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	if rows > 0 {
		if err := w.Write(ctx, rec); err != nil {
			l.t.Fatal(err)
		}
	}
	files, err := w.Close(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	return catalog.TableChange{Table: table, Add: files, Totals: catalog.Totals{Rows: int64(rows)}}
}

func appendValue(t testing.TB, b array.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.AppendNull()
	case int64:
		if d, ok := b.(*array.Decimal128Builder); ok {
			d.Append(decimal128.FromI64(v))
			return
		}
		b.(*array.Int64Builder).Append(v)
	case string:
		b.(*array.StringBuilder).Append(v)
	case arrow.Date32:
		b.(*array.Date32Builder).Append(v)
	case time.Time:
		b.(*array.TimestampBuilder).Append(arrow.Timestamp(v.UnixMicro()))
	default:
		t.Fatalf("no builder for %T", v)
	}
}

func (l *ledger) commit(changes ...catalog.TableChange) {
	l.t.Helper()
	l.n++
	if _, err := l.lake.Commit(l.t.Context(), catalog.Commit{Epoch: fmt.Sprint("c", l.n), Tables: changes}); err != nil {
		l.t.Fatal(err)
	}
}

// post adds entries to the ledger and to its change log, in one commit.
func (l *ledger) post(es ...entry) {
	l.t.Helper()
	at := len(l.entries)
	value := func(column string, i int) any {
		e := es[i]
		switch strings.TrimPrefix(column, changelog.BeforePrefix) {
		case "entry_id", changelog.ColOffset:
			return int64(at + i)
		case "account_id":
			return e.account
		case "amount":
			return e.cents
		case "currency":
			return e.currency
		case "booked_at":
			return e.booked
		case changelog.ColOp:
			return "c"
		case changelog.ColCommittedAt:
			return e.committed
		case changelog.ColShard:
			return "0"
		}
		return nil
	}
	l.commit(l.files("ledger.entries", len(es), value), l.files("ledger.entries_changes", len(es), value))
	l.entries = append(l.entries, es...)
}

// open adds accounts, by id and currency.
func (l *ledger) open(currencies map[int64]string) {
	l.t.Helper()
	var ids []int64
	for id := range currencies {
		ids = append(ids, id)
	}
	l.commit(l.files("ledger.accounts", len(ids), func(column string, i int) any {
		if column == "currency" {
			return currencies[ids[i]]
		}
		return ids[i]
	}))
}

func onPrism(ctx context.Context, build func(beam.Scope) error) error {
	oneAtATime.Lock() // prism shares state between the pipelines of a process
	defer oneAtATime.Unlock()
	_, err := embedded.Run(ctx, build, embedded.Options{Name: "features", Log: slog.New(slog.DiscardHandler)})
	return err
}

// run computes features and returns what the run says.
func (l *ledger) run(o features.Options) features.Report {
	l.t.Helper()
	rep, err := l.try(o)
	if err != nil {
		l.t.Fatal(err)
	}
	return rep
}

func (l *ledger) try(o features.Options) (features.Report, error) {
	o.Lake, o.Run, o.Logger = l.lake, onPrism, slog.New(slog.DiscardHandler)
	return features.Run(l.t.Context(), o)
}

// rows reads a table as texts, by account and instant; a row that is there twice fails the test.
func (l *ledger) rows(table string) map[string]string {
	l.t.Helper()
	ctx := l.t.Context()
	cut, err := l.lake.At(ctx, catalog.At{})
	if err != nil {
		l.t.Fatal(err)
	}
	plan, err := cut.PlanScan(ctx, table, catalog.ScanOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	out := map[string]string{}
	for _, sp := range plan.Splits {
		in, err := l.lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{})
		if err != nil {
			l.t.Fatal(err)
		}
		err = catalog.EachBatch(ctx, in, func(b arrow.RecordBatch) error {
			for i := range int(b.NumRows()) {
				var vs []string
				for c := range int(b.NumCols()) {
					vs = append(vs, text(b.Column(c), i))
				}
				k := vs[0] + "@" + vs[1]
				if _, twice := out[k]; twice {
					l.t.Errorf("%s: two rows of %s", table, k)
				}
				out[k] = strings.Join(vs[2:], " ")
			}
			return nil
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return out
}

func newSchema(fields ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fields, nil) }

// text is a value, decimals with all their digits.
func text(col arrow.Array, i int) string {
	if d, ok := col.(*array.Decimal128); ok && d.IsValid(i) {
		return d.Value(i).ToString(d.DataType().(*arrow.Decimal128Type).Scale)
	}
	return col.ValueStr(i)
}

// oneAtATime lets one pipeline run at a time.
var oneAtATime sync.Mutex
