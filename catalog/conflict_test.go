package catalog

import (
	"errors"
	"fmt"
	"testing"
)

// TestDeletesAreLookedInto: the bounds of a delete file span a file that it does not name. Compacting that
// file is no conflict; compacting one that it names is.
func TestDeletesAreLookedInto(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := openTestLake(t)
	const name = "ledger.entries"
	if err := l.EnsureTable(ctx, entrySpec(name)); err != nil {
		t.Fatal(err)
	}
	var added []DataFile
	for n := range 3 {
		added = append(added, file(l, name, n, 0))
	}
	first, err := l.Commit(ctx, Commit{Epoch: "load", Tables: []TableChange{{Table: name, Add: added}}})
	if err != nil {
		t.Fatal(err)
	}
	tab, err := l.Table(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	deletes, err := l.WritePositionDeletes(ctx, tab.Location()+"/data/deletes.parquet", 0, RowDeletes{added[0].Path: {1, 5}, added[2].Path: {0}})
	if err != nil {
		t.Fatal(err)
	}
	based := first.Snapshots[name]
	if _, err := l.Commit(ctx, Commit{Epoch: "delete", Tables: []TableChange{{Table: name, Based: based, Add: []DataFile{deletes}}}}); err != nil {
		t.Fatal(err)
	}
	for n, conflict := range map[int]bool{0: true, 1: false, 2: true} {
		_, err := l.Commit(ctx, Commit{Epoch: fmt.Sprint("compact-", n), Tables: []TableChange{{
			Table: name, Based: based, Rewrite: true, Remove: []string{added[n].Path}, Add: []DataFile{file(l, name, 10+n, 0)},
		}}})
		if errors.Is(err, ErrConflict) != conflict || !conflict && err != nil {
			t.Errorf("compacting file %d: %v", n, err)
		}
	}
}
