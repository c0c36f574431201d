package csvio_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/filestest"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
	"pgregory.net/rapid"
)

// What is written is read back value by value, whatever the delimiter, marker and compression.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		batch := filestest.Batch(rt)
		defer batch.Release()
		w := csvio.WriteOptions{
			WriterOptions: files.WriterOptions{MaxRows: rapid.Int64Range(1, 50).Draw(rt, "rows a file"), Compression: rapid.SampledFrom([]files.Compression{"", files.Gzip, files.Zstd}).Draw(rt, "compression")},
			Delimiter:     rapid.SampledFrom([]string{"", ";", "\t", "|"}).Draw(rt, "delimiter"),
			Null:          rapid.SampledFrom([]string{"", "NULL", `\N`}).Draw(rt, "null"),
			NoHeader:      rapid.Bool().Draw(rt, "no header"),
			QuoteAll:      rapid.Bool().Draw(rt, "quote all"),
			CRLF:          rapid.Bool().Draw(rt, "crlf"),
		}
		s := storagetest.NewMemory("out", nil)
		out, err := csvio.NewWriter(s, "d/part", batch.Schema(), w)
		if err != nil {
			rt.Fatal(err)
		}
		if err := out.Write(t.Context(), batch); err != nil {
			rt.Fatal(err)
		}
		m, err := out.Close(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		if err := checkManifest(t, s, m, batch.NumRows(), w.MaxRows); err != nil {
			rt.Fatal(err)
		}
		opts := csvio.Options{Schema: batch.Schema(), Delimiter: w.Delimiter, Nulls: []string{w.Null}, NoHeader: w.NoHeader, SplitBytes: rapid.Int64Range(1, 500).Draw(rt, "split")}
		got, _, err := tryRead(t.Context(), s, "d/part-*", opts)
		if err != nil {
			rt.Fatal(err)
		}
		if want := texts(batch); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			rt.Fatalf("read %q\nwrote %q", got, want)
		}
	})
}

// checkManifest compares a manifest with what the store holds.
func checkManifest(t *testing.T, s storage.Store, m files.Manifest, rows, most int64) error {
	if m.Rows != rows {
		return fmt.Errorf("the manifest has %d rows, want %d", m.Rows, rows)
	}
	bytes := int64(0)
	for i, f := range m.Files {
		data, err := s.Get(t.Context(), f.Name)
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.SHA256 || int64(len(data)) != f.Bytes {
			return fmt.Errorf("%s: the manifest's checksum or size is wrong", f.Name)
		}
		if f.Rows > most || i < len(m.Files)-1 && f.Rows != most {
			return fmt.Errorf("%s has %d rows, want %d", f.Name, f.Rows, most)
		}
		bytes += f.Bytes
	}
	if bytes != m.Bytes {
		return fmt.Errorf("the manifest has %d bytes, the files %d", m.Bytes, bytes)
	}
	return nil
}

func TestWrittenText(t *testing.T) {
	t.Parallel()
	s := storagetest.NewMemory("out", nil)
	in := schema(col("id", arrow.PrimitiveTypes.Int64), col("a,b", arrow.BinaryTypes.String), col("amount", money(2)))
	w, err := csvio.NewWriter(s, "x", in, csvio.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	batch := filestest.Rows(in, []any{int64(1), "plain", "-0.50"}, []any{nil, nil, nil}, []any{int64(3), "", "7"}, []any{int64(4), "say \"hi\"\n", "1234567.89"})
	defer batch.Release()
	if err := w.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), "x-00000.csv")
	want := "id,\"a,b\",amount\n1,plain,-0.50\n,,\n3,\"\",7.00\n4,\"say \"\"hi\"\"\n\",1234567.89\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
}

func TestWriterMistakes(t *testing.T) {
	t.Parallel()
	s := storagetest.NewMemory("out", nil)
	id := schema(col("id", arrow.PrimitiveTypes.Int64))
	for name, opts := range map[string]csvio.WriteOptions{
		"delimiter": {Delimiter: "ab"}, "quote as delimiter": {Delimiter: `"`}, "marker": {Null: "a,b"},
		"compression": {WriterOptions: files.WriterOptions{Compression: "rar"}}, "rows": {WriterOptions: files.WriterOptions{MaxRows: -1}},
	} {
		if _, err := csvio.NewWriter(s, "x", id, opts); fault.Of(err) != fault.Usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
	if _, err := csvio.NewWriter(s, "x", schema(col("l", arrow.ListOf(arrow.PrimitiveTypes.Int64))), csvio.WriteOptions{}); fault.Of(err) != fault.Usage {
		t.Errorf("a list: %v", err)
	}
	for name, c := range map[string]struct {
		null string
		row  []any
	}{"a blank line": {"", []any{nil}}, "a number that is the marker": {"7", []any{int64(7)}}} {
		w, err := csvio.NewWriter(s, "x", id, csvio.WriteOptions{Null: c.null})
		if err != nil {
			t.Fatal(err)
		}
		batch := filestest.Rows(id, c.row)
		defer batch.Release()
		if err := w.Write(t.Context(), batch); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "marker") {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
		if _, err := w.Close(t.Context()); err == nil {
			t.Errorf("%s: close after a failed write: want an error", name)
		}
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
	}
	for info := range s.List(t.Context(), "") {
		t.Errorf("%s is visible after failed writes", info.Name)
	}
}
