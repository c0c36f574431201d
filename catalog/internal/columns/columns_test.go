package columns

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/fault"
)

var testSchema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "n", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "d", Type: &arrow.Decimal128Type{Precision: 38, Scale: 2}, Nullable: true},
	{Name: "t", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
	{Name: "u", Type: &arrow.FixedSizeBinaryType{ByteWidth: 16}, Nullable: true},
	{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
	{Name: "i8", Type: arrow.PrimitiveTypes.Int8},
	{Name: "i16", Type: arrow.PrimitiveTypes.Int16},
	{Name: "f", Type: arrow.PrimitiveTypes.Float64},
}, nil)

// randomBatch draws small values so that ties are frequent, and slices the batch so that offsets are not 0.
func randomBatch(t *rapid.T, rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, testSchema)
	defer b.Release()
	small := rapid.Int64Range(-3, 3)
	null := rapid.IntRange(0, 3)
	for range rows + 2 {
		v := small.Draw(t, "v")
		b.Field(0).(*array.Int64Builder).Append(v)
		b.Field(5).(*array.TimestampBuilder).Append(arrow.Timestamp(v * 1000))
		b.Field(8).(*array.Int8Builder).Append(int8(v))
		b.Field(9).(*array.Int16Builder).Append(int16(v))
		b.Field(10).(*array.Float64Builder).Append(float64(v))
		if null.Draw(t, "null") == 0 {
			for _, i := range []int{1, 2, 3, 4, 6, 7} {
				b.Field(i).AppendNull()
			}
			continue
		}
		b.Field(1).(*array.Int32Builder).Append(int32(v))
		b.Field(2).(*array.StringBuilder).Append(rapid.SampledFrom([]string{"", "a", "a\x00", "prefix__a", "prefix__b", "prefix__"}).Draw(t, "s"))
		b.Field(3).(*array.BooleanBuilder).Append(v > 0)
		b.Field(4).(*array.Decimal128Builder).Append(decimal128.New(rapid.SampledFrom([]int64{-1, 0, 1, 7}).Draw(t, "hi"), uint64(v)))
		b.Field(6).(*array.FixedSizeBinaryBuilder).Append(bytes.Repeat([]byte{byte(v + 3)}, 16))
		l := b.Field(7).(*array.ListBuilder)
		l.Append(true)
		l.ValueBuilder().(*array.Int64Builder).Append(v)
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	return rec.NewSlice(1, int64(rows+1))
}

func drawSet(t *rapid.T) ([]arrow.RecordBatch, []Ref) {
	set := make([]arrow.RecordBatch, rapid.IntRange(1, 4).Draw(t, "batches"))
	var refs []Ref
	for i := range set {
		n := rapid.IntRange(0, 40).Draw(t, "rows")
		set[i] = randomBatch(t, n)
		for r := range n {
			refs = append(refs, Ref{uint32(i), uint32(r)})
		}
	}
	return set, refs
}

func TestGatherCopiesTheNamedRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set, all := drawSet(t)
		var refs []Ref
		if len(all) > 0 {
			if rapid.Bool().Draw(t, "run") {
				from := rapid.IntRange(0, len(all)-1).Draw(t, "from")
				refs = all[from:]
			} else {
				refs = rapid.SliceOfN(rapid.SampledFrom(all), 0, 60).Draw(t, "refs")
			}
		}
		gather := Gather
		if rapid.Bool().Draw(t, "reuse") {
			g := new(Gatherer)
			if first, err := g.Gather(testSchema, set, all); err != nil {
				t.Fatal(err)
			} else {
				first.Release()
			}
			gather = g.Gather
		}
		got, err := gather(testSchema, set, refs)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Release()
		if int(got.NumRows()) != len(refs) {
			t.Fatalf("rows: got %d, want %d", got.NumRows(), len(refs))
		}
		for i, r := range refs {
			for c := range testSchema.NumFields() {
				g, w := got.Column(c), set[r.Batch].Column(c)
				if !array.SliceEqual(g, int64(i), int64(i+1), w, int64(r.Row), int64(r.Row+1)) {
					t.Fatalf("row %d column %s: got %s, want %s", i, testSchema.Field(c).Name, g.ValueStr(i), w.ValueStr(int(r.Row)))
				}
			}
		}
	})
}

// slowCompare is the order, said once more and slowly.
func slowCompare(a arrow.Array, ra int, b arrow.Array, rb int) int {
	if a.IsNull(ra) || b.IsNull(rb) {
		return cmp.Compare(boolInt(!a.IsNull(ra)), boolInt(!b.IsNull(rb)))
	}
	switch x := a.(type) {
	case *array.String:
		return strings.Compare(x.Value(ra), b.(*array.String).Value(rb))
	case *array.Decimal128:
		return x.Value(ra).BigInt().Cmp(b.(*array.Decimal128).Value(rb).BigInt())
	case *array.FixedSizeBinary:
		return bytes.Compare(x.Value(ra), b.(*array.FixedSizeBinary).Value(rb))
	case *array.Float64:
		return cmp.Compare(x.Value(ra), b.(*array.Float64).Value(rb))
	}
	va, _ := Ints(a)
	vb, _ := Ints(b)
	return cmp.Compare(va[ra], vb[rb])
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestSortIsStableAndRight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set, refs := drawSet(t)
		by := rapid.SliceOfNDistinct(rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5, 6, 8, 9, 10}), 1, 3, rapid.ID[int]).Draw(t, "by")
		refs = rapid.Permutation(refs).Draw(t, "refs")
		want := slices.Clone(refs)
		slices.SortStableFunc(want, func(a, b Ref) int {
			for _, c := range by {
				if d := slowCompare(set[a.Batch].Column(c), int(a.Row), set[b.Batch].Column(c), int(b.Row)); d != 0 {
					return d
				}
			}
			return 0
		})
		o := NewOrder()
		for _, b := range set {
			cols := make([]arrow.Array, len(by))
			for i, c := range by {
				cols[i] = b.Column(c)
			}
			o.Add(cols)
		}
		o.Sort(refs)
		if !slices.Equal(refs, want) {
			t.Fatalf("by %v:\n got %v\nwant %v", by, refs, want)
		}
	})
}

func TestRadixSortIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		mask := rapid.SampledFrom([]uint64{0, 1, 0xff00, 0xffff_ffff, 1<<63 | 1, ^uint64(0)}).Draw(t, "mask")
		items := make([]item, radixFrom+rapid.IntRange(0, 400).Draw(t, "n"))
		for i := range items {
			items[i] = item{mix(seed+uint64(i)) & mask, Ref{0, uint32(i)}}
		}
		want := slices.Clone(items)
		slices.SortStableFunc(want, func(a, b item) int { return cmp.Compare(a.key, b.key) })
		(&sorter{}).byKey(items, make([]item, len(items)))
		if !slices.Equal(items, want) {
			t.Fatal("radix sort differs from a stable comparison sort")
		}
	})
}

func TestHashesAreIdentities(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rec := randomBatch(t, rapid.IntRange(1, 50).Draw(t, "rows"))
		defer rec.Release()
		keys := rapid.SliceOfNDistinct(rapid.SampledFrom([]int{0, 1, 2, 4, 6, 8}), 1, 3, rapid.ID[int]).Draw(t, "key")
		cols := make([]arrow.Array, len(keys))
		for i, k := range keys {
			cols[i] = rec.Column(k)
		}
		hs, err := HashKeys(nil, cols)
		if err != nil {
			t.Fatal(err)
		}
		hasNull := func(r int) bool {
			return slices.ContainsFunc(cols, func(c arrow.Array) bool { return c.IsNull(r) })
		}
		for a := range hs {
			for b := range hs {
				if hasNull(a) || hasNull(b) {
					continue
				}
				same := true
				for _, c := range cols {
					same = same && slowCompare(c, a, c, b) == 0
				}
				if same != (hs[a] == hs[b]) {
					t.Fatalf("rows %d and %d: equal keys %v, equal hashes %v", a, b, same, hs[a] == hs[b])
				}
			}
		}
	})
}

func TestHashSurvivesWidening(t *testing.T) {
	t.Parallel()
	narrow := array.NewInt32Builder(memory.DefaultAllocator)
	wide := array.NewInt64Builder(memory.DefaultAllocator)
	for _, v := range []int64{-5, 0, 7, 1 << 30} {
		narrow.Append(int32(v))
		wide.Append(v)
	}
	a, err := HashKeys(nil, []arrow.Array{narrow.NewArray()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := HashKeys(nil, []arrow.Array{wide.NewArray()})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(a, b) {
		t.Fatal("an int32 key and the same int64 key have different identities")
	}
}

func TestTypesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		CheckKeyType("f", arrow.PrimitiveTypes.Float64),
		CheckSortType("l", arrow.ListOf(arrow.PrimitiveTypes.Int64)),
	} {
		if fault.Of(err) != fault.Usage {
			t.Errorf("%v is not a usage error", err)
		}
	}
}

func BenchmarkHashInt64(b *testing.B) {
	bl := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range 65536 {
		bl.Append(int64(i))
	}
	cols := []arrow.Array{bl.NewArray()}
	hs := make([]Hash, 0, 65536)
	b.SetBytes(65536 * 8)
	for b.Loop() {
		hs, _ = HashKeys(hs[:0], cols)
	}
}

func ExampleOrder() {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues([]string{"loan", "card", "account"}, nil)
	o := NewOrder()
	o.Add([]arrow.Array{b.NewArray()})
	refs := []Ref{{0, 0}, {0, 1}, {0, 2}}
	o.Sort(refs)
	fmt.Println(refs[0].Row, refs[1].Row, refs[2].Row)
	// Output: 2 1 0
}
