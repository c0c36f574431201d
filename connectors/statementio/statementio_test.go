package statementio

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

const swift = ":20:A\n:25:ACC\n:28C:1\n:60F:C260330EUR100,00\n:61:2603310331C10,50NTRFX\n:61:260331D0,5NTRFY\n:62F:C260331EUR110,00\n"

func put(t *testing.T, store storage.Store, name, text string) {
	t.Helper()
	if err := store.Put(t.Context(), name, []byte(text), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
}

// read reads all files that match and returns their rows as lines of text, with the reports.
func read(t *testing.T, store storage.Store, glob string, opts Options) (rows []string, reports []Report, err error) {
	t.Helper()
	ctx := t.Context()
	splits, err := Splits(ctx, store, glob, opts)
	if err != nil {
		return nil, nil, err
	}
	for _, split := range splits {
		r, err := Open(ctx, store, split, opts)
		if err != nil {
			return rows, reports, err
		}
		for {
			batch, err := r.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				r.Close()
				return rows, reports, err
			}
			rows = append(rows, lines(t, batch)...)
			batch.Release()
		}
		reports = append(reports, r.Report())
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return rows, reports, nil
}

func lines(t *testing.T, batch arrow.RecordBatch) []string {
	t.Helper()
	out := make([]string, batch.NumRows())
	for i := range out {
		var cells []string
		for _, col := range batch.Columns() {
			if col.IsNull(i) {
				cells = append(cells, "-")
				continue
			}
			text, err := files.AppendValue(nil, col, i)
			if err != nil {
				t.Fatal(err)
			}
			cells = append(cells, string(text))
		}
		out[i] = strings.Join(cells, "|")
	}
	return out
}

func TestRows(t *testing.T) {
	t.Parallel()
	store := storagetest.NewMemory("inbox", nil)
	put(t, store, "a.sta", swift)
	scale := int32(2)
	rows, reports, err := read(t, store, "*.sta", Options{Scale: &scale, BatchRows: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a.sta|5|43|1|1|0|A|1|ACC|-|-|EUR|2026-03-31|2026-03-31|10.50|C|false|booked|-|-|X|-|NTRF|-|-|-|-",
		"a.sta|6|69|1|2|0|A|1|ACC|-|-|EUR|-|2026-03-31|-0.50|D|false|booked|-|-|Y|-|NTRF|-|-|-|-",
	}
	if strings.Join(rows, "\n") != strings.Join(want, "\n") {
		t.Fatalf("rows\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
	if f := reports[0]; !f.Ended || f.Entries != 2 || f.Passed != 1 || f.Format != statement.MT940 || f.Bytes != int64(len(swift)) {
		t.Fatalf("report %+v", f)
	}
	rows, _, err = read(t, store, "*.sta", Options{Columns: []string{"amount", "line"}})
	if err != nil || strings.Join(rows, " ") != "10.50000|5 -0.50000|6" {
		t.Fatalf("columns: %q, %v", rows, err)
	}
}

// An amount that its column cannot hold is a reject with its place, and rows + rejects are all records.
func TestRejects(t *testing.T) {
	t.Parallel()
	store := storagetest.NewMemory("inbox", nil)
	put(t, store, "a.sta", strings.ReplaceAll(swift, "C10,50", "X10,50"))
	var rejects []string
	scale := int32(0)
	opts := Options{Scale: &scale, OnReject: func(_ context.Context, r files.Reject) error {
		rejects = append(rejects, r.String())
		return nil
	}}
	rows, reports, err := read(t, store, "*", opts)
	if err != nil || len(rows) != 0 {
		t.Fatalf("%q, %v", rows, err)
	}
	if len(rejects) != 2 || !strings.HasPrefix(rejects[0], "a.sta:5: :61: mark") || !strings.HasPrefix(rejects[1], "a.sta:6: amount -0.5 at scale 0") {
		t.Fatalf("rejects %q", rejects)
	}
	if reports[0].Quarantined != 1 || reports[0].Failed != 1 {
		t.Fatalf("%+v", reports[0])
	}
	opts.OnReject = nil
	if _, _, err = read(t, store, "*", opts); !errors.Is(err, statement.ErrMalformed) || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "a.sta:5:") {
		t.Fatalf("refused: %v", err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	store := storagetest.NewMemory("inbox", nil)
	put(t, store, "a.txt", "nothing that is known\n")
	scale := int32(99)
	for name, opts := range map[string]Options{
		"format \"swift\"": {Format: "swift"}, "scale 99": {Scale: &scale}, "batch rows -1": {BatchRows: -1}, "no column": {Columns: []string{"nope"}},
		"set the format": {}, "encoding \"x\"": {Encoding: "x"},
	} {
		_, _, err := read(t, store, "*", opts)
		if fault.Of(err) != fault.Usage || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
