package parquetfile_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/parquetfile"
)

// readOwn reads a file whole.
func readOwn(t rapid.TB, b []byte, o parquetfile.ReaderOptions) (*arrow.Schema, []arrow.Array) {
	r, err := parquetfile.Open(bytes.NewReader(b), int64(len(b)), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var recs []arrow.RecordBatch
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	return r.Schema(), concat(t, r.Schema(), recs)
}

func drawReader(t *rapid.T) parquetfile.ReaderOptions {
	return parquetfile.ReaderOptions{
		BatchRows:     rapid.SampledFrom([]int{0, 1, 7, 100, 1000}).Draw(t, "batch rows"),
		PrefetchBytes: rapid.SampledFrom([]int64{0, 1, 1000}).Draw(t, "prefetch"),
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, nested := range []bool{false, true} {
		rapid.Check(t, func(t *rapid.T) {
			schema := drawSchema(t, nested)
			recs := drawBatches(t, schema, 3000)
			b, _ := write(t, schema, recs, drawOptions(t))
			got, cols := readOwn(t, b, drawReader(t))
			if !got.Equal(schema) && !nested {
				t.Fatalf("schema %s read as %s", schema, got)
			}
			for i, want := range concat(t, schema, recs) {
				sameValues(t, schema.Field(i).Name, want, cols[i])
			}
		})
	}
}

// TestReadFilesOfArrowGo reads what another writer made, in all of its encodings, page versions and codecs.
func TestReadFilesOfArrowGo(t *testing.T) {
	t.Parallel()
	for _, nested := range []bool{false, true} {
		rapid.Check(t, func(t *rapid.T) {
			schema := drawSchema(t, nested)
			recs := drawBatches(t, schema, 1000)
			b := writeOther(t, schema, recs)
			_, cols := readOwn(t, b, drawReader(t))
			for i, want := range concat(t, schema, recs) {
				sameValues(t, schema.Field(i).Name, want, cols[i])
			}
		})
	}
}

func writeOther(t *rapid.T, schema *arrow.Schema, recs []arrow.RecordBatch) []byte {
	version := parquet.DataPageV1
	if rapid.Bool().Draw(t, "v2") {
		version = parquet.DataPageV2
	}
	codecs := []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Brotli, compress.Codecs.Zstd, compress.Codecs.Lz4Raw}
	props := []parquet.WriterProperty{
		parquet.WithDataPageVersion(version),
		parquet.WithCompression(rapid.SampledFrom(codecs).Draw(t, "codec")),
		parquet.WithDictionaryDefault(rapid.Bool().Draw(t, "dictionary")),
		parquet.WithDataPageSize(rapid.SampledFrom([]int64{100, 1 << 20}).Draw(t, "page")),
		parquet.WithMaxRowGroupLength(rapid.SampledFrom([]int64{50, 1 << 20}).Draw(t, "rows")),
		parquet.WithDictionaryPageSizeLimit(rapid.SampledFrom([]int64{100, 1 << 20}).Draw(t, "dictionary limit")),
		parquet.WithStoreDecimalAsInteger(rapid.Bool().Draw(t, "int decimals")),
	}
	for _, f := range schema.Fields() {
		switch f.Type.ID() {
		case arrow.STRING, arrow.BINARY:
			e := rapid.SampledFrom([]parquet.Encoding{parquet.Encodings.Plain, parquet.Encodings.DeltaByteArray, parquet.Encodings.DeltaLengthByteArray}).Draw(t, "encoding")
			props = append(props, parquet.WithEncodingFor(f.Name, e))
		case arrow.INT32, arrow.INT64, arrow.TIMESTAMP:
			e := rapid.SampledFrom([]parquet.Encoding{parquet.Encodings.Plain, parquet.Encodings.DeltaBinaryPacked, parquet.Encodings.ByteStreamSplit}).Draw(t, "encoding")
			props = append(props, parquet.WithEncodingFor(f.Name, e))
		case arrow.FLOAT32, arrow.FLOAT64:
			e := rapid.SampledFrom([]parquet.Encoding{parquet.Encodings.Plain, parquet.Encodings.ByteStreamSplit}).Draw(t, "encoding")
			props = append(props, parquet.WithEncodingFor(f.Name, e))
		}
	}
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &buf, parquet.NewWriterProperties(props...), pqarrow.NewArrowWriterProperties(pqarrow.WithAllocator(memory.DefaultAllocator)))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if r.NumRows() == 0 {
			continue
		}
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestReaderFreesMemory counts what an allocator gave: all of it comes back, from files read to the end, in part, or with an error.
func TestReaderFreesMemory(t *testing.T) {
	t.Parallel()
	b := smallFile(t, 200)
	damaged := bytes.Clone(b)
	damaged[len(b)/3] ^= 1
	for _, file := range [][]byte{b, damaged} {
		for batches := range 6 {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			r, err := parquetfile.Open(bytes.NewReader(file), int64(len(file)), parquetfile.ReaderOptions{Allocator: mem, BatchRows: 30, Dictionaries: []string{"c5"}})
			if err != nil {
				t.Fatal(err)
			}
			for range batches * 2 {
				rec, err := r.Next()
				if err != nil {
					break
				}
				rec.Release()
			}
			r.Close()
			mem.AssertSize(t, 0)
		}
	}
}

// TestRecycler reads with memory that is used again, and still gets the same rows.
func TestRecycler(t *testing.T) {
	t.Parallel()
	b := smallFile(t, 3000)
	_, want := readOwn(t, b, parquetfile.ReaderOptions{})
	mem := parquetfile.NewRecycler(0)
	for range 3 {
		r, err := parquetfile.Open(bytes.NewReader(b), int64(len(b)), parquetfile.ReaderOptions{Allocator: mem, BatchRows: 300})
		if err != nil {
			t.Fatal(err)
		}
		at := int64(0)
		for {
			rec, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range rec.Columns() {
				if !array.SliceEqual(c, 0, rec.NumRows(), want[i], at, at+rec.NumRows()) {
					t.Fatalf("column %d from row %d differs", i, at)
				}
			}
			at += rec.NumRows()
			rec.Release()
		}
		r.Close()
	}
}
