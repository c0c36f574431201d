package maintenance_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	icetable "github.com/apache/iceberg-go/table"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/catalog/internal/laketest"
	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/catalog/mirror"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

const table = "ledger.accounts"

var log = changelog.Name(table)

// world is a lake that is written by one process and maintained by another, and what it should hold.
type world struct {
	t      testing.TB // the whole test
	r      *rapid.T   // the present case; nil outside of property tests
	clock  *laketest.Clock
	store  *storagetest.Memory
	ingest *catalog.Lake
	keeper *catalog.Lake
	// inside, if set, is called once while the keeper prepares its next commit.
	inside func()

	mirror    *mirror.Mirror
	opts      mirror.Options
	logTo     catalog.Target
	epochs    int64
	conflicts int // that ingest met
	model     laketest.Model
	cuts      map[int64]laketest.Model // what each cut must read as, by its number
}

func newWorld(t testing.TB, r *rapid.T, properties map[string]string) *world {
	t.Helper()
	w := &world{t: t, r: r, clock: &laketest.Clock{}, model: laketest.Model{}, cuts: map[int64]laketest.Model{}}
	cfg, store := laketest.New(t, w.clock)
	w.store = store
	w.ingest = laketest.OpenConfig(t, cfg)
	cfg.Hook = func(stage string) {
		if f := w.inside; f != nil && strings.HasPrefix(stage, "staged") {
			w.inside = nil
			f()
		}
	}
	w.keeper = laketest.OpenConfig(t, cfg)
	spec := laketest.Spec(table)
	spec.Properties = properties
	logSpec, err := changelog.SpecFor(spec)
	w.must(err)
	w.must(w.ingest.EnsureTable(context.Background(), spec))
	w.must(w.ingest.EnsureTable(context.Background(), logSpec))
	lt, err := w.ingest.Table(context.Background(), log)
	w.must(err)
	w.logTo.Location = lt.Location()
	w.logTo.Spec, err = lt.Spec()
	w.must(err)
	w.reopen()
	return w
}

func (w *world) must(err error) {
	if err == nil {
		return
	}
	if w.r != nil {
		w.r.Fatal(err)
	}
	w.t.Fatal(err)
}

func (w *world) failf(format string, args ...any) { w.must(fmt.Errorf(format, args...)) }

// reopen is a new process with a cold index.
func (w *world) reopen() {
	if w.mirror != nil {
		w.must(w.mirror.Close())
	}
	w.opts.Logger = slog.New(slog.DiscardHandler)
	var err error
	w.mirror, err = mirror.Open(context.Background(), w.ingest, table, w.opts)
	w.must(err)
}

// setMode changes the table's delete mode.
func (w *world) setMode(mode mirror.DeleteMode) {
	w.must(w.ingest.UpdateTables(context.Background(), []string{table}, func(string, icetable.Metadata) ([]icetable.Update, []icetable.Requirement, error) {
		return []icetable.Update{icetable.NewSetPropertiesUpdate(map[string]string{mirror.PropDeleteMode: string(mode)})}, nil, nil
	}))
}

const perEpoch = 1000

// write commits an epoch to log and mirror, again after a conflict. between, if set, runs before the first commit.
func (w *world) write(events []laketest.Event, between func()) {
	ctx := context.Background()
	batch := laketest.Batch("s", w.epochs*perEpoch, events...)
	defer batch.Release()
	epoch := fmt.Sprintf("e%d", w.epochs)
	at := func(n int64) change.Position { return change.Position{Next: map[string]int64{"s": n * perEpoch}} }
	for attempt := 0; ; attempt++ {
		logged, err := w.writeLog(epoch, attempt, []*source.Batch{batch})
		w.must(err)
		mirrored, err := w.mirror.Apply(ctx, epoch, []*source.Batch{batch})
		w.must(err)
		if between != nil {
			between()
			between = nil
		}
		out, err := w.ingest.Commit(ctx, catalog.Commit{Stream: "s", Epoch: epoch, From: at(w.epochs), To: at(w.epochs + 1), Tables: []catalog.TableChange{logged, mirrored}})
		if errors.Is(err, catalog.ErrConflict) && attempt < 10 {
			w.conflicts++
			w.mirror.Discard()
			continue
		}
		w.must(err)
		w.mirror.Committed(out.Snapshots[table])
		w.epochs++
		for _, e := range events {
			w.model.Apply(e)
		}
		w.cuts[out.Cut] = maps.Clone(w.model)
		return
	}
}

func (w *world) writeLog(epoch string, attempt int, batches []*source.Batch) (catalog.TableChange, error) {
	ctx := context.Background()
	fw, err := w.ingest.NewFileWriter(w.logTo, catalog.WriterOptions{EpochID: epoch, Nonce: fmt.Sprint("n", attempt)})
	if err != nil {
		return catalog.TableChange{}, err
	}
	b, err := changelog.NewBuilder(laketest.Spec(table))
	if err != nil {
		return catalog.TableChange{}, err
	}
	for _, in := range batches {
		rec, err := b.Rows(in)
		if err != nil {
			return catalog.TableChange{}, err
		}
		if err := fw.Write(ctx, rec); err != nil {
			return catalog.TableChange{}, err
		}
		rec.Release()
	}
	files, err := fw.Close(ctx)
	if err != nil {
		return catalog.TableChange{}, err
	}
	totals, err := b.Totals()
	return catalog.TableChange{Table: log, Add: files, Totals: totals}, err
}

// compact runs a compaction; its cut reads as the one before.
func (w *world) compact(name string, opts maintenance.CompactOptions) maintenance.CompactResult {
	opts.Logger = slog.New(slog.DiscardHandler)
	opts.Workers = 2
	res, err := maintenance.Compact(context.Background(), w.keeper, name, opts)
	w.must(err)
	return res
}

// check compares the table as it stands, and the log played back, with the model.
func (w *world) check() {
	w.checkTable()
	played, err := w.replay()
	w.must(err)
	if !maps.Equal(played, w.model) {
		w.failf("log played back:\n got %v\nwant %v", played, w.model)
	}
}

func (w *world) checkTable() {
	got, err := laketest.Read(context.Background(), w.ingest, table, catalog.At{})
	w.must(err)
	if !maps.Equal(got, map[int64]laketest.Row(w.model)) {
		w.failf("table:\n got %v\nwant %v", got, w.model)
	}
}

// checkCut compares one older cut with what it was, if it is still kept.
func (w *world) checkCut(n int64) {
	got, err := laketest.Read(context.Background(), w.ingest, table, catalog.At{Cut: n})
	if errors.Is(err, catalog.ErrNotFound) {
		return
	}
	w.must(err)
	if !maps.Equal(got, map[int64]laketest.Row(w.cuts[n])) {
		w.failf("cut %d:\n got %v\nwant %v", n, got, w.cuts[n])
	}
}

// replay plays the log back, in order of the offsets.
func (w *world) replay() (laketest.Model, error) {
	ctx := context.Background()
	t, err := w.ingest.Table(ctx, log)
	if err != nil {
		return nil, err
	}
	plan, err := t.PlanScan(ctx, catalog.ScanOptions{Columns: []string{"_shard", "_offset", "_op", "account_id", "branch", "balance", "currency", "note", "_before_account_id"}})
	if err != nil {
		return nil, err
	}
	type logged struct {
		offset int64
		event  laketest.Event
	}
	var all []logged
	for _, split := range plan.Splits {
		in, err := w.ingest.OpenSplit(ctx, plan.Schema, split, catalog.ReadOptions{MergeBy: plan.Layout.SortBy})
		if err != nil {
			return nil, err
		}
		err = catalog.EachBatch(ctx, in, func(rec arrow.RecordBatch) error {
			for r := range int(rec.NumRows()) {
				e := laketest.Event{Op: change.Op(rec.Column(2).(*array.String).Value(r)[0])}
				if rec.Column(3).IsValid(r) {
					e.ID = rec.Column(3).(*array.Int64).Value(r)
				}
				if rec.Column(4).IsValid(r) {
					e.Row.Branch = rec.Column(4).(*array.Int32).Value(r)
					e.Row.Cents = int64(rec.Column(5).(*array.Decimal128).Value(r).LowBits())
					e.Row.Currency = rec.Column(6).(*array.String).Value(r)
				}
				if rec.Column(7).IsValid(r) {
					e.Row.Note = rec.Column(7).(*array.String).Value(r)
				}
				if rec.Column(8).IsValid(r) {
					e.Was = rec.Column(8).(*array.Int64).Value(r)
				}
				all = append(all, logged{rec.Column(1).(*array.Int64).Value(r), e})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b logged) int { return int(a.offset - b.offset) })
	m := laketest.Model{}
	for i, l := range all {
		if i > 0 && all[i-1].offset == l.offset {
			return nil, fmt.Errorf("the log holds offset %d twice", l.offset)
		}
		m.Apply(l.event)
	}
	return m, nil
}

// collect runs a collection of garbage with short ages.
func (w *world) collect(name string) maintenance.CollectResult {
	res, err := maintenance.Collect(context.Background(), w.keeper, name, maintenance.CollectOptions{
		MinAge: time.Minute, Grace: time.Minute, Clock: w.clock.Now, Logger: slog.New(slog.DiscardHandler),
	})
	w.must(err)
	return res
}

func (w *world) expire(keep int) maintenance.ExpireResult {
	res, err := maintenance.Expire(context.Background(), w.keeper, []string{table, log}, maintenance.ExpireOptions{Keep: keep, Clock: w.clock.Now})
	w.must(err)
	return res
}
