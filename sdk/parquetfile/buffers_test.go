package parquetfile

import (
	"bytes"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// TestBuffersAreLent writes files side by side from one lender: each is as it is from memory of its own.
func TestBuffersAreLent(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "paid", Type: arrow.FixedWidthTypes.Boolean},
	}, nil)
	rows := func(seed, n int) arrow.RecordBatch {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		defer b.Release()
		for i := range n {
			b.Field(0).(*array.Int64Builder).Append(int64(seed * i))
			if i%7 == seed%7 {
				b.Field(1).AppendNull()
			} else {
				b.Field(1).(*array.StringBuilder).Append(string(rune('a' + (seed+i)%20)))
			}
			b.Field(2).(*array.BooleanBuilder).Append(i%seed == 0)
		}
		return b.NewRecordBatch()
	}
	file := func(lender *Buffers, seed int) []byte {
		var out bytes.Buffer
		w, err := NewWriter(nil, schema, WriterOptions{Buffers: lender, RowGroupRows: 500})
		if err != nil {
			t.Error(err)
			return nil
		}
		for range 2 {
			out.Reset()
			w.Reset(&out)
			rec := rows(seed, 300*seed)
			err = w.Write(rec)
			rec.Release()
			if err == nil {
				_, err = w.Close()
			}
			if err != nil {
				t.Error(err)
			}
		}
		return out.Bytes()
	}
	lender := NewBuffers(1 << 20)
	var g sync.WaitGroup
	for seed := 1; seed <= 8; seed++ {
		g.Go(func() {
			if !bytes.Equal(file(lender, seed), file(nil, seed)) {
				t.Errorf("file %d differs", seed)
			}
		})
	}
	g.Wait()
	if lender.held == 0 || lender.held > 1<<20 {
		t.Errorf("the lender holds %d bytes of at most %d", lender.held, 1<<20)
	}
}
