package catalogtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/money"
)

func testSummaries(t *testing.T, h Harness) {
	l := open(t, h, 1)
	c := l.add(0, tableName(0))
	c.To.Marks = map[string]string{"lsn": "77"}
	c.LastCommit = time.Date(2026, 11, 23, 22, 1, 2, 345678000, time.UTC)
	c.BusinessDate = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	c.Tables[0].Summary = map[string]string{"note": "first"}
	out := l.commit(c)
	if out.Cut != 1 || out.Attempts != 1 || out.Snapshots[tableName(0)] == 0 {
		t.Errorf("committed %+v", out)
	}
	tab := l.tableAt(catalog.At{}, tableName(0))
	if tab.Snapshot() != out.Snapshots[tableName(0)] || tab.Rows() != 10 {
		t.Errorf("snapshot %d with %d rows", tab.Snapshot(), tab.Rows())
	}
	want := map[string]string{
		catalog.KeyCut: "1", catalog.KeyStream: "s", catalog.KeyEpoch: "e0",
		catalog.KeyPosition:          `{"next":{"0":1},"marks":{"lsn":"77"}}`,
		catalog.KeyCommittedAtSource: "2026-11-23T22:01:02.345678Z",
		catalog.KeyBusinessDate:      "2026-11-23",
		"millrace.rows":              "10", "millrace.inserts": "10", "millrace.updates": "0", "millrace.deletes": "0",
		"millrace.control.amount[currency=EUR]": "12.50",
		"note":                                  "first", "operation": "append", "added-data-files": "1", "added-records": "10",
		"added-files-size": "1000", "total-data-files": "1", "total-records": "10", "total-files-size": "1000",
		"total-delete-files": "0", "total-position-deletes": "0", "total-equality-deletes": "0",
	}
	if got := tab.Summary(); !maps.Equal(got, want) {
		t.Errorf("summary is\n%v, want\n%v", got, want)
	}
	cuts, err := l.Cuts(t.Context())
	if err != nil || len(cuts) != 1 {
		t.Fatalf("cuts %v, %v", cuts, err)
	}
	amount := cuts[0].Tables[tableName(0)].Totals.Control["amount[currency=EUR]"]
	if twelve, _ := money.Parse("12.50"); amount != twelve || !cuts[0].SourceTime.Equal(c.LastCommit) {
		t.Errorf("history says %+v", cuts[0])
	}
}

func testEpochsEnterOnce(t *testing.T, h Harness) {
	l := open(t, h, 1)
	first := l.add(0, tableName(0))
	l.commit(first)
	second := l.add(1, tableName(0))
	second.From.Marks = map[string]string{"differs": "is no matter"}
	l.commit(second)

	if out, err := l.Commit(t.Context(), first); err != nil || out.Dropped || out.Cut != 1 || out.Snapshots[tableName(0)] == 0 {
		t.Errorf("the very same commit again: %+v, %v; want what it told the first time", out, err)
	}
	for name, c := range map[string]catalog.Commit{"another attempt": l.add(0, tableName(0)), "a shorter one": l.add(1, tableName(0))} {
		out, err := l.Commit(t.Context(), c)
		if err != nil || !out.Dropped {
			t.Errorf("%s: %+v, %v; want it dropped", name, out, err)
		}
	}
	if _, err := l.Commit(t.Context(), l.add(7, tableName(0))); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("an epoch that leaves a gap: %v", err)
	}
	other := l.add(0, tableName(0))
	other.Stream = "other"
	l.commit(other)
	empty := catalog.Commit{Stream: "s", Epoch: "heartbeat", From: offset(2), To: offset(9), Tables: []catalog.TableChange{{Table: tableName(0)}}}
	l.commit(empty)

	again := reopen(t, l.cfg)
	for stream, want := range map[string]int64{"s": 9, "other": 1, "unknown": 0} {
		pos, err := again.StreamPosition(t.Context(), stream)
		if err != nil || pos.Compare(offset(want)) != change.Equal {
			t.Errorf("stream %s stands at %v, %v; want %d", stream, pos, err, want)
		}
	}
	if got := len(again.paths(catalog.At{}, tableName(0))); got != 3 {
		t.Errorf("the table has %d files, want 3", got)
	}
}

func testRunsEnterOnce(t *testing.T, h Harness) {
	l := open(t, h, 1)
	run := catalog.Commit{Epoch: "nightly-2026-11-23", Tables: []catalog.TableChange{{Table: tableName(0), Add: []catalog.DataFile{l.file(0, 0)}}}}
	made := l.commit(run)
	l.commit(l.add(0, tableName(0)))
	if out, err := l.Commit(t.Context(), run); err != nil || out.Dropped || out.Cut != made.Cut {
		t.Errorf("the very same run again: %+v, %v", out, err)
	}
	run.Tables[0].Add = []catalog.DataFile{l.file(0, 0)}
	out, err := l.Commit(t.Context(), run)
	if err != nil || !out.Dropped || out.Cut != made.Cut || out.Snapshots[tableName(0)] != made.Snapshots[tableName(0)] {
		t.Errorf("a run that was there already: %+v, %v", out, err)
	}
}

func testAllOrNothing(t *testing.T, h Harness) {
	l := open(t, h, 3)
	l.commit(l.add(0, tableName(0), tableName(1), tableName(2)))
	spoilt := l.add(1, tableName(0), tableName(1), tableName(2))
	spoilt.Tables[2].Remove, spoilt.Tables[2].Based = []string{"file:///not/there"}, l.tableAt(catalog.At{}, tableName(2)).Snapshot()
	if _, err := l.Commit(t.Context(), spoilt); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("one table of three cannot change: %v", err)
	}
	missing := l.add(1, tableName(0), "ledger.missing")
	if _, err := l.Commit(t.Context(), missing); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("one table of two is missing: %v", err)
	}
	for i := range 3 {
		if got := l.paths(catalog.At{}, tableName(i)); len(got) != 1 {
			t.Errorf("table %d has %v", i, got)
		}
	}
}

func testReplaceAll(t *testing.T, h Harness) {
	l := open(t, h, 1)
	for n := range int64(3) {
		l.commit(l.add(n, tableName(0)))
	}
	fresh := l.file(2, 0)
	l.commit(catalog.Commit{Epoch: "rebuild", Tables: []catalog.TableChange{{Table: tableName(0), ReplaceAll: true, Add: []catalog.DataFile{fresh}}}})
	if got := l.paths(catalog.At{}, tableName(0)); !slices.Equal(got, []string{fresh.Path}) {
		t.Errorf("files are %v", got)
	}
	tab := l.tableAt(catalog.At{}, tableName(0))
	s := tab.Summary()
	if s["operation"] != "overwrite" || s["deleted-data-files"] != "3" || s["total-data-files"] != "1" || tab.Rows() != 10 {
		t.Errorf("summary is %v", s)
	}
	if got := l.paths(catalog.At{Cut: 3}, tableName(0)); len(got) != 3 {
		t.Errorf("the cut before has %v", got)
	}
	l.commit(catalog.Commit{Epoch: "empty", Tables: []catalog.TableChange{{Table: tableName(0), ReplaceAll: true}}})
	l.commit(l.add(3, tableName(0)))
	if got := l.paths(catalog.At{}, tableName(0)); len(got) != 1 {
		t.Errorf("files after emptying and adding: %v", got)
	}
}

// compact replaces the data files by one.
func (l *lake) compact(epoch string, based int64, paths ...string) catalog.Commit {
	return catalog.Commit{Epoch: epoch, Tables: []catalog.TableChange{{
		Table: tableName(0), Remove: paths, Based: based, Rewrite: true, Add: []catalog.DataFile{l.file(0, 0)},
	}}}
}

func testCompaction(t *testing.T, h Harness) {
	l := open(t, h, 1)
	name := tableName(0)
	for n := range int64(3) {
		c := l.add(n, name)
		c.Tables[0].Add[0].Bucket = 0
		l.commit(c)
	}
	based := l.tableAt(catalog.At{}, name).Snapshot()
	before := l.paths(catalog.At{}, name)
	appended := l.add(3, name)
	l.commit(appended) // meanwhile
	merged := l.compact("compact-1", based, before...)
	l.commit(merged)
	want := []string{merged.Tables[0].Add[0].Path, appended.Tables[0].Add[0].Path}
	if got := l.paths(catalog.At{}, name); !sameSet(got, want) {
		t.Errorf("files are %v, want %v", got, want)
	}
	if op := l.tableAt(catalog.At{}, name).Summary()["operation"]; op != "replace" {
		t.Errorf("operation is %s", op)
	}
	if _, err := l.Commit(t.Context(), l.compact("compact-2", based, before...)); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("compacting files that are gone: %v", err)
	}
	if _, err := l.Commit(t.Context(), l.compact("compact-3", 12345, want...)); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("compacting from an unknown snapshot: %v", err)
	}

	// Rows of one of the files are deleted while it is compacted.
	now := l.tableAt(catalog.At{}, name).Snapshot()
	first, second := merged.Tables[0].Add[0].Path, appended.Tables[0].Add[0].Path
	del := l.add(4, name)
	del.Tables[0].Add = []catalog.DataFile{l.deletes(0, first)}
	del.Tables[0].Based = now
	l.commit(del)
	if _, err := l.Commit(t.Context(), l.compact("compact-4", now, first)); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("compacting a file whose rows were deleted meanwhile: %v", err)
	}
	untouched := l.compact("compact-5", now, second)
	untouched.Tables[0].Add[0].Bucket = 3
	l.commit(untouched)
}

func testDeletesConflict(t *testing.T, h Harness) {
	l := open(t, h, 1)
	name := tableName(0)
	first := l.add(0, name)
	l.commit(first)
	based := l.tableAt(catalog.At{}, name).Snapshot()
	path := first.Tables[0].Add[0].Path
	l.commit(l.add(1, name)) // an append since then does no harm
	del := l.add(2, name)
	del.Tables[0].Based = based
	del.Tables[0].Add = append(del.Tables[0].Add, l.deletes(0, path))
	l.commit(del)
	if rows := l.tableAt(catalog.At{}, name).Rows(); rows != 29 {
		t.Errorf("%d rows, want 29", rows)
	}
	if op := l.tableAt(catalog.At{}, name).Summary()["operation"]; op != "overwrite" {
		t.Errorf("operation is %s", op)
	}
	deleted := del.Tables[0].Add[1].Path
	now := l.tableAt(catalog.At{}, name).Snapshot()
	l.commit(l.compact("fold", now, path, deleted))

	late := l.add(3, name)
	late.Tables[0].Based = now
	late.Tables[0].Add = []catalog.DataFile{l.deletes(0, path)}
	if _, err := l.Commit(t.Context(), late); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("deleting rows of a file that was compacted away: %v", err)
	}
	vague := l.deletes(0, path, "zzz")
	vague.References = nil
	late.Tables[0].Add = []catalog.DataFile{vague}
	if _, err := l.Commit(t.Context(), late); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("deletes that do not say which files they name, after a removal: %v", err)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func testStreamOutlivesExpiry(t *testing.T, h Harness) {
	l := open(t, h, 1)
	l.commit(l.add(0, tableName(0)))
	for i := range 3 {
		l.commit(catalog.Commit{Epoch: fmt.Sprintf("run-%d", i), Tables: []catalog.TableChange{{Table: tableName(0), Add: []catalog.DataFile{l.file(0, 0)}}}})
	}
	err := l.UpdateTables(t.Context(), []string{tableName(0)}, func(_ string, m table.Metadata) ([]table.Update, []table.Requirement, error) {
		var gone []int64
		for _, s := range m.Snapshots() {
			if s.SnapshotID != m.CurrentSnapshot().SnapshotID {
				gone = append(gone, s.SnapshotID)
			}
		}
		return []table.Update{table.NewRemoveSnapshotsUpdate(gone, false)}, nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	again := reopen(t, l.cfg)
	if pos, err := again.StreamPosition(t.Context(), "s"); err != nil || pos.Compare(offset(1)) != change.Equal {
		t.Errorf("the stream stands at %v, %v", pos, err)
	}
	if out, err := again.Commit(t.Context(), l.add(0, tableName(0))); err != nil || !out.Dropped {
		t.Errorf("an epoch that is in the lake: %+v, %v", out, err)
	}
	l.commit(l.add(1, tableName(0)))
	if cut := l.at(catalog.At{}).Number(); cut != 5 {
		t.Errorf("cut is %d, want 5", cut)
	}
	c := l.at(catalog.At{Cut: 2})
	if _, err := c.Table(tableName(0)); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("an expired cut: %v", err)
	}
}

func testMetadataIsTrimmed(t *testing.T, h Harness) {
	l := open(t, h, 1)
	const commits = 30
	for n := range int64(commits) {
		l.commit(l.add(n, tableName(0)))
	}
	m, location, err := l.Metadata(t.Context(), tableName(0))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(location, ".gz.metadata.json") {
		t.Errorf("metadata is at %s", location)
	}
	store, name, err := l.Storage(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for info, err := range store.List(t.Context(), name[:strings.LastIndexByte(name, '/')+1]) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(info.Name, ".metadata.json") {
			count++
		}
	}
	if count != 21 { // the present one and 20 before it
		t.Errorf("%d metadata files are kept", count)
	}
	if len(m.Snapshots()) != commits {
		t.Errorf("%d snapshots", len(m.Snapshots()))
	}
}

func testManifestsStayFew(t *testing.T, h Harness) {
	l := open(t, h, 1)
	const commits = 70
	for n := range int64(commits) {
		l.commit(l.add(n, tableName(0)))
	}
	m, _, err := l.Metadata(t.Context(), tableName(0))
	if err != nil {
		t.Fatal(err)
	}
	store, name, err := l.Storage(t.Context(), m.CurrentSnapshot().ManifestList)
	if err != nil {
		t.Fatal(err)
	}
	data, err := store.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if n := countManifests(t, data); n > 15 {
		t.Errorf("%d manifests after %d commits", n, commits)
	}
	files, err := l.tableAt(catalog.At{}, tableName(0)).Files(t.Context())
	if err != nil || len(files) != commits {
		t.Fatalf("%d files, %v", len(files), err)
	}
	seen := map[int64]bool{}
	for _, f := range files {
		seen[f.Sequence] = true
	}
	if len(seen) != commits {
		t.Errorf("merging changed the files' sequence numbers: %d are left", len(seen))
	}
}
