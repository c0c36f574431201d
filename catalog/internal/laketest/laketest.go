// Package laketest has what the tests of the lake's writers share: a lake in memory, change batches made
// of short texts, and tables read back as maps.
//
// Nouns. An [Event] is a change of one account, and a [Row] what the table then holds of it. The schema is
// fixed: account_id (the key), branch (the bucket), balance (a decimal), currency and note (nullable).
package laketest

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// Clock is a clock that tests move ahead. Stores use it; the lake itself uses the true time, as Iceberg's library does.
type Clock struct{ Ahead time.Duration }

// Now is the time.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Ahead) }

// New describes an empty lake: its catalog in a temporary folder, its files in the store returned. It may be opened several times.
func New(t testing.TB, clock *Clock) (catalog.Config, *storagetest.Memory) {
	t.Helper()
	store := storagetest.NewMemory("wh", clock.Now)
	return catalog.Config{
		Catalog:   "sqlite://" + t.TempDir() + "/catalog.db",
		Warehouse: store.URL(),
		Storage:   func(context.Context, string) (storage.Store, error) { return store, nil },
		Logger:    slog.New(slog.DiscardHandler),
	}, store
}

// OpenConfig opens a lake until the test ends.
func OpenConfig(t testing.TB, cfg catalog.Config) *catalog.Lake {
	t.Helper()
	lake, err := catalog.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lake.Close(); err != nil {
			t.Error(err)
		}
	})
	return lake
}

// Open is New and OpenConfig.
func Open(t testing.TB, clock *Clock) (*catalog.Lake, *storagetest.Memory) {
	t.Helper()
	cfg, store := New(t, clock)
	return OpenConfig(t, cfg), store
}

// Schema is the accounts' schema.
func Schema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "account_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "branch", Type: arrow.PrimitiveTypes.Int32},
		{Name: "balance", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
		{Name: "currency", Type: arrow.BinaryTypes.String},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
}

// Spec is a mirror of accounts in four buckets by branch.
func Spec(name string) catalog.TableSpec {
	return catalog.TableSpec{
		Name: name, Schema: Schema(), Kind: catalog.Mirror, Key: []string{"account_id"},
		BucketBy: "branch", Buckets: 4, SortBy: []string{"branch", "account_id"},
	}
}

// Row is an account.
type Row struct {
	Branch   int32
	Cents    int64
	Currency string
	Note     string // "" is null
}

// Event is a change of an account.
type Event struct {
	Op  change.Op
	ID  int64
	Was int64 // the key before an update that changes it; 0: the same
	Row Row
	LSN int64
	At  int64 // microseconds
	// Tx is the transaction, and Order the event's number in it.
	Tx    string
	Order int64
}

// Batch makes a batch of events of one shard, the first at the given offset. Deletes carry the key only.
func Batch(shard string, offset int64, events ...Event) *source.Batch {
	b := &source.Batch{Table: "accounts", Shard: shard}
	row := array.NewRecordBuilder(memory.DefaultAllocator, loose())
	before := array.NewRecordBuilder(memory.DefaultAllocator, loose())
	defer row.Release()
	defer before.Release()
	for i, e := range events {
		b.Ops = append(b.Ops, e.Op)
		b.Offset = append(b.Offset, offset+int64(i))
		b.CommittedAt = append(b.CommittedAt, e.At)
		b.LSN = append(b.LSN, e.LSN)
		b.Tx = append(b.Tx, e.Tx)
		b.TxOrder = append(b.TxOrder, e.Order)
		appendEvent(row, e)
		if e.Was != 0 {
			before.Field(0).(*array.Int64Builder).Append(e.Was)
		} else {
			before.Field(0).AppendNull()
		}
		for _, f := range before.Fields()[1:] {
			f.AppendNull()
		}
	}
	b.Row = row.NewRecordBatch()
	b.Before = before.NewRecordBatch()
	return b
}

// loose is the schema with every column nullable, as sources send it.
func loose() *arrow.Schema {
	fields := Schema().Fields()
	for i := range fields {
		fields[i].Nullable = true
	}
	return arrow.NewSchema(fields, nil)
}

func appendEvent(b *array.RecordBuilder, e Event) {
	if e.Op == change.Truncate {
		for _, f := range b.Fields() {
			f.AppendNull()
		}
		return
	}
	b.Field(0).(*array.Int64Builder).Append(e.ID)
	if e.Op == change.Delete {
		for _, f := range b.Fields()[1:] {
			f.AppendNull()
		}
		return
	}
	b.Field(1).(*array.Int32Builder).Append(e.Row.Branch)
	b.Field(2).(*array.Decimal128Builder).Append(decimal128.FromI64(e.Row.Cents))
	b.Field(3).(*array.StringBuilder).Append(e.Row.Currency)
	if e.Row.Note == "" {
		b.Field(4).AppendNull()
	} else {
		b.Field(4).(*array.StringBuilder).Append(e.Row.Note)
	}
}

// RandomEvents draws a run of events over few accounts, so that they meet.
func RandomEvents(t *rapid.T, most int) []Event {
	key := rapid.Int64Range(1, 40)
	out := make([]Event, rapid.IntRange(0, most).Draw(t, "events"))
	for i := range out {
		e := Event{ID: key.Draw(t, "key"), LSN: 0}
		e.Row = Row{
			Branch: rapid.Int32Range(0, 7).Draw(t, "branch"), Cents: rapid.Int64Range(-99, 99).Draw(t, "cents"),
			Currency: "EUR", Note: rapid.SampledFrom([]string{"", "x", "longer note"}).Draw(t, "note"),
		}
		switch op := rapid.IntRange(0, 40).Draw(t, "op"); {
		case op == 0:
			e.Op = change.Truncate
		case op < 10:
			e.Op = change.Delete
		case op < 14:
			e.Op, e.Was = change.Update, key.Draw(t, "was")
		case op < 25:
			e.Op = change.Update
		case op < 27:
			e.Op = change.Read
		default:
			e.Op = change.Create
		}
		out[i] = e
	}
	return out
}

// Read reads a table back at a cut, through the lake's own scan. Two rows of one key are an error.
func Read(ctx context.Context, lake *catalog.Lake, name string, at catalog.At) (map[int64]Row, error) {
	cut, err := lake.At(ctx, at)
	if err != nil {
		return nil, err
	}
	plan, err := cut.PlanScan(ctx, name, catalog.ScanOptions{Columns: []string{"account_id", "branch", "balance", "currency", "note"}})
	if err != nil {
		return nil, err
	}
	out := map[int64]Row{}
	for _, split := range plan.Splits {
		in, err := lake.OpenSplit(ctx, plan.Schema, split, catalog.ReadOptions{MergeBy: plan.Layout.SortBy})
		if err != nil {
			return nil, err
		}
		if err := catalog.EachBatch(ctx, in, func(rec arrow.RecordBatch) error { return addRows(out, rec) }); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func addRows(out map[int64]Row, rec arrow.RecordBatch) error {
	ids := rec.Column(0).(*array.Int64)
	branch := rec.Column(1).(*array.Int32)
	balance := rec.Column(2).(*array.Decimal128)
	currency := rec.Column(3).(*array.String)
	note := rec.Column(4).(*array.String)
	for r := range int(rec.NumRows()) {
		id := ids.Value(r)
		if _, twice := out[id]; twice {
			return fmt.Errorf("account %d has two rows", id)
		}
		row := Row{Branch: branch.Value(r), Cents: int64(balance.Value(r).LowBits()), Currency: currency.Value(r)}
		if note.IsValid(r) {
			row.Note = note.Value(r)
		}
		out[id] = row
	}
	return nil
}

// Model is a table as a map, and what events do to it.
type Model map[int64]Row

// Apply plays one event.
func (m Model) Apply(e Event) {
	switch e.Op {
	case change.Truncate:
		clear(m)
	case change.Delete:
		delete(m, e.ID)
	default:
		if e.Op == change.Update && e.Was != 0 && e.Was != e.ID {
			delete(m, e.Was)
		}
		m[e.ID] = e.Row
	}
}
