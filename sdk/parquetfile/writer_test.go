package parquetfile_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/parquetfile"
)

func write(t rapid.TB, schema *arrow.Schema, recs []arrow.RecordBatch, o parquetfile.WriterOptions) ([]byte, parquetfile.FileStats) {
	var buf bytes.Buffer
	w, err := parquetfile.NewWriter(&buf, schema, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	stats, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if stats.Bytes != int64(buf.Len()) {
		t.Fatalf("%d bytes written, stats say %d", buf.Len(), stats.Bytes)
	}
	return buf.Bytes(), stats
}

// readOther reads a file by arrow-go's own reader.
func readOther(t rapid.TB, b []byte) *pqarrowTable {
	f, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tab, err := r.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	out := &pqarrowTable{schema: tab.Schema()}
	for i := range int(tab.NumCols()) {
		chunks := tab.Column(i).Data().Chunks()
		if len(chunks) == 0 {
			out.cols = append(out.cols, array.NewBuilder(memory.DefaultAllocator, tab.Schema().Field(i).Type).NewArray())
			continue
		}
		a, err := array.Concatenate(chunks, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		out.cols = append(out.cols, a)
	}
	return out
}

type pqarrowTable struct {
	schema *arrow.Schema
	cols   []arrow.Array
}

// sameValues compares by value: an independent reader may choose another width for decimals.
func sameValues(t rapid.TB, name string, want, got arrow.Array) {
	t.Helper()
	if want.Len() != got.Len() {
		t.Fatalf("%s: %d rows, want %d", name, got.Len(), want.Len())
	}
	if arrow.TypeEqual(want.DataType(), got.DataType()) && array.Equal(want, got) {
		return
	}
	for i := range want.Len() {
		if w, g := want.ValueStr(i), got.ValueStr(i); w != g || want.IsNull(i) != got.IsNull(i) {
			t.Fatalf("%s (%s read as %s): row %d is %s, want %s", name, want.DataType(), got.DataType(), i, g, w)
		}
	}
}

func TestWriterReadByArrowGo(t *testing.T) {
	t.Parallel()
	for _, nested := range []bool{false, true} {
		rapid.Check(t, func(t *rapid.T) {
			schema := drawSchema(t, nested)
			recs := drawBatches(t, schema, 3000)
			b, _ := write(t, schema, recs, drawOptions(t))
			other := readOther(t, b)
			for i, want := range concat(t, schema, recs) {
				sameValues(t, schema.Field(i).Name, want, other.cols[i])
			}
		})
	}
}

func drawOptions(t *rapid.T) parquetfile.WriterOptions {
	return parquetfile.WriterOptions{
		RowGroupRows:  rapid.SampledFrom([]int64{0, 100, 4096}).Draw(t, "row group rows"),
		RowGroupBytes: rapid.SampledFrom([]int64{0, 10000}).Draw(t, "row group bytes"),
		PageBytes:     rapid.SampledFrom([]int{0, 1000}).Draw(t, "page bytes"),
		Codec:         rapid.SampledFrom([]parquetfile.Codec{parquetfile.Zstd, parquetfile.Snappy, parquetfile.Uncompressed, parquetfile.ZstdSmall}).Draw(t, "codec"),
		Beside:        rapid.Bool().Draw(t, "beside"),
	}
}
