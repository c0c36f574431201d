package parquetfile_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/parquetfile"
)

// smallFile is a file of a few rows of several types, with nulls and a list.
func smallFile(t testing.TB, n int) []byte {
	schema := arrow.NewSchema([]arrow.Field{
		field(0, arrow.PrimitiveTypes.Int64, false), field(1, arrow.BinaryTypes.String, true),
		field(2, &arrow.Decimal128Type{Precision: 20, Scale: 2}, true), field(3, arrow.FixedWidthTypes.Boolean, true),
		field(4, arrow.ListOf(arrow.PrimitiveTypes.Int32), true), field(5, arrow.BinaryTypes.String, false),
		field(6, arrow.PrimitiveTypes.Float64, false),
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	r := rng(7)
	for i, f := range schema.Fields() {
		fill(b.Field(i), f, n, &r, shape{distinct: []int{1 << 40, 3}[i%2], nulls: 20})
	}
	file, _ := write(t, schema, []arrow.RecordBatch{b.NewRecordBatch()}, parquetfile.WriterOptions{RowGroupRows: 40})
	return file
}

// readDamaged reads a file that may be damaged and complains about errors that are not said to be damage.
func readDamaged(t testing.TB, b []byte) error {
	r, err := parquetfile.Open(bytes.NewReader(b), int64(len(b)), parquetfile.ReaderOptions{BatchRows: 64})
	if err == nil {
		defer r.Close()
		for range 200 { // a damaged footer may promise any number of nulls
			var rec arrow.RecordBatch
			if rec, err = r.Next(); err != nil {
				break
			}
			for i, c := range rec.Columns() {
				for k := range c.Len() {
					_ = c.ValueStr(k)
				}
				if c.Len() != int(rec.NumRows()) {
					t.Fatalf("column %d has %d of %d rows", i, c.Len(), rec.NumRows())
				}
			}
			rec.Release()
		}
	}
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	if !errors.Is(err, parquetfile.ErrCorrupt) && !errors.Is(err, parquetfile.ErrUnsupported) {
		t.Fatalf("error without a cause: %v", err)
	}
	if strings.Contains(err.Error(), "runtime error") {
		t.Fatalf("panic: %v", err)
	}
	return err
}

func FuzzReader(f *testing.F) {
	files, err := filepath.Glob("testdata/others/*.parquet")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(smallFile(f, 100))
	f.Add(smallFile(f, 0))
	f.Fuzz(func(t *testing.T, b []byte) { _ = readDamaged(t, b) })
}

// TestReadTruncated cuts a file at every length: never a panic, always an error that says damage.
func TestReadTruncated(t *testing.T) {
	t.Parallel()
	b := smallFile(t, 100)
	for n := range len(b) {
		if err := readDamaged(t, b[:n]); !errors.Is(err, parquetfile.ErrCorrupt) {
			t.Fatalf("cut at byte %d of %d: %v", n, len(b), err)
		}
	}
}

// TestReadFlippedBits flips bits of the pages, which their checksums must notice, and of the footer.
func TestReadFlippedBits(t *testing.T) {
	t.Parallel()
	b := smallFile(t, 100)
	footer := len(b) - 8 - int(uint32(b[len(b)-8])|uint32(b[len(b)-7])<<8|uint32(b[len(b)-6])<<16)
	for at := 4; at < len(b); at++ {
		for _, bit := range []byte{1, 0x40} {
			d := bytes.Clone(b)
			d[at] ^= bit
			err := readDamaged(t, d)
			if err == nil && at < footer {
				// What a header says of sizes and levels is not under the checksum, but a change there must not give other rows.
				_, want := readOwn(t, b, parquetfile.ReaderOptions{})
				_, got := readOwn(t, d, parquetfile.ReaderOptions{})
				for i := range want {
					sameValues(t, "flipped", want[i], got[i])
				}
			}
		}
	}
}
