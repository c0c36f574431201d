package maintenance_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/laketest"
	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/catalog/mirror"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
)

func row(branch int32, cents int64) laketest.Row {
	return laketest.Row{Branch: branch, Cents: cents, Currency: "EUR"}
}

func create(id int64, r laketest.Row) laketest.Event {
	return laketest.Event{Op: change.Create, ID: id, Row: r}
}

func update(id int64, r laketest.Row) laketest.Event {
	return laketest.Event{Op: change.Update, ID: id, Row: r}
}

// files counts the table's data and delete files.
func (w *world) files(name string) (data, deletes int) {
	t, err := w.ingest.Table(context.Background(), name)
	w.must(err)
	files, err := t.Files(context.Background())
	w.must(err)
	for _, f := range files {
		if f.Content == catalog.Rows {
			data++
		} else {
			deletes++
		}
	}
	return data, deletes
}

// positions is a world whose table always deletes by position, with n accounts opened one an epoch in one bucket.
func positions(t *testing.T, n int64) *world {
	t.Helper()
	w := newWorld(t, nil, map[string]string{mirror.PropDeleteMode: string(mirror.Position)})
	for i := range n {
		w.write([]laketest.Event{create(i+1, row(1, i)), create(100+i, row(1, i))}, nil)
	}
	return w
}

func TestCompactionFoldsDeletesAway(t *testing.T) {
	t.Parallel()
	w := positions(t, 5)
	w.write([]laketest.Event{update(1, row(1, 50)), {Op: change.Delete, ID: 2}}, nil)
	res := w.compact(table, maintenance.CompactOptions{})
	if data, deletes := w.files(table); data != 1 || deletes != 0 {
		t.Errorf("%d data files and %d delete files are left", data, deletes)
	}
	if res.FilesIn != 6 || res.FilesOut != 1 || res.DeletedRows != 2 || res.Rows != 9 || res.DeleteFiles != 1 || res.Commits != 1 {
		t.Errorf("result: %+v", res)
	}
	w.check()
	if again := w.compact(table, maintenance.CompactOptions{}); again.Commits != 0 {
		t.Errorf("a second compaction found work: %+v", again)
	}
	before := w.mirror.Stats()
	w.write([]laketest.Event{update(1, row(1, 51)), update(3, row(2, 52))}, nil)
	w.check()
	if s := w.mirror.Stats(); s.Rebuilds != before.Rebuilds || s.Refreshes != before.Refreshes+1 {
		t.Errorf("after a compaction the index catches up, it is not built from nothing: %+v", s)
	}
}

func TestACompactionCarriesLateDeletesOver(t *testing.T) {
	t.Parallel()
	w := positions(t, 5)
	w.write([]laketest.Event{create(50, row(1, 1)), create(51, row(1, 1)), create(52, row(1, 1)), create(53, row(1, 1))}, nil)
	w.write([]laketest.Event{{Op: change.Delete, ID: 3}, {Op: change.Delete, ID: 51}}, nil)
	w.inside = func() { // also in a file that had deleted rows before
		w.write([]laketest.Event{update(1, row(1, 77)), {Op: change.Delete, ID: 52}, {Op: change.Delete, ID: 2}}, nil)
	}
	res := w.compact(table, maintenance.CompactOptions{Full: true})
	if res.LateDeletes != 3 || res.Conflicts < 1 || res.Redone != 0 {
		t.Errorf("result: %+v", res)
	}
	w.check()
	w.write([]laketest.Event{update(1, row(1, 78)), update(4, row(1, 79))}, nil)
	w.check()
}

func TestACompactionRedoesWhatOthersRewrote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, map[string]string{mirror.PropDeleteMode: string(mirror.CopyOnWrite)})
	for i := range int64(5) {
		w.write([]laketest.Event{create(i+1, row(1, i)), create(100+i, row(2, i))}, nil)
	}
	w.inside = func() { w.write([]laketest.Event{update(1, row(1, 77))}, nil) }
	res := w.compact(table, maintenance.CompactOptions{Full: true})
	if res.Redone == 0 {
		t.Errorf("result: %+v", res)
	}
	w.check()
}

func TestIngestThatMeetsACompactionCatchesUp(t *testing.T) {
	t.Parallel()
	w := positions(t, 6)
	w.write([]laketest.Event{update(1, row(1, 60)), {Op: change.Delete, ID: 102}}, func() {
		if res := w.compact(table, maintenance.CompactOptions{}); res.Commits == 0 {
			t.Error("the compaction found nothing to do")
		}
	})
	w.check()
	if s := w.mirror.Stats(); s.Refreshes != 1 || s.Rebuilds != 1 {
		t.Errorf("mirror: %+v", s)
	}
}

// TestIngestNoticesACompactionThatItDidNotMeet compacts one bucket while ingest writes to another: both
// commits succeed, and the index must still learn where the rows of the first bucket are.
func TestIngestNoticesACompactionThatItDidNotMeet(t *testing.T) {
	t.Parallel()
	w := positions(t, 6)
	other := otherBranch(t)
	w.write([]laketest.Event{create(500, row(other, 1))}, nil)
	w.write([]laketest.Event{update(500, row(other, 2))}, func() { w.compact(table, maintenance.CompactOptions{}) })
	w.check()
	if w.conflicts != 0 {
		t.Fatal("the two commits conflict; the test is about two that do not")
	}
	w.write([]laketest.Event{update(1, row(1, 61))}, nil)
	w.check()
	if s := w.mirror.Stats(); s.Refreshes != 1 {
		t.Errorf("mirror: %+v", s)
	}
}

// otherBranch is a branch whose bucket is not branch 1's.
func otherBranch(t *testing.T) int32 {
	for b := int32(2); ; b++ {
		batch := laketest.Batch("x", 0, create(1, row(1, 1)), create(2, row(b, 1)))
		buckets, err := catalog.BucketRows(nil, batch.Row.Column(1), 4)
		batch.Release()
		if err != nil {
			t.Fatal(err)
		}
		if buckets[0] != buckets[1] {
			return b
		}
	}
}

// TestIngestNoticesWhatOthersDelete lets another process delete a row by position and drop a whole file.
func TestIngestNoticesWhatOthersDelete(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := positions(t, 3)
	lt, err := w.ingest.Table(ctx, table)
	w.must(err)
	files, err := lt.Files(ctx)
	w.must(err)
	d, err := w.ingest.WritePositionDeletes(ctx, lt.Location()+"/data/other.parquet", files[0].Bucket, catalog.RowDeletes{files[0].Path: {0}})
	w.must(err)
	_, err = w.keeper.Commit(ctx, catalog.Commit{Epoch: "other", Tables: []catalog.TableChange{{Table: table, Add: []catalog.DataFile{d}, Remove: []string{files[1].Path}, Based: lt.Snapshot()}}})
	w.must(err)
	left, err := laketest.Read(ctx, w.ingest, table, catalog.At{})
	w.must(err)
	if len(left) != 3 {
		t.Fatalf("%d rows are left, not 3", len(left))
	}
	for id := range w.model {
		if _, ok := left[id]; !ok {
			delete(w.model, id)
		}
	}
	for i := range int64(3) { // updates of absent keys insert them again
		w.write([]laketest.Event{update(i+1, row(1, 70+i)), update(100+i, row(1, 80+i))}, nil)
	}
	got, err := laketest.Read(ctx, w.ingest, table, catalog.At{})
	w.must(err)
	if !maps.Equal(got, map[int64]laketest.Row(w.model)) {
		t.Fatalf("got %v, want %v", got, w.model)
	}
}

// TestNeitherStarves lets every attempt of the compaction meet another epoch on the same files, for a while.
func TestNeitherStarves(t *testing.T) {
	t.Parallel()
	w := positions(t, 6)
	met := 0
	var meet func()
	meet = func() {
		w.write([]laketest.Event{update(int64(met%6+1), row(1, int64(met)))}, nil)
		if met++; met < 10 {
			w.inside = meet
		}
	}
	w.inside = meet
	res := w.compact(table, maintenance.CompactOptions{Full: true})
	if met != 10 || res.Commits == 0 {
		t.Errorf("met %d epochs; %+v", met, res)
	}
	w.check()
}

func TestDeleteFilesAreFolded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, map[string]string{mirror.PropDeleteMode: string(mirror.Position)})
	var many []laketest.Event
	for i := range int64(200) {
		many = append(many, create(i+1, row(1, i)))
	}
	w.write(many, nil)
	for i := range int64(6) {
		w.write([]laketest.Event{{Op: change.Delete, ID: i + 1}}, nil)
	}
	res := w.compact(table, maintenance.CompactOptions{TargetBytes: 1})
	if data, deletes := w.files(table); data != 1 || deletes != 1 || res.FilesIn != 0 || res.DeleteFiles != 6 || res.FoldedInto != 1 {
		t.Errorf("%d data files, %d delete files; %+v", data, deletes, res)
	}
	w.check()
}

func TestCompactionKeepsTheOrderAndTheTargetSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	for e := range int64(6) {
		var es []laketest.Event
		for i := range int64(500) {
			es = append(es, create(e+i*7+1, row(int32(i%8), i)))
		}
		w.write(es, nil)
	}
	w.compact(table, maintenance.CompactOptions{Full: true, TargetBytes: 700, FanIn: 3})
	lt, err := w.ingest.Table(context.Background(), table)
	w.must(err)
	plan, err := lt.PlanScan(context.Background(), catalog.ScanOptions{WholeBuckets: true})
	w.must(err)
	if fmt.Sprint(plan.Layout.SortBy) != "[branch account_id]" || len(plan.Splits) != 4 {
		t.Fatalf("layout %+v with %d splits", plan.Layout, len(plan.Splits))
	}
	for _, s := range plan.Splits {
		if len(s.Files) < 2 {
			t.Errorf("bucket %d has %d files; the target size asks for more", s.Bucket, len(s.Files))
		}
		in, err := w.ingest.OpenSplit(context.Background(), plan.Schema, s, catalog.ReadOptions{MergeBy: plan.Layout.SortBy})
		w.must(err)
		w.must(catalog.EachBatch(context.Background(), in, func(arrow.RecordBatch) error { return nil })) // it checks the order
	}
	w.check()
}

func TestUnsortedFilesAreSorted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	w.write([]laketest.Event{create(1, row(1, 1)), create(5, row(1, 2))}, nil)
	// Another engine adds files that say nothing of an order.
	lt, err := w.ingest.Table(context.Background(), table)
	w.must(err)
	spec, err := lt.Spec()
	w.must(err)
	buckets, err := catalog.BucketRows(nil, laketest.Batch("x", 0, create(9, row(1, 1))).Row.Column(1), 4)
	w.must(err)
	for i := range int64(4) {
		b := laketest.Batch("x", 0, create(30-i, row(1, 3)), create(20-i, row(1, 4)))
		f, err := w.ingest.WriteFile(context.Background(), fmt.Sprintf("%s/data/other-%d.parquet", lt.Location(), i), spec.Schema,
			func(yield func(arrow.RecordBatch, error) bool) { yield(b.Row, nil) }, catalog.FileOptions{Bucketed: true, Bucket: int(buckets[0])})
		w.must(err)
		_, err = w.ingest.Commit(context.Background(), catalog.Commit{Epoch: fmt.Sprint("other", i), Tables: []catalog.TableChange{{Table: table, Add: []catalog.DataFile{f}}}})
		w.must(err)
		w.model[30-i], w.model[20-i] = row(1, 3), row(1, 4)
	}
	w.compact(table, maintenance.CompactOptions{Full: true})
	lt, err = w.ingest.Table(context.Background(), table)
	w.must(err)
	plan, err := lt.PlanScan(context.Background(), catalog.ScanOptions{})
	w.must(err)
	if len(plan.Layout.SortBy) == 0 {
		t.Error("after the compaction some file is still unsorted")
	}
	got, err := laketest.Read(context.Background(), w.ingest, table, catalog.At{})
	w.must(err)
	if len(got) != len(w.model) {
		t.Errorf("%d rows, want %d", len(got), len(w.model))
	}
	w.write([]laketest.Event{update(30, row(2, 9))}, nil)
	got, err = laketest.Read(context.Background(), w.ingest, table, catalog.At{})
	w.must(err)
	if got[30] != row(2, 9) {
		t.Errorf("the mirror did not find a row that another engine wrote: %v", got[30])
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, nil)
	ctx := context.Background()
	for _, o := range []maintenance.CompactOptions{{FanIn: 1}, {FanIn: 1000}, {DeletedRatio: 2}, {Workers: -1}, {TargetBytes: -1}} {
		if _, err := maintenance.Compact(ctx, w.keeper, table, o); fault.Of(err) != fault.Usage {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := maintenance.Expire(ctx, w.keeper, []string{table}, maintenance.ExpireOptions{Keep: -1}); fault.Of(err) != fault.Usage {
		t.Error(err)
	}
	if _, err := maintenance.Collect(ctx, w.keeper, table, maintenance.CollectOptions{MinAge: -time.Hour}); fault.Of(err) != fault.Usage {
		t.Error(err)
	}
	if _, err := maintenance.Compact(ctx, w.keeper, "ledger.nothing", maintenance.CompactOptions{}); err == nil || !strings.Contains(err.Error(), "ledger.nothing") {
		t.Error(err)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	w := positions(t, 5)
	w.write([]laketest.Event{update(1, row(1, 50)), {Op: change.Delete, ID: 2}}, nil)
	before := w.cuts
	res := w.compact(table, maintenance.CompactOptions{DryRun: true})
	if res.FilesIn != 6 || res.DeletedRows != 2 || res.Rows != 9 || res.DeleteFiles != 1 || res.Commits != 0 || res.FilesOut != 0 {
		t.Errorf("dry run: %+v", res)
	}
	exp, err := maintenance.Expire(context.Background(), w.keeper, []string{table}, maintenance.ExpireOptions{Keep: 1, DryRun: true})
	w.must(err)
	if exp.Snapshots[table] == 0 {
		t.Errorf("dry run: %+v", exp)
	}
	if data, deletes := w.files(table); data != 6 || deletes != 1 {
		t.Errorf("%d data files and %d delete files are left", data, deletes)
	}
	for n := range before {
		w.checkCut(n)
		if _, err := w.ingest.At(context.Background(), catalog.At{Cut: n}); err != nil {
			t.Error(err)
		}
	}
	if done := w.compact(table, maintenance.CompactOptions{}); done.FilesIn != res.FilesIn || done.DeletedRows != res.DeletedRows || done.Rows != res.Rows {
		t.Errorf("foretold %+v, done %+v", res, done)
	}
}
