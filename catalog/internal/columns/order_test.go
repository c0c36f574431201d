package columns

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"
)

// TestSortAgreesWithCompare holds the sort, in small and large sets, against the comparison that merges check the order by.
func TestSortAgreesWithCompare(t *testing.T) {
	t.Parallel()
	types := []arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Uint32, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary,
		arrow.PrimitiveTypes.Float64, &arrow.Decimal128Type{Precision: 38, Scale: 2}, arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Boolean}
	rapid.Check(t, func(t *rapid.T) {
		var fields []arrow.Field
		for i := range rapid.IntRange(1, 3).Draw(t, "columns") {
			fields = append(fields, arrow.Field{Name: string(rune('a' + i)), Type: rapid.SampledFrom(types).Draw(t, "type"), Nullable: true})
		}
		schema := arrow.NewSchema(fields, nil)
		var set []arrow.RecordBatch
		var refs []Ref
		order := NewOrder()
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			rec := drawSortable(t, schema, rapid.SampledFrom([]int{0, 1, 5, 700}).Draw(t, "rows"))
			for r := range rec.NumRows() {
				refs = append(refs, Ref{Batch: uint32(len(set)), Row: uint32(r)})
			}
			set = append(set, rec)
			order.Add(rec.Columns())
		}
		order.Sort(refs)
		for i := 1; i < len(refs); i++ {
			a, b := refs[i-1], refs[i]
			c := order.Compare(a, b)
			if c > 0 || c == 0 && (a.Batch > b.Batch || a.Batch == b.Batch && a.Row >= b.Row) {
				t.Fatalf("row %v before row %v: compares as %d", a, b, c)
			}
		}
	})
}

func drawSortable(t *rapid.T, schema *arrow.Schema, n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	seed := rapid.Uint64Range(1, 1<<62).Draw(t, "seed")
	texts := []string{"", "a", "a\x00", "abcdefgh", "abcdefghi", "abcdefgh\x00", "b", "\xff\xff\xff\xff\xff\xff\xff\xff"}
	floats := []float64{0, 1, -1, 1e300, -1e300}
	for i := range schema.Fields() {
		for range n {
			seed ^= seed << 13
			seed ^= seed >> 7
			seed ^= seed << 17
			v := int64(seed >> 40 % 7)
			if seed%11 == 0 {
				b.Field(i).AppendNull()
				continue
			}
			switch f := b.Field(i).(type) {
			case *array.Int64Builder:
				f.Append(v - 3)
			case *array.Uint32Builder:
				f.Append(uint32(v - 3))
			case *array.StringBuilder:
				f.Append(texts[seed>>20%8])
			case *array.BinaryBuilder:
				f.Append([]byte(texts[seed>>20%8]))
			case *array.Float64Builder:
				f.Append(floats[seed>>20%5])
			case *array.Date32Builder:
				f.Append(arrow.Date32(v - 3))
			case *array.BooleanBuilder:
				f.Append(v&1 == 0)
			case *array.Decimal128Builder:
				f.Append(decimal128.New((v-3)/2, uint64(v)<<62))
			}
		}
	}
	return b.NewRecordBatch()
}
