package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/laketest"
	"github.com/millrace/millrace/catalog/mirror"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
)

const table = "ledger.accounts"

// bench is a mirror with its lake and the stream's place.
type bench struct {
	t      testing.TB
	lake   *catalog.Lake
	mirror *mirror.Mirror
	opts   mirror.Options
	offset int64
	epoch  int64
}

func newBench(t testing.TB, properties map[string]string, opts mirror.Options) *bench {
	t.Helper()
	lake, _ := laketest.Open(t, &laketest.Clock{})
	spec := laketest.Spec(table)
	spec.Properties = properties
	if err := lake.EnsureTable(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	opts.Logger = slog.New(slog.DiscardHandler)
	b := &bench{t: t, lake: lake, opts: opts}
	b.reopen()
	return b
}

func (b *bench) reopen() {
	b.t.Helper()
	if b.mirror != nil {
		if err := b.mirror.Close(); err != nil {
			b.t.Fatal(err)
		}
	}
	var err error
	if b.mirror, err = mirror.Open(context.Background(), b.lake, table, b.opts); err != nil {
		b.t.Fatal(err)
	}
}

// apply applies one epoch of batches; commit says whether it also commits it.
func (b *bench) apply(batches ...*source.Batch) (catalog.TableChange, error) {
	b.epoch++
	return b.mirror.Apply(context.Background(), fmt.Sprintf("e%d", b.epoch), batches)
}

func (b *bench) commit(ch catalog.TableChange) {
	b.t.Helper()
	at := func(n int64) change.Position { return change.Position{Next: map[string]int64{"s": n}} }
	out, err := b.lake.Commit(context.Background(), catalog.Commit{
		Stream: "s", Epoch: fmt.Sprintf("e%d", b.epoch), From: at(b.offset), To: at(b.offset + 1), Tables: []catalog.TableChange{ch},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.offset++
	b.mirror.Committed(out.Snapshots[table])
}

// run applies and commits an epoch of one shard.
func (b *bench) run(events ...laketest.Event) catalog.TableChange {
	b.t.Helper()
	batch := laketest.Batch("s", b.epoch*1000, events...)
	defer batch.Release()
	ch, err := b.apply(batch)
	if err != nil {
		b.t.Fatal(err)
	}
	b.commit(ch)
	return ch
}

func (b *bench) want(model map[int64]laketest.Row) {
	b.t.Helper()
	got, err := laketest.Read(context.Background(), b.lake, table, catalog.At{})
	if err != nil {
		b.t.Fatal(err)
	}
	if !maps.Equal(got, model) {
		b.t.Fatalf("table:\n got %v\nwant %v", got, model)
	}
}

func row(branch int32, cents int64) laketest.Row {
	return laketest.Row{Branch: branch, Cents: cents, Currency: "EUR"}
}

func create(id int64, r laketest.Row) laketest.Event {
	return laketest.Event{Op: change.Create, ID: id, Row: r}
}

func update(id int64, r laketest.Row) laketest.Event {
	return laketest.Event{Op: change.Update, ID: id, Row: r}
}

func remove(id int64) laketest.Event { return laketest.Event{Op: change.Delete, ID: id} }

// TestEpochs tells what sequences of epochs leave in the table and in the totals.
func TestEpochs(t *testing.T) {
	t.Parallel()
	type epoch []laketest.Event
	for _, tc := range []struct {
		name   string
		epochs []epoch
		want   map[int64]laketest.Row
		totals string // of the last epoch: events inserts updates deletes
		notes  map[string]string
	}{
		{"an account is opened", []epoch{{create(1, row(1, 10))}}, map[int64]laketest.Row{1: row(1, 10)}, "1 1 0 0", nil},
		{"its balance changes", []epoch{{create(1, row(1, 10))}, {update(1, row(1, 20))}}, map[int64]laketest.Row{1: row(1, 20)}, "1 0 1 0", nil},
		{"it moves to another branch, and so to another bucket", []epoch{{create(1, row(1, 10))}, {update(1, row(2, 10))}}, map[int64]laketest.Row{1: row(2, 10)}, "1 0 1 0", nil},
		{"many changes fold into one", []epoch{{create(1, row(1, 1)), update(1, row(1, 2)), update(1, row(3, 3))}}, map[int64]laketest.Row{1: row(3, 3)}, "3 1 0 0", nil},
		{"opened and closed within an epoch is nothing", []epoch{{create(1, row(1, 1)), remove(1)}}, map[int64]laketest.Row{}, "2 0 0 0", nil},
		{"closed", []epoch{{create(1, row(1, 1)), create(2, row(1, 2))}, {remove(1)}}, map[int64]laketest.Row{2: row(1, 2)}, "1 0 0 1", nil},
		{"the last row goes", []epoch{{create(1, row(1, 1))}, {remove(1)}}, map[int64]laketest.Row{}, "1 0 0 1", nil},
		{"closed and opened again is an update", []epoch{{create(1, row(1, 1))}, {remove(1), create(1, row(1, 2))}}, map[int64]laketest.Row{1: row(1, 2)}, "2 0 1 0", nil},
		{"an update of an absent account inserts it", []epoch{{update(1, row(1, 1))}}, map[int64]laketest.Row{1: row(1, 1)}, "1 1 0 0", map[string]string{mirror.SummaryUpserts: "1"}},
		{"a delete of an absent account does nothing", []epoch{{remove(1)}}, map[int64]laketest.Row{}, "1 0 0 0", map[string]string{mirror.SummaryAbsentDeletes: "1"}},
		{"an account that is opened twice has one row", []epoch{{create(1, row(1, 1))}, {create(1, row(1, 2))}}, map[int64]laketest.Row{1: row(1, 2)}, "1 0 1 0", map[string]string{mirror.SummaryDuplicates: "1"}},
		{"a key changes", []epoch{{create(1, row(1, 1))}, {{Op: change.Update, ID: 2, Was: 1, Row: row(1, 1)}}}, map[int64]laketest.Row{2: row(1, 1)}, "1 1 0 1", map[string]string{mirror.SummaryUpserts: "1"}},
		{"two keys swap", []epoch{{create(1, row(1, 1)), create(2, row(2, 2))}, {
			{Op: change.Update, ID: 9, Was: 1, Row: row(1, 1)}, {Op: change.Update, ID: 1, Was: 2, Row: row(2, 2)}, {Op: change.Update, ID: 2, Was: 9, Row: row(1, 1)},
		}}, map[int64]laketest.Row{1: row(2, 2), 2: row(1, 1)}, "3 0 2 0", nil},
		{"truncated", []epoch{{create(1, row(1, 1))}, {create(2, row(1, 2)), {Op: change.Truncate}, create(3, row(1, 3))}}, map[int64]laketest.Row{3: row(1, 3)}, "3 1 0 1", nil},
		{"truncated and nothing follows", []epoch{{create(1, row(1, 1))}, {{Op: change.Truncate}}}, map[int64]laketest.Row{}, "1 0 0 1", nil},
		{"life goes on after a truncation", []epoch{{create(1, row(1, 1))}, {{Op: change.Truncate}}, {create(1, row(1, 5))}, {update(1, row(2, 6))}}, map[int64]laketest.Row{1: row(2, 6)}, "1 0 1 0", nil},
		{"an epoch with no events of the table", []epoch{{create(1, row(1, 1))}, {}}, map[int64]laketest.Row{1: row(1, 1)}, "0 0 0 0", nil},
	} {
		for _, mode := range []mirror.DeleteMode{mirror.Auto, mirror.Position, mirror.CopyOnWrite} {
			t.Run(tc.name+"/"+string(mode), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, map[string]string{mirror.PropDeleteMode: string(mode)}, mirror.Options{})
				var ch catalog.TableChange
				for _, e := range tc.epochs {
					ch = b.run(e...)
				}
				b.want(tc.want)
				n := ch.Totals
				if got := fmt.Sprint(n.Rows, n.Inserts, n.Updates, n.Deletes); got != tc.totals {
					t.Errorf("totals: got %s, want %s", got, tc.totals)
				}
				if !maps.Equal(ch.Summary, tc.notes) {
					t.Errorf("summary: got %v, want %v", ch.Summary, tc.notes)
				}
				if mode == mirror.CopyOnWrite && b.mirror.Stats().DeleteFiles > 0 {
					t.Error("copy-on-write left delete files")
				}
			})
		}
	}
}

func TestAnAppendOnlyTableRefusesChanges(t *testing.T) {
	t.Parallel()
	b := newBench(t, map[string]string{mirror.PropAppendOnly: "true"}, mirror.Options{})
	b.run(create(1, row(1, 1)), create(2, row(2, 2)))
	b.run(create(3, row(3, 3)))
	if s := b.mirror.Stats(); s.Keys != 0 {
		t.Errorf("an append-only table has an index of %d keys", s.Keys)
	}
	for _, e := range []laketest.Event{update(1, row(1, 2)), remove(1)} {
		batch := laketest.Batch("s", 9000, e)
		if _, err := b.apply(batch); fault.Of(err) != fault.Usage {
			t.Errorf("%v: %v is not a usage error", e.Op, err)
		}
		batch.Release()
	}
	b.want(map[int64]laketest.Row{1: row(1, 1), 2: row(2, 2), 3: row(3, 3)})
	ch := b.run(create(4, row(1, 1)), laketest.Event{Op: change.Truncate}, create(5, row(1, 1)))
	b.want(map[int64]laketest.Row{5: row(1, 1)})
	if ch.Totals.Deletes != 3 || ch.Totals.Inserts != 1 {
		t.Errorf("totals of the truncation: %+v", ch.Totals)
	}
}

func TestADiscardedEpochChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, mirror.Options{})
	b.run(create(1, row(1, 1)), create(2, row(1, 2)))
	again := laketest.Batch("s", 5000, update(1, row(2, 9)), remove(2), create(3, row(3, 3)))
	defer again.Release()
	for range 3 {
		if _, err := b.apply(again); err != nil {
			t.Fatal(err)
		}
		if _, err := b.apply(again); err == nil {
			t.Fatal("a second epoch was applied while the first was open")
		}
		b.mirror.Discard()
	}
	b.want(map[int64]laketest.Row{1: row(1, 1), 2: row(1, 2)})
	ch, err := b.apply(again)
	if err != nil {
		t.Fatal(err)
	}
	b.commit(ch)
	b.want(map[int64]laketest.Row{1: row(2, 9), 3: row(3, 3)})
	if s := b.mirror.Stats(); s.Rebuilds != 1 || s.Refreshes != 0 {
		t.Errorf("discarding needs no new index: %+v", s)
	}
}

// TestShardsAreOrderedByLogPosition lets one key's events come from two shards.
func TestShardsAreOrderedByLogPosition(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, mirror.Options{})
	early := laketest.Batch("a", 100, laketest.Event{Op: change.Create, ID: 1, Row: row(1, 1), LSN: 10}, laketest.Event{Op: change.Update, ID: 1, Row: row(1, 3), LSN: 30})
	late := laketest.Batch("b", 5, laketest.Event{Op: change.Update, ID: 1, Row: row(1, 2), LSN: 20}, laketest.Event{Op: change.Create, ID: 2, Row: row(1, 7), LSN: 40})
	defer early.Release()
	defer late.Release()
	ch, err := b.apply(late, early)
	if err != nil {
		t.Fatal(err)
	}
	b.commit(ch)
	b.want(map[int64]laketest.Row{1: row(1, 3), 2: row(1, 7)})
}

// TestWritingOutOfOrder: a producer wrote a batch before the one that it failed to write. The log's order counts, unless the log started again.
func TestWritingOutOfOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, mirror.Options{})
	batch := laketest.Batch("a", 0,
		// by number in a transaction
		laketest.Event{Op: change.Update, ID: 1, Row: row(1, 2), At: 5, Tx: "t", Order: 2}, laketest.Event{Op: change.Create, ID: 1, Row: row(1, 1), At: 5, Tx: "t", Order: 1},
		// by position in the log
		laketest.Event{Op: change.Update, ID: 2, Row: row(1, 2), At: 6, LSN: 20, Tx: "v", Order: 1}, laketest.Event{Op: change.Create, ID: 2, Row: row(1, 1), At: 5, LSN: 10, Tx: "u", Order: 7},
		// a restored server
		laketest.Event{Op: change.Create, ID: 3, Row: row(1, 1), At: 5, LSN: 20}, laketest.Event{Op: change.Update, ID: 3, Row: row(1, 2), At: 6, LSN: 10},
		// nothing known
		laketest.Event{Op: change.Create, ID: 4, Row: row(1, 1)}, laketest.Event{Op: change.Update, ID: 4, Row: row(1, 2)})
	defer batch.Release()
	ch, err := b.apply(batch)
	if err != nil {
		t.Fatal(err)
	}
	b.commit(ch)
	b.want(map[int64]laketest.Row{1: row(1, 2), 2: row(1, 2), 3: row(1, 2), 4: row(1, 2)})
}

func TestEventsOutOfOrderAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, mirror.Options{})
	one, two := laketest.Batch("a", 0, create(1, row(1, 1)), create(2, row(1, 1)), create(5, row(1, 1))), laketest.Batch("a", 1, create(3, row(1, 1)))
	defer one.Release()
	defer two.Release()
	if _, err := b.apply(one, two); err == nil {
		t.Fatal("batches that overlap were taken")
	}
	b.run(create(4, row(1, 1)))
	b.want(map[int64]laketest.Row{4: row(1, 1)})
}

func TestAKeyMustNotBeNull(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, mirror.Options{})
	batch := laketest.Batch("a", 1, create(1, row(1, 1)))
	defer batch.Release()
	batch.Row.Release()
	batch.Row = laketest.Batch("a", 1, laketest.Event{Op: change.Truncate}).Row // all nulls
	if _, err := b.apply(batch); fault.Of(err) != fault.Usage {
		t.Fatalf("%v is not a usage error", err)
	}
}

func TestBadPropertiesAreNamed(t *testing.T) {
	t.Parallel()
	for k, v := range map[string]string{mirror.PropDeleteMode: "sometimes", mirror.PropAppendOnly: "perhaps", "millrace.control": "note by moon"} {
		lake, _ := laketest.Open(t, &laketest.Clock{})
		spec := laketest.Spec(table)
		spec.Properties = map[string]string{k: v}
		if err := lake.EnsureTable(context.Background(), spec); err != nil {
			t.Fatal(err)
		}
		if _, err := mirror.Open(context.Background(), lake, table, mirror.Options{}); fault.Of(err) != fault.Usage {
			t.Errorf("%s=%s: %v is not a usage error", k, v, err)
		}
	}
}

func TestAnUnknownTableIsNotFound(t *testing.T) {
	t.Parallel()
	lake, _ := laketest.Open(t, &laketest.Clock{})
	if _, err := mirror.Open(context.Background(), lake, "ledger.nothing", mirror.Options{}); !errors.Is(err, catalog.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

// TestAutoModeChoosesByCost follows one large file: few changed rows are deleted by position, in one delete file
// however many epochs there are, and once most of it has changed it is rewritten.
func TestAutoModeChoosesByCost(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, mirror.Options{})
	const n = 20_000
	model := map[int64]laketest.Row{}
	var es []laketest.Event
	for i := range int64(n) {
		es = append(es, create(i+1, row(1, i)))
	}
	play := func(es []laketest.Event) {
		t.Helper()
		batch := laketest.Batch("s", b.epoch*100_000, es...)
		defer batch.Release()
		ch, err := b.apply(batch)
		if err != nil {
			t.Fatal(err)
		}
		b.commit(ch)
		for _, e := range es {
			laketest.Model(model).Apply(e)
		}
		b.want(model)
	}
	play(es)
	for e := range int64(3) {
		play([]laketest.Event{update(10*e+1, row(1, -1)), remove(10*e + 2)})
		if s := b.mirror.Stats(); s.DeleteFiles != 1 || s.DeletedRows != 2*(e+1) || s.RewrittenRows > 3 {
			t.Fatalf("after %d small epochs: %+v", e+1, s)
		}
	}
	b.reopen()
	es = es[:0]
	for i := range int64(n * 3 / 4) {
		es = append(es, update(i+1, row(1, 7)))
	}
	play(es)
	if s := b.mirror.Stats(); s.DeleteFiles != 0 || s.DeletedRows != 0 || s.RewrittenRows < n/4 {
		t.Fatalf("after a large epoch: %+v", s)
	}
}

// TestMirrorIsTheModel plays random epochs, with indexes that spill, and now and then a new process.
func TestMirrorIsTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		mode := rapid.SampledFrom([]mirror.DeleteMode{mirror.Auto, mirror.Position, mirror.CopyOnWrite}).Draw(rt, "mode")
		b := newBench(t, map[string]string{mirror.PropDeleteMode: string(mode)}, mirror.Options{MemoryBudget: rapid.SampledFrom([]int64{1, 0}).Draw(rt, "memory"), Dir: t.TempDir()})
		model := laketest.Model{}
		for range rapid.IntRange(1, 5).Draw(rt, "epochs") {
			if rapid.IntRange(0, 5).Draw(rt, "reopen") == 0 {
				b.reopen()
			}
			events := laketest.RandomEvents(rt, 30)
			for _, e := range events {
				model.Apply(e)
			}
			b.run(events...)
			got, err := laketest.Read(context.Background(), b.lake, table, catalog.At{})
			if err != nil {
				rt.Fatal(err)
			}
			if !maps.Equal(got, map[int64]laketest.Row(model)) {
				rt.Fatalf("table:\n got %v\nwant %v", got, model)
			}
		}
	})
}
