package catalogtest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
)

func countManifests(t *testing.T, list []byte) int {
	t.Helper()
	manifests, err := iceberg.ReadManifestList(bytes.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	return len(manifests)
}

// clock ticks a minute at each commit's start. It is ahead of the real clock, which dates the tables' creation.
type clock struct{ minutes atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Date(2093, 11, 23, 0, int(c.minutes.Load()), 0, 0, time.UTC)
}

func testTimeTravel(t *testing.T, h Harness) {
	cfg := h.New(t)
	clk := &clock{}
	cfg.Clock = clk.now
	l := reopen(t, cfg)
	for i := range 2 {
		if err := l.EnsureTable(t.Context(), Spec(tableName(i))); err != nil {
			t.Fatal(err)
		}
	}
	// Cut n+1 holds n+1 files of t0, and one of t1 for each even n.
	var snapshots []int64
	for n := range int64(6) {
		clk.minutes.Add(1)
		tables := []string{tableName(0)}
		if n%2 == 0 {
			tables = append(tables, tableName(1))
		}
		snapshots = append(snapshots, l.commit(l.add(n, tables...)).Snapshots[tableName(0)])
	}
	pos := func(n int64) *change.Position { p := offset(n); return &p }
	for name, c := range map[string]struct {
		at   catalog.At
		cut  int64
		a, b int
	}{
		"latest":           {catalog.At{}, 6, 6, 3},
		"cut":              {catalog.At{Cut: 2}, 2, 2, 1},
		"snapshot":         {catalog.At{Snapshot: snapshots[3]}, 4, 4, 2},
		"position":         {catalog.At{Position: pos(3)}, 3, 3, 2},
		"position between": {catalog.At{Position: &change.Position{Next: map[string]int64{"0": 4, "1": 8}}}, 4, 4, 2},
		"position beyond":  {catalog.At{Position: pos(100)}, 6, 6, 3},
		"time":             {catalog.At{Time: time.Date(2093, 11, 23, 0, 5, 59, 0, time.UTC)}, 5, 5, 3},
		"tag":              {catalog.At{Tag: catalog.TagCut}, 6, 6, 3},
	} {
		cut := l.at(c.at)
		a, b := len(l.paths(c.at, tableName(0))), len(l.paths(c.at, tableName(1)))
		if cut.Number() != c.cut || a != c.a || b != c.b {
			t.Errorf("%s: cut %d with %d and %d files, want %d with %d and %d", name, cut.Number(), a, b, c.cut, c.a, c.b)
		}
	}
	for name, at := range map[string]catalog.At{
		"cut ahead":       {Cut: 7},
		"snapshot":        {Snapshot: 4711},
		"position before": {Position: pos(0)},
		"other stream":    {Position: &change.Position{Next: map[string]int64{"elsewhere": 9}}},
		"time before":     {Time: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)},
		"tag":             {Tag: "no-such-tag"},
		"business date":   {BusinessDate: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)},
	} {
		if _, err := l.At(t.Context(), at); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := l.At(t.Context(), catalog.At{Cut: 1, Tag: "x"}); fault.Of(err) != fault.Usage {
		t.Errorf("two ways to name a cut: %v", err)
	}
}

func testBusinessDates(t *testing.T, h Harness) {
	l := open(t, h, 3)
	for _, name := range []string{"marts.spend", "ledger.empty"} {
		if err := l.EnsureTable(t.Context(), Spec(name)); err != nil {
			t.Fatal(err)
		}
	}
	day := func(d int) time.Time { return time.Date(2026, 11, d, 13, 0, 0, 0, time.UTC) }
	l.commit(l.add(0, tableName(0), tableName(1), tableName(2)))
	l.commit(l.add(1, "marts.spend"))
	first := l.add(2, tableName(0))
	first.BusinessDate = day(23)
	l.commit(first)
	second := l.add(3, tableName(1))
	second.BusinessDate = day(24)
	l.commit(second)
	for d, want := range map[int][]int{23: {2, 1, 1}, 24: {2, 2, 1}} {
		for i, n := range want {
			if got := len(l.paths(catalog.At{BusinessDate: day(d)}, tableName(i))); got != n {
				t.Errorf("on the %d. table %d has %d files, want %d", d, i, got, n)
			}
		}
	}
	for name, tagged := range map[string]bool{tableName(0): true, tableName(2): true, "ledger.empty": false, "marts.spend": false} {
		m, _, err := l.Metadata(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for ref := range m.Refs() {
			found = found || ref == "bd-2026-11-24"
		}
		if found != tagged {
			t.Errorf("table %s is tagged: %v", name, found)
		}
	}
	if rows := l.tableAt(catalog.At{BusinessDate: day(24)}, "ledger.empty").Rows(); rows != 0 {
		t.Errorf("the empty table has %d rows", rows)
	}
}

// testTaggedCutOutlivesExpiry reads a business date's cut by its number after the snapshots between it and the latest are expired.
func testTaggedCutOutlivesExpiry(t *testing.T, h Harness) {
	l := open(t, h, 2)
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	first := l.add(0, tableName(0), tableName(1))
	first.BusinessDate = day(23)
	l.commit(first)
	for n := range int64(3) {
		more := l.add(n+1, tableName(int(n)%2))
		more.BusinessDate = day(24)
		l.commit(more)
	}
	err := l.UpdateTables(t.Context(), []string{tableName(0), tableName(1)}, func(_ string, m table.Metadata) ([]table.Update, []table.Requirement, error) {
		kept := map[int64]bool{m.CurrentSnapshot().SnapshotID: true, m.SnapshotByName("bd-2026-11-23").SnapshotID: true}
		var gone []int64
		for _, s := range m.Snapshots() {
			if !kept[s.SnapshotID] {
				gone = append(gone, s.SnapshotID)
			}
		}
		return []table.Update{table.NewRemoveSnapshotsUpdate(gone, false)}, nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if got := len(l.paths(catalog.At{Cut: 1}, tableName(i))); got != 1 {
			t.Errorf("table %d has %d files at the tagged cut, want 1", i, got)
		}
	}
	dates, err := l.BusinessDates(t.Context())
	want := []catalog.BusinessDate{{Date: day(23), Cut: 1}, {Date: day(24), Cut: 4}}
	if err != nil || !slices.Equal(dates, want) {
		t.Errorf("business dates %v, %v", dates, err)
	}
}

func testHistory(t *testing.T, h Harness) {
	l := open(t, h, 2)
	l.commit(l.add(0, tableName(0), tableName(1)))
	l.commit(catalog.Commit{Epoch: "run", Tables: []catalog.TableChange{{Table: tableName(1), Add: []catalog.DataFile{l.file(0, 0)}}}})
	l.commit(l.add(1, tableName(0)))
	cuts, err := l.Cuts(t.Context())
	if err != nil || len(cuts) != 3 {
		t.Fatalf("%d cuts, %v", len(cuts), err)
	}
	for i, c := range cuts {
		if c.Cut != int64(i+1) || c.Time.IsZero() {
			t.Errorf("cut %d is %+v", i+1, c)
		}
	}
	if len(cuts[0].Tables) != 2 || cuts[0].Stream != "s" || cuts[0].Position.Compare(offset(1)) != change.Equal {
		t.Errorf("the first cut is %+v", cuts[0])
	}
	if cuts[1].Stream != "" || cuts[1].Epoch != "run" || cuts[1].Tables[tableName(1)].Rows != 20 {
		t.Errorf("the second cut is %+v", cuts[1])
	}
	if got := cuts[2].Tables[tableName(0)]; got.Rows != 20 || got.Totals.Inserts != 10 || got.Operation != "append" {
		t.Errorf("the third cut is %+v", cuts[2])
	}
}

func testPlanBuckets(t *testing.T, h Harness) {
	l := open(t, h, 1)
	for n := range int64(20) {
		l.commit(l.add(n, tableName(0)))
	}
	p := l.plan(tableName(0), catalog.ScanOptions{Buckets: []int{1, 3}, Columns: []string{"amount", "account_id"}})
	if len(p.Splits) != 2 || p.Splits[0].Bucket != 1 || p.Splits[1].Bucket != 3 || len(planned(p)) != 10 {
		t.Errorf("splits are %+v", p.Splits)
	}
	if p.Pruned != (catalog.Pruned{Files: 20, ByPartition: 10}) {
		t.Errorf("pruned %+v", p.Pruned)
	}
	if p.Layout.BucketBy != "account_id" || p.Layout.Buckets != Buckets || !slices.Equal(p.Layout.SortBy, []string{"account_id", "entry_id"}) {
		t.Errorf("layout is %+v", p.Layout)
	}
	if p.Schema.NumFields() != 2 || p.Schema.Field(0).Name != "amount" || p.Cut != 20 || p.Snapshot == 0 {
		t.Errorf("plan is %+v", p)
	}
	unsorted := l.add(20, tableName(0))
	unsorted.Tables[0].Add[0].Sorted = false
	l.commit(unsorted)
	if got := l.plan(tableName(0), catalog.ScanOptions{}).Layout.SortBy; got != nil {
		t.Errorf("with an unsorted file, the plan promises the order %v", got)
	}
	for name, opts := range map[string]catalog.ScanOptions{
		"column": {Columns: []string{"nosuch"}}, "column twice": {Columns: []string{"memo", "memo"}}, "bucket": {Buckets: []int{Buckets}},
	} {
		if _, err := l.at(catalog.At{}).PlanScan(t.Context(), tableName(0), opts); fault.Of(err) != fault.Usage {
			t.Errorf("a wrong %s: %v", name, err)
		}
	}
}

func testPlanSplits(t *testing.T, h Harness) {
	l := open(t, h, 1)
	c := l.add(0, tableName(0))
	c.Tables[0].Add = nil
	for i := range 6 {
		f := l.file(i%2, int64(i)*10)
		f.Bytes = 40
		c.Tables[0].Add = append(c.Tables[0].Add, f)
	}
	big := l.file(3, 0)
	big.Bytes, big.SplitOffsets = 400, []int64{4, 100, 200, 300}
	c.Tables[0].Add = append(c.Tables[0].Add, big)
	l.commit(c)
	p := l.plan(tableName(0), catalog.ScanOptions{TargetBytes: 100})
	var got []string
	for _, s := range p.Splits {
		text := fmt.Sprint(s.Bucket)
		for _, f := range s.Files {
			text += fmt.Sprintf(" %d%v", f.Bytes, f.RowGroups)
		}
		got = append(got, text)
	}
	want := []string{"0 40[] 40[]", "0 40[]", "1 40[] 40[]", "1 40[]", "3 400[0]", "3 400[1]", "3 400[2]", "3 400[3]"}
	if !slices.Equal(got, want) {
		t.Errorf("splits are %q, want %q", got, want)
	}
	whole := l.plan(tableName(0), catalog.ScanOptions{TargetBytes: 100, WholeBuckets: true})
	if len(whole.Splits) != 3 || len(whole.Splits[0].Files) != 3 || whole.Splits[2].Files[0].RowGroups != nil {
		t.Errorf("whole buckets are %+v", whole.Splits)
	}
}

func testPlanDeletes(t *testing.T, h Harness) {
	l := open(t, h, 1)
	name := tableName(0)
	var paths []string
	for n := range int64(8) {
		c := l.add(n, name)
		l.commit(c)
		paths = append(paths, c.Tables[0].Add[0].Path)
	}
	// Buckets go round: files 1 and 5 are of bucket 1.
	del := l.add(8, name)
	del.Tables[0].Based = l.tableAt(catalog.At{}, name).Snapshot()
	one, both := l.deletes(1, paths[1]), l.deletes(1, paths[1], paths[5])
	del.Tables[0].Add = []catalog.DataFile{one, both}
	l.commit(del)
	later := l.add(9, name) // bucket 1, after the deletes
	l.commit(later)
	got := map[string][]string{}
	for _, f := range planned(l.plan(name, catalog.ScanOptions{})) {
		got[f.Path] = f.Deletes
	}
	for path, want := range map[string][]string{
		paths[1]: {one.Path, both.Path}, paths[5]: {both.Path}, paths[2]: nil, later.Tables[0].Add[0].Path: nil,
	} {
		if !sameSet(got[path], want) {
			t.Errorf("deletes of %s are %v, want %v", path, got[path], want)
		}
	}
	if rows := l.tableAt(catalog.At{}, name).Rows(); rows != 9*10-3 {
		t.Errorf("%d rows", rows)
	}
}

// testOtherEngines writes a snapshot as another engine would: without any key of ours.
func testOtherEngines(t *testing.T, h Harness) {
	l := open(t, h, 1)
	name := tableName(0)
	l.commit(l.add(0, name))
	err := l.UpdateTables(t.Context(), []string{name}, func(_ string, m table.Metadata) ([]table.Update, []table.Requirement, error) {
		s := *m.CurrentSnapshot()
		parent := s.SnapshotID
		s.SnapshotID, s.ParentSnapshotID, s.SequenceNumber = 4711, &parent, m.LastSequenceNumber()+1
		s.Summary = &table.Summary{Operation: table.OpAppend}
		return []table.Update{
			table.NewAddSnapshotUpdate(&s), table.NewSetSnapshotRefUpdate(table.MainBranch, s.SnapshotID, table.BranchRef, 0, 0, 0),
		}, nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pos, err := l.StreamPosition(t.Context(), "s"); err != nil || pos.Compare(offset(1)) != change.Equal {
		t.Errorf("the stream stands at %v, %v", pos, err)
	}
	if got := l.tableAt(catalog.At{}, name).Snapshot(); got != 4711 {
		t.Errorf("the latest snapshot is %d", got)
	}
	if got := l.tableAt(catalog.At{Cut: 1}, name).Snapshot(); got == 4711 {
		t.Error("another engine's snapshot is part of a cut that was there before it")
	}
	l.commit(l.add(1, name))
	tab := l.tableAt(catalog.At{}, name)
	if tab.Rows() != 20 || tab.Summary()["total-data-files"] != "2" {
		t.Errorf("totals after a snapshot without totals: %v", tab.Summary())
	}
	if cuts, err := l.Cuts(t.Context()); err != nil || len(cuts) != 2 {
		t.Errorf("history is %v, %v", cuts, err)
	}
}
