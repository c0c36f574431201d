package parquetfile_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/parquetfile"
)

// TestWhere reads only batches that a condition wants, and compares them with the same rows of a whole read.
func TestWhere(t *testing.T) {
	t.Parallel()
	for _, nested := range []bool{false, true} {
		rapid.Check(t, func(t *rapid.T) {
			schema := drawSchema(t, nested)
			recs := drawBatches(t, schema, 2000)
			b, _ := write(t, schema, recs, drawOptions(t))
			_, all := readOwn(t, b, parquetfile.ReaderOptions{})
			o := drawReader(t)
			percent := rapid.SampledFrom([]int{0, 2, 50, 100}).Draw(t, "wanted")
			r := rng(rapid.Uint64Range(1, 1<<50).Draw(t, "seed"))
			col := rapid.IntRange(0, schema.NumFields()-1).Draw(t, "column")
			var wanted []int64 // rows of wanted batches
			calls := int64(0)
			o.Where = &parquetfile.Where{Columns: []int{col}, Keep: func(rec arrow.RecordBatch) (bool, error) {
				at := calls
				calls += rec.NumRows()
				if r.below(100) >= percent {
					return false, nil
				}
				for i := range rec.NumRows() {
					wanted = append(wanted, at+i)
				}
				return true, nil
			}}
			rd, err := parquetfile.Open(bytes.NewReader(b), int64(len(b)), o)
			if err != nil {
				t.Fatal(err)
			}
			defer rd.Close()
			var got []arrow.RecordBatch // looked at when all is read, so that no batch may share memory with what came after
			var rows []int64
			for {
				rec, err := rd.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got, rows = append(got, rec), append(rows, rd.Row())
			}
			n := 0
			for b, rec := range got {
				for i := range int(rec.NumRows()) {
					if rows[b]+int64(i) != wanted[n] {
						t.Fatalf("row %d of the batch is row %d of the file, want %d", i, rows[b]+int64(i), wanted[n])
					}
					for c, a := range rec.Columns() {
						if !array.SliceEqual(a, int64(i), int64(i+1), all[c], wanted[n], wanted[n]+1) {
							t.Fatalf("column %d, row %d: %s, want %s", c, wanted[n], a.ValueStr(i), all[c].ValueStr(int(wanted[n])))
						}
					}
					n++
				}
			}
			if n != len(wanted) || len(all) > 0 && calls != int64(all[0].Len()) {
				t.Fatalf("%d rows of %d wanted, %d looked at", n, len(wanted), calls)
			}
		})
	}
}
