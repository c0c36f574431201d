package catalog

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/fault"
)

// TestBucketRowsAgreesWithIceberg holds the vectorised transform against iceberg-go's.
func TestBucketRowsAgreesWithIceberg(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 1000).Draw(t, "buckets")
		v := rapid.Int64().Draw(t, "value")
		hi := rapid.Int64().Draw(t, "high")
		s := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
		wide := decimal128.New(hi>>8, uint64(v))
		fixed := append([]byte{0, 1, 2, 3, 4, 5, 6, 7}, fmt.Sprintf("%08x", uint32(v))...)
		for _, c := range []struct {
			typ  arrow.DataType
			text any
			lit  iceberg.Literal
		}{
			{arrow.PrimitiveTypes.Int64, v, iceberg.NewLiteral(v)},
			{arrow.PrimitiveTypes.Int32, int32(v), iceberg.NewLiteral(int32(v))},
			{arrow.FixedWidthTypes.Date32, arrow.Date32(v), iceberg.NewLiteral(iceberg.Date(v))},
			{arrow.FixedWidthTypes.Timestamp_us, arrow.Timestamp(v), iceberg.NewLiteral(iceberg.Timestamp(v))},
			{arrow.FixedWidthTypes.Time64us, arrow.Time64(v), iceberg.NewLiteral(iceberg.Time(v))},
			{&arrow.Decimal128Type{Precision: 38, Scale: 2}, decimal128.FromI64(v), iceberg.DecimalLiteral{Val: decimal128.FromI64(v), Scale: 2}},
			{&arrow.Decimal128Type{Precision: 38, Scale: 2}, wide, iceberg.DecimalLiteral{Val: wide, Scale: 2}},
			{arrow.BinaryTypes.String, string(s), iceberg.NewLiteral(string(s))},
			{arrow.BinaryTypes.Binary, s, iceberg.NewLiteral(s)},
			{&arrow.FixedSizeBinaryType{ByteWidth: 16}, fixed, iceberg.NewLiteral(fixed)},
		} {
			got, err := BucketRows(nil, oneRow(c.typ, c.text), n)
			if err != nil {
				t.Fatal(err)
			}
			want := iceberg.BucketTransform{NumBuckets: n}.Apply(iceberg.Optional[iceberg.Literal]{Valid: true, Val: c.lit})
			if w := int32(want.Val.(iceberg.Int32Literal)); got[0] != w {
				t.Fatalf("%s %v: bucket %d of %d, iceberg-go says %d", c.typ, c.text, got[0], n, w)
			}
		}
	})
}

func oneRow(t arrow.DataType, v any) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, t)
	switch b := b.(type) {
	case *array.Int64Builder:
		b.Append(v.(int64))
	case *array.Int32Builder:
		b.Append(v.(int32))
	case *array.Date32Builder:
		b.Append(v.(arrow.Date32))
	case *array.TimestampBuilder:
		b.Append(v.(arrow.Timestamp))
	case *array.Time64Builder:
		b.Append(v.(arrow.Time64))
	case *array.Decimal128Builder:
		b.Append(v.(decimal128.Num))
	case *array.StringBuilder:
		b.Append(v.(string))
	case *array.BinaryBuilder:
		b.Append(v.([]byte))
	case *array.FixedSizeBinaryBuilder:
		b.Append(v.([]byte))
	}
	return b.NewArray()
}

// TestBucketRowsRefuses covers what has no bucket.
func TestBucketRowsRefuses(t *testing.T) {
	t.Parallel()
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.Append(1)
	b.AppendNull()
	nulls := b.NewArray()
	f := array.NewFloat64Builder(memory.DefaultAllocator)
	f.Append(1)
	for name, col := range map[string]arrow.Array{"null": nulls, "float": f.NewArray()} {
		if _, err := BucketRows(nil, col, 4); fault.Of(err) != fault.Usage || err == nil {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
	if _, err := BucketRows(nil, nulls.(*array.Int64), 0); err == nil {
		t.Error("no buckets: want an error")
	}
}
