package catalog

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// risingRows makes n rows whose ids rise from a number on.
func risingRows(from, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, postings)
	defer b.Release()
	for i := from; i < from+n; i++ {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("account-%030d", i%300))
		if err := b.Field(2).AppendValueFromString(fmt.Sprintf("%d.%02d", i%1000, i%100)); err != nil {
			panic(err)
		}
		b.Field(3).(*array.StringBuilder).Append("memo")
		b.Field(4).(*array.Int32Builder).Append(int32(i))
	}
	return b.NewRecordBatch()
}

// TestWriteInOrder: rows that come in a table's order stream into one file; where the order ends, what came before is a
// file of its own and the rest is sorted. Few rows are never parted.
func TestWriteInOrder(t *testing.T) {
	t.Parallel()
	const many = 30_000 // a batch of so many rows is near half of streamFrom
	for name, c := range map[string]struct {
		batches []arrow.RecordBatch
		files   int
	}{
		"few":                   {[]arrow.RecordBatch{risingRows(0, 100), risingRows(100, 1), risingRows(101, 50)}, 1},
		"few out of order":      {[]arrow.RecordBatch{risingRows(100, 100), risingRows(0, 100)}, 1},
		"many":                  {[]arrow.RecordBatch{risingRows(0, many), risingRows(many, many), risingRows(2*many, many), risingRows(3*many, 7)}, 1},
		"equal ends":            {[]arrow.RecordBatch{risingRows(0, many), risingRows(many-1, many), risingRows(2*many, many)}, 1},
		"many, then one before": {[]arrow.RecordBatch{risingRows(1, many), risingRows(many+1, many), risingRows(2*many+1, many), risingRows(0, 1), risingRows(3*many+1, 9)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := openTestLake(t)
			spec := postingSpec(0, true)
			spec.SortBy = []string{"id"}
			to := makePostings(t, l, spec)
			var want []string
			for _, r := range c.batches {
				want = append(want, textRows(r)...)
			}
			files := writeRows(t, l, to, WriterOptions{EpochID: "e1", Nonce: "n1"}, c.batches...)
			checkFiles(t, to, files, int64(len(want)))
			if len(files) != c.files {
				t.Errorf("%d files, want %d", len(files), c.files)
			}
			commitFiles(t, l, "e1", TableChange{Add: files})
			sameRows(t, want, scanAll(t, l, ScanOptions{}, ReadOptions{MergeBy: spec.SortBy}, nil)) // a merge checks the order
		})
	}
}
