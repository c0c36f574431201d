package catalog

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// TestReadFilters reads under filters of several kinds, with and without deleted rows, and compares with the same filter
// over all rows in memory.
func TestReadFilters(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := openTestLake(t)
	to := makePostings(t, l, postingSpec(2, true))
	recs := []arrow.RecordBatch{postingRows(0, 6000), postingRows(6000, 6000)}
	small := parquetfile.WriterOptions{RowGroupRows: 1000, PageBytes: 4096}
	files := writeRows(t, l, to, WriterOptions{EpochID: "e1", Nonce: "n", Parquet: small}, recs...)
	commitFiles(t, l, "e1", TableChange{Add: files})
	tab, err := l.Table(ctx, "ledger.postings")
	if err != nil {
		t.Fatal(err)
	}
	deletes := RowDeletes{files[0].Path: {0, 1, 2, 3, 999, 1000, 1001, files[0].Rows - 1}}
	gone := map[string]bool{}
	all := scanAll(t, l, ScanOptions{Buckets: []int{files[0].Bucket}}, ReadOptions{}, nil)
	for _, r := range deletes[files[0].Path] {
		gone[all[r]] = true
	}
	for _, deleted := range []bool{false, true} {
		if deleted {
			d, err := l.WritePositionDeletes(ctx, to.Location+"/data/d.parquet", files[0].Bucket, deletes)
			if err != nil {
				t.Fatal(err)
			}
			commitFiles(t, l, "e2", TableChange{Add: []DataFile{d}, Based: tab.Snapshot()})
		}
		for _, text := range []string{
			"account = 'acc-0007'", "account = 'none'", "id >= 0", "id < 500", "amount > 100.5 and memo is null",
			"memo = 'memo 3'", "memo like 'memo 1%' or small in (1, 2, 3)", "not (memo = 'memo 3')", "small is not null and id > 900000",
		} {
			e, err := expr.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			bound, err := expr.Bind(e, postings)
			if err != nil {
				t.Fatal(err)
			}
			var want, wantIDs []string
			for _, rec := range recs {
				kept, err := bound.Filter(rec)
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range textRows(kept) {
					if !deleted || !gone[row] {
						want = append(want, row)
						wantIDs = append(wantIDs, strings.Split(row, "|")[0]+"|")
					}
				}
			}
			for _, o := range []ReadOptions{{}, {BatchRows: 100, MergeBy: to.Spec.SortBy}, {Dictionaries: []string{"memo"}}} {
				o.Filter = e
				sameRows(t, want, scanAll(t, l, ScanOptions{}, o, nil))
			}
			sameRows(t, wantIDs, scanAll(t, l, ScanOptions{Columns: []string{"id"}}, ReadOptions{Filter: e, Table: to.Spec.Schema}, nil))
		}
	}
}

// TestReadFilterPrunesRowGroups: row groups that the statistics rule out are not read at all, so that damage in them is not met.
func TestReadFilterPrunesRowGroups(t *testing.T) {
	t.Parallel()
	l := openTestLake(t)
	to := makePostings(t, l, postingSpec(0, true))
	files := writeRows(t, l, to, WriterOptions{EpochID: "e", Nonce: "n", Parquet: parquetfile.WriterOptions{RowGroupRows: 1000}}, postingRows(0, 10000))
	pf, closeFile, err := l.openParquet(context.Background(), files[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFile()
	for text, want := range map[string]int{"account = 'acc-0000'": 1, "account > 'acc-0290'": 1, "amount > 1000": 0, "id > 0": 10, "memo is null": 10} {
		e, err := expr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		f, err := newFileFilter(e, to.Spec.Schema.Fields(), pf, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(groupsFor(f.bound, to.Spec.Schema.Fields(), pf, nil)); got != want {
			t.Errorf("%s: %d row groups, want %d", text, got, want)
		}
	}
}

// TestReadFilterMistakes are found before anything is read.
func TestReadFilterMistakes(t *testing.T) {
	t.Parallel()
	l := openTestLake(t)
	for text, want := range map[string]error{"nope = 1": expr.ErrColumn, "account > 1": expr.ErrType, "id + 1": nil} {
		e, err := expr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.OpenSplit(context.Background(), postings, ScanSplit{}, ReadOptions{Filter: e})
		if fault.Of(err) != fault.Usage || want != nil && !errors.Is(err, want) || err == nil {
			t.Errorf("%s: %v, want a usage error", text, err)
		}
	}
}
