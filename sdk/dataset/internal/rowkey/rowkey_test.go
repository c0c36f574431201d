package rowkey

import (
	"bytes"
	"cmp"
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	bt "github.com/millrace/millrace/sdk/dataset/internal/batchtest"
)

// compareRows is the order that keys promise, written naively.
func compareRows(b arrow.RecordBatch, x, y int) int {
	for c := range int(b.NumCols()) {
		col := b.Column(c)
		if col.IsNull(x) || col.IsNull(y) {
			if r := cmp.Compare(btoi(col.IsValid(x)), btoi(col.IsValid(y))); r != 0 {
				return r
			}
			continue
		}
		r := 0
		switch col := col.(type) {
		case *array.Int64:
			r = cmp.Compare(col.Value(x), col.Value(y))
		case *array.Int32:
			r = cmp.Compare(col.Value(x), col.Value(y))
		case *array.Uint16:
			r = cmp.Compare(col.Value(x), col.Value(y))
		case *array.String:
			r = cmp.Compare(col.Value(x), col.Value(y))
		case *array.Boolean:
			r = cmp.Compare(btoi(col.Value(x)), btoi(col.Value(y)))
		case *array.Decimal128:
			r = col.Value(x).Cmp(col.Value(y))
		case *array.Date32:
			r = cmp.Compare(col.Value(x), col.Value(y))
		case *array.Timestamp:
			r = cmp.Compare(col.Value(x), col.Value(y))
		}
		if r != 0 {
			return r
		}
	}
	return 0
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestKeysOrderAsRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3).Draw(t, "columns")
		var fields []arrow.Field
		var names []string
		gens := make([]*rapid.Generator[string], n)
		for i := range n {
			ty := rapid.SampledFrom(bt.Types).Draw(t, "type")
			names = append(names, string(rune('a'+i)))
			fields = append(fields, bt.Field(names[i], ty.Type))
			gens[i] = rapid.OneOf(ty.Gen, ty.Gen, rapid.Just(bt.Null))
		}
		rows := make([]bt.Row, rapid.IntRange(2, 20).Draw(t, "rows"))
		for r := range rows {
			for c := range n {
				rows[r] = append(rows[r], gens[c].Draw(t, "value"))
			}
		}
		b := bt.Batch(t, bt.Schema(fields...), rows)
		b = b.NewSlice(1, b.NumRows())
		enc, err := New(b.Schema(), names)
		if err != nil {
			t.Fatal(err)
		}
		var k Keys
		enc.Encode(b, &k) // twice: buffers are reused
		enc.Encode(b, &k)
		for x := range k.Len() {
			for y := range k.Len() {
				if got, want := bytes.Compare(k.At(x), k.At(y)), compareRows(b, x, y); got != want {
					t.Fatalf("rows %v and %v compare as %d, their keys %x and %x as %d", rows[x+1], rows[y+1], want, k.At(x), k.At(y), got)
				}
			}
			if null := enc.HasNull(b, x); null != contains(rows[x+1], bt.Null) {
				t.Fatalf("HasNull(%v) = %v", rows[x+1], null)
			}
		}
	})
}

func contains(row bt.Row, text string) bool {
	for _, v := range row {
		if v == text {
			return true
		}
	}
	return false
}

func TestFloats(t *testing.T) {
	t.Parallel()
	values := []float64{math.Inf(-1), -1.5, math.Copysign(0, -1), 0, math.SmallestNonzeroFloat64, 2, math.Inf(1), math.NaN()}
	fb := array.NewFloat64Builder(memory.DefaultAllocator)
	fb.AppendValues(values, nil)
	b := array.NewRecordBatch(bt.Schema(bt.Field("f", arrow.PrimitiveTypes.Float64)), []arrow.Array{fb.NewArray()}, int64(len(values)))
	enc, err := New(b.Schema(), []string{"f"})
	if err != nil {
		t.Fatal(err)
	}
	var k Keys
	enc.Encode(b, &k)
	for i := 1; i < len(values); i++ {
		want := -1
		if i == 3 {
			want = 0 // -0.0 and 0.0
		}
		if got := bytes.Compare(k.At(i-1), k.At(i)); got != want {
			t.Errorf("%v and %v compare as %d, want %d", values[i-1], values[i], got, want)
		}
	}
}

func TestIntegersOfAllWidthsCompare(t *testing.T) {
	t.Parallel()
	small := bt.Batch(t, bt.Schema(bt.Field("k", arrow.PrimitiveTypes.Int16)), []bt.Row{{"-5"}})
	large := bt.Batch(t, bt.Schema(bt.Field("k", arrow.PrimitiveTypes.Int64)), []bt.Row{{"-5"}})
	var a, b Keys
	for _, x := range []struct {
		batch arrow.RecordBatch
		keys  *Keys
	}{{small, &a}, {large, &b}} {
		enc, err := New(x.batch.Schema(), []string{"k"})
		if err != nil {
			t.Fatal(err)
		}
		enc.Encode(x.batch, x.keys)
	}
	if !bytes.Equal(a.At(0), b.At(0)) {
		t.Errorf("keys differ: %x and %x", a.At(0), b.At(0))
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	schema := bt.Schema(bt.Field("list", arrow.ListOf(arrow.PrimitiveTypes.Int64)), bt.Field("a", arrow.PrimitiveTypes.Int64))
	for _, columns := range [][]string{{"list"}, {"b"}, {"a", "list"}} {
		if _, err := New(schema, columns); err == nil {
			t.Errorf("New(%v) succeeded", columns)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	ib, sb := array.NewInt64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
	for i := range 8192 {
		ib.Append(int64(i * 7919))
		sb.Append("account-000" + string(rune('0'+i%10)))
	}
	ints, texts := ib.NewArray(), sb.NewArray()
	batch := array.NewRecordBatch(bt.Schema(bt.Field("i", ints.DataType()), bt.Field("s", texts.DataType())), []arrow.Array{ints, texts}, 8192)
	for _, columns := range [][]string{{"i"}, {"s"}, {"i", "s"}} {
		b.Run(columns[0]+"…"+columns[len(columns)-1], func(b *testing.B) {
			enc, err := New(batch.Schema(), columns)
			if err != nil {
				b.Fatal(err)
			}
			var k Keys
			for b.Loop() {
				enc.Encode(batch, &k)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/8192, "ns/row")
		})
	}
}
