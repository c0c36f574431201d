package parquetfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/parquetfile"
)

// TestFooterStatistics reads a file's own statistics back: those of a file of one row group equal what the writer returned.
func TestFooterStatistics(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		schema := drawSchema(t, false)
		b, stats := write(t, schema, drawBatches(t, schema, 500), parquetfile.WriterOptions{})
		f, err := parquetfile.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if stats.Rows == 0 {
			if f.NumRows() != 0 || len(f.RowGroups()) != 0 || f.Columns(0) != nil {
				t.Fatal("an empty file has rows")
			}
			return
		}
		for i, got := range f.Columns(0) {
			want := stats.Columns[i]
			if !reflect.DeepEqual(got.Min, want.Min) && schema.Field(i).Type.ID() != arrow.FLOAT32 && schema.Field(i).Type.ID() != arrow.FLOAT64 {
				t.Fatalf("column %s: min %v, want %v", got.Name, got.Min, want.Min)
			}
			got.Min, got.Max, want.Min, want.Max = nil, nil, nil, nil
			if id := schema.Field(i).Type.ID(); id == arrow.FLOAT32 || id == arrow.FLOAT64 { // zeros get a sign in the footer
				got.Lower, got.Upper, want.Lower, want.Upper = nil, nil, nil, nil
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("column %s: %+v, want %+v", got.Name, got, want)
			}
		}
	})
}

// TestFooterStatisticsOfOthers: bounds of other writers hold for the values, where they are given.
func TestFooterStatisticsOfOthers(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/others/*.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parquetfile.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		id := f.Columns(0)[0]
		if id.Min != int64(0) || id.Max != f.RowGroups()[0].Rows-1 {
			t.Errorf("%s: id from %v to %v in %d rows", name, id.Min, id.Max, f.RowGroups()[0].Rows)
		}
		if n := f.Columns(0)[1].Nulls; n == 0 {
			t.Errorf("%s: no nulls where there are some", name)
		}
	}
}

// TestIndexed tells columns that are dictionaries throughout from those that are not.
func TestIndexed(t *testing.T) {
	t.Parallel()
	b := smallFile(t, 100)
	f, err := parquetfile.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for column, want := range map[string]bool{"c1": true, "c5": true, "c0": false, "c4": false, "none": false} {
		if got := f.Indexed(column, nil); got != want {
			t.Errorf("column %s: %v, want %v", column, got, want)
		}
	}
}
