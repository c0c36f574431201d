package csvio_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/fileset"
	"github.com/millrace/millrace/sdk/files/filestest"
	"github.com/millrace/millrace/sdk/storage"
)

// readAll reads a source as a run does.
func readAll(t *testing.T, src dataset.Reader) (rows []string, err error) {
	t.Helper()
	splits, err := src.Plan(t.Context())
	if err != nil {
		return nil, err
	}
	for _, split := range splits {
		r, err := src.Open(t.Context(), split, 7)
		if err != nil {
			return rows, err
		}
		for err == nil {
			var b arrow.RecordBatch
			if b, err = r.Next(t.Context()); err == nil {
				if b.NumRows() > 7 {
					t.Errorf("a batch has %d rows, want at most 7", b.NumRows())
				}
				rows = append(rows, texts(b)...)
				b.Release()
			}
		}
		if closeErr := r.Close(); closeErr != nil || !errors.Is(err, io.EOF) {
			return rows, errors.Join(err, closeErr)
		}
	}
	return rows, nil
}

// A source that travelled to a worker reads what it would have read at home.
func TestSourceTravels(t *testing.T) {
	t.Parallel()
	s := store(t, "in/a.csv", "id,x,amount\n1,a,1.50\n2,b,bad\n3,c,2\n", "in/b.csv", "id,x,amount\n4,\"d\ne\",3.25\n")
	stores := storage.Resolver{"mem": func(context.Context, string) (storage.Store, error) { return s, nil }}
	opts := csvio.Options{
		Schema:  schema(col("id", arrow.PrimitiveTypes.Int64), col("x", arrow.BinaryTypes.String), col("amount", money(2))),
		Columns: []string{"amount", "id"}, SplitBytes: 10,
	}
	src, err := csvio.NewSource(t.Context(), s, "in/*.csv", opts, fileset.Rejects{To: "rejects/run"})
	if err != nil {
		t.Fatal(err)
	}
	far, err := csvio.OpenSource(stores)(t.Context(), src.Ref().Config)
	if err != nil {
		t.Fatal(err)
	}
	if !far.Schema().Equal(src.Schema()) || far.Ref() != src.Ref() {
		t.Errorf("the source at the worker has schema %v and ref %v", far.Schema(), far.Ref())
	}
	want := []string{"1.50|1", "2.00|3", "3.25|4"}
	for name, r := range map[string]dataset.Reader{"home": src, "far": far} {
		if rows, err := readAll(t, r); err != nil || !reflect.DeepEqual(rows, want) {
			t.Errorf("%s: rows %q, %v", name, rows, err)
		}
	}
	var kept []string
	for info := range s.List(t.Context(), "rejects/") {
		data, err := s.Get(t.Context(), info.Name)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, string(data))
	}
	if len(kept) != 1 || !strings.Contains(kept[0], "column amount") {
		t.Errorf("rejects %q", kept)
	}
}

func TestSourceWithoutPlaceForRejects(t *testing.T) {
	t.Parallel()
	s := store(t, "a.csv", "id\n1\nx\ny\nz\n")
	opts := csvio.Options{Schema: schema(col("id", arrow.PrimitiveTypes.Int64))}
	src, err := csvio.NewSource(t.Context(), s, "a.csv", opts, fileset.Rejects{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(t, src); err == nil || !strings.Contains(err.Error(), "a.csv:3") {
		t.Errorf("got %v, want an error at line 3", err)
	}
	if src, err = csvio.NewSource(t.Context(), s, "a.csv", opts, fileset.Rejects{To: "r", Most: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(t, src); fault.Of(err) != fault.Findings {
		t.Errorf("got %v, want findings above two rejects", err)
	}
	opts.OnReject = func(context.Context, files.Reject) error { return nil }
	if _, err := csvio.NewSource(t.Context(), s, "a.csv", opts, fileset.Rejects{}); fault.Of(err) != fault.Usage {
		t.Errorf("a function as handler: %v, want a usage error", err)
	}
}

// A set is complete with its manifest, and the next run's replaces it.
func TestSinkReplacesItsSet(t *testing.T) {
	t.Parallel()
	s := store(t)
	stores := storage.Resolver{"mem": func(context.Context, string) (storage.Store, error) { return s, nil }}
	home, err := csvio.NewSink(s, "out/features", csvio.WriteOptions{Delimiter: ";"})
	if err != nil {
		t.Fatal(err)
	}
	far, err := csvio.OpenSink(stores)(t.Context(), home.Ref().Config)
	if err != nil {
		t.Fatal(err)
	}
	in := schema(col("id", arrow.PrimitiveTypes.Int64), col("x", arrow.BinaryTypes.String))
	for run, tasks := range [][]int64{{0, 1, 2}, {0, 7}} {
		var parts [][]byte
		for _, task := range tasks {
			id := dataset.TaskID{Run: "r", Stage: "write", Partition: task, Digest: "d"}
			for range 2 { // a second attempt writes the same names
				w, err := far.NewWriter(t.Context(), in, id)
				if err != nil {
					t.Fatal(err)
				}
				batch := filestest.Rows(in, []any{task, "a;b"}, []any{run, "c"})
				if err := w.Write(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
				batch.Release()
				files, err := w.Close(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				w.Abort(t.Context())
				parts = append(parts, files...)
				if len(parts) > 1 && reflect.DeepEqual(parts[len(parts)-1], parts[len(parts)-2]) {
					parts = parts[:len(parts)-1]
				}
			}
		}
		for range 2 { // a commit may be made again
			if err := far.Commit(t.Context(), "r", parts); err != nil {
				t.Fatal(err)
			}
		}
		m, err := files.GetManifest(t.Context(), s, home.Manifest())
		if err != nil || len(m.Files) != len(tasks) || m.Rows != int64(2*len(tasks)) {
			t.Errorf("run %d: manifest %+v, %v", run, m, err)
		}
		found, err := storage.Glob(t.Context(), s, "out/*.csv")
		if err != nil || len(found) != len(tasks) {
			t.Errorf("run %d: %d files, %v; want %d: the manifest's", run, len(found), err, len(tasks))
		}
	}
	rows, _ := read(t, s, "out/*.csv", csvio.Options{Delimiter: ";"})
	if !reflect.DeepEqual(rows, []string{"0|a;b", "1|c", "7|a;b", "1|c"}) {
		t.Errorf("rows %q", rows)
	}
}
