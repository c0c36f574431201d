package files_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/internal/faults"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/filestest"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestByteRanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 1000).Draw(t, "size")
		by := rapid.Int64Range(1, 300).Draw(t, "by")
		at := int64(0)
		splits := files.ByteRanges(storage.Info{Name: "x", Size: size, ETag: "e"}, by)
		for i, s := range splits {
			if s.From != at || s.To < s.From || s.Name != "x" || s.Size != size || s.ETag != "e" {
				t.Fatalf("split %d of %v", i, splits)
			}
			if n := s.To - s.From; 2*n < by && len(splits) > 1 || 2*n > 3*by {
				t.Fatalf("split %d has %d bytes for %d", i, n, by)
			}
			at = s.To
		}
		if at != size || len(splits) == 0 {
			t.Fatalf("%v do not cover %d bytes", splits, size)
		}
	})
}

// A stream gives the object's bytes, and an error where the object does.
func TestStream(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("0123456789"), 350_000) // more than three chunks
	s := storagetest.NewMemory("m", nil)
	if err := s.Put(t.Context(), "x", data, storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, from := range []int64{0, 1, 1 << 20, 3_499_999, 3_500_000, 4_000_000} {
		r, err := s.Open(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		in := files.Stream(t.Context(), r, from)
		got, err := io.ReadAll(in)
		if want := data[min(from, int64(len(data))):]; err != nil || !bytes.Equal(got, want) {
			t.Errorf("from %d: %d bytes of %d, %v", from, len(got), len(want), err)
		}
		if err := errors.Join(in.Close(), in.Close()); err != nil {
			t.Error(err)
		}
	}
	broken := faults.Wrap(s, 1, faults.StoreRule{Op: faults.OpReadAt, When: faults.When{Skip: 1}, Err: storage.ErrTruncated})
	r, err := broken.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	in := files.Stream(t.Context(), r, 0)
	defer in.Close()
	if got, err := io.ReadAll(in); len(got) != 1<<20 || !errors.Is(err, storage.ErrTruncated) {
		t.Errorf("%d bytes, %v, want one chunk and ErrTruncated", len(got), err)
	}
	whole, err := s.Open(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := files.Stream(ctx, whole, 0)
	cancel()
	if _, err := io.ReadAll(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled stream ends with %v, not as if the object did", err)
	}
	cancelled.Close()
}

func TestRejectFile(t *testing.T) {
	t.Parallel()
	s := storagetest.NewMemory("m", nil)
	none := files.NewRejectFile(s, "none")
	if err := none.Close(); err != nil {
		t.Fatal(err)
	}
	f := files.NewRejectFile(s, "rejects/a.ndjson")
	var c files.Counts
	for i := range 3 {
		if err := c.Rejected(t.Context(), f.Add, files.Reject{File: "a", Offset: int64(i), Reason: "why", Raw: make([]byte, 100_000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Close(), f.Abort()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), "rejects/a.ndjson")
	if err != nil || bytes.Count(got, []byte("\n")) != 3 || c.Rejects != 3 || len(got) > 3*(files.MaxRaw*4/3+200) {
		t.Errorf("%d bytes, %v, counts %+v", len(got), err, c)
	}
	if _, err := s.Get(t.Context(), "none"); !errors.Is(err, storage.ErrNotExist) {
		t.Errorf("a file without rejects: %v", err)
	}
	failing := func(context.Context, files.Reject) error { return fault.Retryablef("no room") }
	if err := c.Rejected(t.Context(), failing, files.Reject{File: "a", Line: 7, Reason: "why"}); fault.Of(err) != fault.Retryable || !strings.Contains(err.Error(), "a:7: why") {
		t.Errorf("a handler that fails: %v", err)
	}
}

func TestManifests(t *testing.T) {
	t.Parallel()
	s := storagetest.NewMemory("m", nil)
	m := files.Manifest{Files: []files.FileInfo{{Name: "a", Rows: 2, Bytes: 3, SHA256: "00"}}, Rows: 2, Bytes: 3,
		Columns: []files.ManifestColumn{{Name: "x", Type: "int64"}}, Extra: map[string]string{"as_of": "2026-11-23"}}
	if err := files.PutManifest(t.Context(), s, "m.json", m); err != nil {
		t.Fatal(err)
	}
	got, err := files.GetManifest(t.Context(), s, "m.json")
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, %v", got, err)
	}
	both, err := files.Merge(m, m)
	if err != nil || both.Rows != 4 || both.Bytes != 6 || len(both.Files) != 2 || both.Extra["as_of"] != "2026-11-23" {
		t.Errorf("merged %+v, %v", both, err)
	}
	other := m
	other.Columns = []files.ManifestColumn{{Name: "y", Type: "int64"}}
	if _, err := files.Merge(m, other); err == nil {
		t.Error("merging different columns: want an error")
	}
	if err := s.Put(t.Context(), "m.json", []byte(`{"files": 1}`), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := files.GetManifest(t.Context(), s, "m.json"); !errors.Is(err, files.ErrCorrupt) {
		t.Errorf("a damaged manifest: %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"files":[{"name":"a","rows":1,"bytes":2,"sha256":"00"}],"rows":1,"bytes":2,"columns":[]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := storagetest.NewMemory("m", func() time.Time { return time.Time{} })
		if err := s.Put(t.Context(), "m", data, storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := files.GetManifest(t.Context(), s, "m"); err != nil && !errors.Is(err, files.ErrCorrupt) {
			t.Errorf("%v", err)
		}
	})
}

func TestSchemaTravels(t *testing.T) {
	t.Parallel()
	var fields []arrow.Field
	for i, typ := range filestest.Types() {
		fields = append(fields, arrow.Field{Name: fmt.Sprint(i), Type: typ, Nullable: i%2 == 0})
	}
	meta := arrow.MetadataFrom(map[string]string{"k": "v"})
	schema := arrow.NewSchema(fields, &meta)
	text, err := files.EncodeSchema(schema)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := files.DecodeSchema(text); err != nil || !got.Equal(schema) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "!", "AAAA"} {
		if _, err := files.DecodeSchema(bad); fault.Of(err) != fault.Usage {
			t.Errorf("%q: %v, want a usage error", bad, err)
		}
	}
}

func TestGuess(t *testing.T) {
	t.Parallel()
	g, err := files.NewGuesser(files.TextOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for texts, want := range map[string]string{
		"": "utf8", "1 2 -3": "int64", "1 2.5": "decimal(18, 1)", "123456789012345678": "int64", "1234567890123456789": "decimal(38, 0)",
		"1234567890123456789012345678901234567890": "utf8", "12345678901234567.25": "decimal(38, 2)", "007": "utf8", "0 0.0": "decimal(18, 1)", "-0.5": "decimal(18, 1)", "+1": "utf8",
		"1.": "utf8", ".5": "utf8", "true False": "bool", "true 1": "utf8", "2026-01-01": "date32", "2026-01-01 2026-01-01T00:00": "utf8", "2026-01-01T00:00:00": "timestamp[us]",
		"2026-01-01T00:00:00.123456789Z": "timestamp[ns, tz=UTC]", "2026-01-01T00:00:00Z 2026-01-01T00:00:00": "utf8", "2026-01-01T00:00:00+02:00": "timestamp[us, tz=UTC]", "2026-02-30": "utf8",
		"1e3": "int64", "1.25e1 3": "decimal(18, 1)", "x 1": "utf8",
	} {
		var guess files.Guess
		for _, text := range strings.Fields(texts) {
			g.AddText(&guess, []byte(text))
		}
		if got := guess.Type().String(); got != want {
			t.Errorf("%q: guessed %s, want %s", texts, got, want)
		}
	}
}

// A writer whose disk is full says so and leaves no file.
func TestWriterDiskFull(t *testing.T) {
	t.Parallel()
	inner := storagetest.NewMemory("m", nil)
	s := faults.Wrap(inner, 1, faults.StoreRule{Op: faults.OpWrite, When: faults.When{Skip: 2}, Err: fault.Mark(fault.Fault, storage.ErrNoSpace)})
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil)
	format := func(w io.Writer, _ *arrow.Schema) (files.Encoder, error) { return rawEncoder{w}, nil }
	w, err := files.NewWriter(s, "x", ".raw", schema, format, files.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	batch := filestest.Rows(schema, []any{1}, []any{2})
	defer batch.Release()
	for err == nil {
		err = w.Write(t.Context(), batch)
	}
	_, closeErr := w.Close(t.Context())
	if !errors.Is(err, storage.ErrNoSpace) || !errors.Is(closeErr, storage.ErrNoSpace) || fault.Of(closeErr) != fault.Fault {
		t.Errorf("write: %v; close: %v", err, closeErr)
	}
	for info := range inner.List(t.Context(), "") {
		t.Errorf("%s is left", info.Name)
	}
}

type rawEncoder struct{ w io.Writer }

func (e rawEncoder) Write(b arrow.RecordBatch) error {
	_, err := fmt.Fprintln(e.w, b.NumRows())
	return err
}
func (rawEncoder) Close() error { return nil }
