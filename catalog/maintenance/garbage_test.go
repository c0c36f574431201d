package maintenance_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/laketest"
	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/sdk/storage"
)

func (w *world) put(name string) {
	w.must(w.store.Put(context.Background(), name, []byte("x"), storage.PutOptions{}))
}

func (w *world) has(name string) bool {
	_, err := w.store.Stat(context.Background(), name)
	return err == nil
}

// folder is the table's place in the store.
func (w *world) folder(name string) string {
	t, err := w.ingest.Table(context.Background(), name)
	w.must(err)
	_, prefix, err := w.ingest.Storage(context.Background(), t.Location())
	w.must(err)
	return prefix
}

func TestGarbageIsDeletedAtTheSecondSight(t *testing.T) {
	t.Parallel()
	w := positions(t, 3)
	dir := w.folder(table)
	orphan, foreign := dir+"/data/bucket=0/lost.parquet", dir+"/data/notes.txt"
	w.put(orphan)
	w.put(foreign)

	if res := w.collect(table); res.Young == 0 || len(res.Deleted) != 0 {
		t.Fatalf("a young file may yet be committed: %+v", res)
	}
	w.clock.Ahead += 2 * time.Minute
	if res := w.collect(table); res.Waiting == 0 || len(res.Deleted) != 0 {
		t.Fatalf("a file is not deleted at first sight: %+v", res)
	}
	w.clock.Ahead += 30 * time.Second
	if res := w.collect(table); len(res.Deleted) != 0 {
		t.Fatalf("nor before the grace is over: %+v", res)
	}
	w.clock.Ahead += time.Minute
	dry, err := maintenance.Collect(context.Background(), w.keeper, table, maintenance.CollectOptions{MinAge: time.Minute, Grace: time.Minute, DryRun: true, Clock: w.clock.Now})
	w.must(err)
	if len(dry.Deleted) != 1 || !w.has(orphan) {
		t.Fatalf("dry run: %+v", dry)
	}
	res := w.collect(table)
	if len(res.Deleted) != 1 || w.has(orphan) || !w.has(foreign) || res.Foreign != 1 {
		t.Fatalf("collection: %+v", res)
	}
	w.check()
}

func TestExpiryAndGarbageLeaveWhatIsTagged(t *testing.T) {
	t.Parallel()
	w := positions(t, 4)
	ctx := context.Background()
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	out, err := w.ingest.Commit(ctx, catalog.Commit{Epoch: "close", BusinessDate: day, Tables: []catalog.TableChange{{Table: table}}})
	w.must(err)
	closing := maps.Clone(w.model)
	for i := range int64(6) {
		w.write([]laketest.Event{update(i%3+1, row(1, 1000+i))}, nil)
	}
	w.compact(table, maintenance.CompactOptions{Full: true})
	res := w.expire(2)
	if res.Snapshots[table] == 0 {
		t.Fatalf("nothing expired: %+v", res)
	}
	w.clock.Ahead += time.Hour
	w.collect(table)
	w.clock.Ahead += time.Hour
	if res := w.collect(table); len(res.Deleted) == 0 {
		t.Fatalf("nothing deleted: %+v", res)
	}
	w.check()
	got, err := laketest.Read(ctx, w.ingest, table, catalog.At{BusinessDate: day})
	w.must(err)
	if !maps.Equal(got, map[int64]laketest.Row(closing)) {
		t.Errorf("the business date's cut %d:\n got %v\nwant %v", out.Cut, got, closing)
	}
	// Once the tag is too old, its snapshot goes as well.
	dropped, err := maintenance.Expire(ctx, w.keeper, []string{table}, maintenance.ExpireOptions{Keep: 2, BusinessDates: 24 * time.Hour, Clock: w.clock.Now})
	w.must(err)
	if fmt.Sprint(dropped.Tags[table]) != "[bd-2026-01-02]" || dropped.Snapshots[table] != 1 {
		t.Errorf("tags: %+v", dropped)
	}
	w.check()
	w.write([]laketest.Event{update(1, row(1, 5))}, nil)
	w.check()
}

func TestYoungSnapshotsAreKeptIfAsked(t *testing.T) {
	t.Parallel()
	w := positions(t, 5)
	res, err := maintenance.Expire(context.Background(), w.keeper, []string{table}, maintenance.ExpireOptions{Keep: 1, MinAge: time.Hour})
	w.must(err)
	if len(res.Snapshots) != 0 {
		t.Errorf("expired: %+v", res)
	}
}

func FuzzSeen(f *testing.F) {
	f.Add([]byte(`{"data/a.parquet":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"data/a.parquet":`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) { maintenance.ParseSeen(data) })
}
