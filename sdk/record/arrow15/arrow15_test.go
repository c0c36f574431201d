package arrow15

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unsafe"

	v18 "github.com/apache/arrow-go/v18/arrow"
	array18 "github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	memory18 "github.com/apache/arrow-go/v18/arrow/memory"
	v15 "github.com/apache/arrow/go/v15/arrow"
	array15 "github.com/apache/arrow/go/v15/arrow/array"
	memory15 "github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/millrace/millrace/sdk/fault"
)

// columns are one column of each type with its values as JSON, two rows or more.
func columns() map[string]struct {
	t      v18.DataType
	values string
} {
	type c = struct {
		t      v18.DataType
		values string
	}
	text := v18.BinaryTypes.String
	return map[string]c{
		"null":       {v18.Null, `null null null`},
		"bool":       {v18.FixedWidthTypes.Boolean, `true null false`},
		"int8":       {v18.PrimitiveTypes.Int8, `-1 null 2`},
		"uint64":     {v18.PrimitiveTypes.Uint64, `1 null 18446744073709551615`},
		"float64":    {v18.PrimitiveTypes.Float64, `1.5 null -2`},
		"text":       {text, `"ab" null "cde"`},
		"large":      {v18.BinaryTypes.LargeString, `"ab" null "cde"`},
		"binary":     {v18.BinaryTypes.Binary, `"YWI=" null "Yw=="`},
		"fixed":      {&v18.FixedSizeBinaryType{ByteWidth: 2}, `"YWI=" null "YWI="`},
		"date":       {v18.FixedWidthTypes.Date32, `"2026-01-31" null "1969-12-31"`},
		"timestamp":  {v18.FixedWidthTypes.Timestamp_us, `"2026-01-31T10:00:00.000001Z" null "1969-12-31T00:00:00Z"`},
		"time":       {v18.FixedWidthTypes.Time64us, `"10:00:00.000001" null "00:00:00"`},
		"duration":   {v18.FixedWidthTypes.Duration_ms, `"1ms" null "5ms"`},
		"decimal":    {&v18.Decimal128Type{Precision: 38, Scale: 2}, `"12345678901234567890.12" null "-0.01"`},
		"decimal256": {&v18.Decimal256Type{Precision: 60, Scale: 3}, `"1.250" null "-1"`},
		"dictionary": {&v18.DictionaryType{IndexType: v18.PrimitiveTypes.Int16, ValueType: text}, `"EUR" null "CZK"`},
		"list":       {v18.ListOf(v18.PrimitiveTypes.Int32), `[1,null] null []`},
		"fixedlist":  {v18.FixedSizeListOf(2, text), `["a","b"] null ["c",null]`},
		"struct":     {v18.StructOf(v18.Field{Name: "a", Type: v18.PrimitiveTypes.Int64}, v18.Field{Name: "l", Type: v18.ListOf(&v18.Decimal128Type{Precision: 5, Scale: 1}), Nullable: true}), `{"a":1,"l":["1.5"]} null {"a":2,"l":null}`},
		"map":        {v18.MapOf(text, v18.PrimitiveTypes.Int64), `[{"key":"a","value":1}] null []`},
		"deep":       {v18.ListOf(v18.StructOf(v18.Field{Name: "d", Type: &v18.DictionaryType{IndexType: v18.PrimitiveTypes.Int8, ValueType: text}, Nullable: true})), `[{"d":"x"},{"d":"y"}] null [{"d":"x"}]`},
	}
}

func build18(t *testing.T, mem memory18.Allocator) v18.RecordBatch {
	t.Helper()
	var fields []v18.Field
	rows := make([]map[string]json.RawMessage, 3)
	for name, c := range columns() {
		fields = append(fields, v18.Field{Name: name, Type: c.t, Nullable: true, Metadata: v18.NewMetadata([]string{"column"}, []string{name})})
		for i, v := range strings.Fields(c.values) {
			if rows[i] == nil {
				rows[i] = map[string]json.RawMessage{}
			}
			rows[i][name] = json.RawMessage(v)
		}
	}
	meta := v18.NewMetadata([]string{"k"}, []string{"v"})
	b := array18.NewRecordBuilder(mem, v18.NewSchema(fields, &meta))
	defer b.Release()
	for _, r := range rows {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(line, b); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return b.NewRecordBatch()
}

func asJSON(t *testing.T, v json.Marshaler) string {
	t.Helper()
	b, err := v.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows { // v15 prints decimals by way of floats, and timestamps without a zone
		delete(r, "decimal")
		delete(r, "timestamp")
	}
	if b, err = json.Marshal(rows); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// addresses lists where the buffers of a column start, nested ones included, and the offsets and lengths.
func addresses18(d v18.ArrayData) []uintptr {
	out := []uintptr{uintptr(d.Offset()), uintptr(d.Len()), uintptr(d.NullN())}
	for _, b := range d.Buffers() {
		if b == nil {
			out = append(out, 0)
			continue
		}
		out = append(out, uintptr(unsafe.Pointer(unsafe.SliceData(b.Bytes()))), uintptr(b.Len()))
	}
	for _, c := range d.Children() {
		out = append(out, addresses18(c)...)
	}
	if dict := d.Dictionary(); d.DataType().ID() == v18.DICTIONARY {
		out = append(out, addresses18(dict)...)
	}
	return out
}

func addresses15(d v15.ArrayData) []uintptr {
	out := []uintptr{uintptr(d.Offset()), uintptr(d.Len()), uintptr(d.NullN())}
	for _, b := range d.Buffers() {
		if b == nil {
			out = append(out, 0)
			continue
		}
		out = append(out, uintptr(unsafe.Pointer(unsafe.SliceData(b.Bytes()))), uintptr(b.Len()))
	}
	for _, c := range d.Children() {
		out = append(out, addresses15(c)...)
	}
	if dict := d.Dictionary(); d.DataType().ID() == v15.DICTIONARY {
		out = append(out, addresses15(dict)...)
	}
	return out
}

func sameAddresses(t *testing.T, rec18 v18.RecordBatch, rec15 v15.Record) {
	t.Helper()
	for i := range int(rec18.NumCols()) {
		a, b := addresses18(rec18.Column(i).Data()), addresses15(rec15.Column(i).Data())
		if len(a) != len(b) {
			t.Fatalf("column %s has %d parts, then %d", rec18.ColumnName(i), len(a), len(b))
		}
		for j := range a {
			if a[j] != b[j] {
				t.Errorf("column %s: part %d is %x, then %x", rec18.ColumnName(i), j, a[j], b[j])
			}
		}
	}
}

func TestRoundTripSharesMemory(t *testing.T) {
	t.Parallel()
	mem := memory18.NewCheckedAllocator(memory18.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	rec := build18(t, mem)
	old, err := ToV15(rec)
	if err != nil {
		t.Fatal(err)
	}
	sameAddresses(t, rec, old)
	if got, want := asJSON(t, old), asJSON(t, rec); got != want {
		t.Errorf("v15 reads %s: want %s", got, want)
	}
	at := old.Schema().FieldIndices("decimal")[0]
	if got := old.Column(at).(*array15.Decimal128).Value(0).BigInt().String(); got != "1234567890123456789012" {
		t.Errorf("v15 reads the decimal %s", got)
	}
	back, err := FromV15(old)
	if err != nil {
		t.Fatal(err)
	}
	sameAddresses(t, back, old)
	if !back.Schema().Equal(rec.Schema()) || !array18.RecordEqual(back, rec) {
		t.Errorf("back %v: want %v", back, rec)
	}
	rec.Release() // the source goes first
	old.Release()
	if asJSON(t, back) == "" || mem.CurrentAlloc() == 0 {
		t.Error("the memory was freed while a batch still holds it")
	}
	back.Release()
}

func TestEitherMayBeReleasedFirst(t *testing.T) {
	t.Parallel()
	mem := memory18.NewCheckedAllocator(memory18.NewGoAllocator())
	rec := build18(t, mem)
	old, err := ToV15(rec)
	if err != nil {
		t.Fatal(err)
	}
	want := asJSON(t, rec)
	old.Retain()
	old.Release()
	old.Release()
	if got := asJSON(t, rec); got != want {
		t.Errorf("after the copy is released: %s", got)
	}
	rec.Release()
	mem.AssertSize(t, 0)
}

func TestSlicesKeepTheirOffsets(t *testing.T) {
	t.Parallel()
	mem := memory18.NewCheckedAllocator(memory18.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	rec := build18(t, mem)
	defer rec.Release()
	part := rec.NewSlice(1, 3)
	defer part.Release()
	old, err := ToV15(part)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Release()
	sameAddresses(t, part, old)
	if got, want := asJSON(t, old), asJSON(t, part); got != want {
		t.Errorf("slice reads %s: want %s", got, want)
	}
}

func TestFromV15FreesByItsOwnAllocator(t *testing.T) {
	t.Parallel()
	mem := memory15.NewCheckedAllocator(memory15.NewGoAllocator())
	schema := v15.NewSchema([]v15.Field{{Name: "n", Type: v15.PrimitiveTypes.Int64}, {Name: "s", Type: v15.BinaryTypes.String, Nullable: true}}, nil)
	b := array15.NewRecordBuilder(mem, schema)
	b.Field(0).(*array15.Int64Builder).AppendValues([]int64{1, 2}, nil)
	b.Field(1).(*array15.StringBuilder).AppendValues([]string{"a", ""}, []bool{true, false})
	old := b.NewRecord()
	b.Release()
	rec, err := FromV15(old)
	if err != nil {
		t.Fatal(err)
	}
	sameAddresses(t, rec, old)
	old.Release()
	if mem.CurrentAlloc() == 0 {
		t.Fatal("freed while in use")
	}
	if got := rec.Column(0).(*array18.Int64).Value(1); got != 2 || !rec.Column(1).IsNull(1) {
		t.Errorf("read %d", got)
	}
	rec.Release()
	mem.AssertSize(t, 0)
}

func TestUnionsAndRunEnds(t *testing.T) {
	t.Parallel()
	mem := memory18.NewCheckedAllocator(memory18.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	ree := array18.NewRunEndEncodedBuilder(mem, v18.PrimitiveTypes.Int32, v18.BinaryTypes.String)
	defer ree.Release()
	ree.Append(2)
	ree.ValueBuilder().(*array18.StringBuilder).Append("x")
	ree.AppendNull()
	runs := ree.NewArray()
	defer runs.Release()
	ub := array18.NewDenseUnionBuilder(mem, v18.DenseUnionOf([]v18.Field{{Name: "n", Type: v18.PrimitiveTypes.Int64}, {Name: "s", Type: v18.BinaryTypes.String}}, []v18.UnionTypeCode{3, 7}))
	defer ub.Release()
	ub.Append(3)
	ub.Child(0).(*array18.Int64Builder).Append(5)
	ub.Append(7)
	ub.Child(1).(*array18.StringBuilder).Append("five")
	ub.Append(3)
	ub.Child(0).(*array18.Int64Builder).Append(6)
	union := ub.NewArray()
	defer union.Release()
	schema := v18.NewSchema([]v18.Field{{Name: "r", Type: runs.DataType(), Nullable: true}, {Name: "u", Type: union.DataType()}}, nil)
	rec := array18.NewRecordBatch(schema, []v18.Array{runs, union}, 3)
	defer rec.Release()
	old, err := ToV15(rec)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Release()
	sameAddresses(t, rec, old)
	if got, want := asJSON(t, old), asJSON(t, rec); got != want {
		t.Errorf("v15 reads %s: want %s", got, want)
	}
}

func TestTypesWithoutCounterpart(t *testing.T) {
	t.Parallel()
	for _, typ := range []v18.DataType{&v18.Decimal64Type{Precision: 9, Scale: 2}, v18.ListOf(&v18.Decimal32Type{Precision: 5}),
		v18.StructOf(v18.Field{Name: "in", Type: &v18.Decimal64Type{Precision: 9}})} {
		_, err := SchemaToV15(v18.NewSchema([]v18.Field{{Name: "amount", Type: typ}}, nil))
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "column amount") || fault.Of(err) != fault.Usage {
			t.Errorf("%v: %v", typ, err)
		}
	}
}

func TestExtensionsBecomeTheirStorage(t *testing.T) {
	t.Parallel()
	s, err := SchemaToV15(v18.NewSchema([]v18.Field{{Name: "id", Type: extensions.NewUUIDType()}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	f := s.Field(0)
	if f.Type.ID() != v15.FIXED_SIZE_BINARY || f.Metadata.Len() != 2 || f.Metadata.Values()[0] != "arrow.uuid" {
		t.Errorf("uuid is %v with %v", f.Type, f.Metadata)
	}
}

func BenchmarkToV15(b *testing.B) {
	schema := v18.NewSchema([]v18.Field{{Name: "a", Type: v18.PrimitiveTypes.Int64}, {Name: "b", Type: v18.PrimitiveTypes.Int64}}, nil)
	rb := array18.NewRecordBuilder(memory18.NewGoAllocator(), schema)
	values := make([]int64, 65536)
	rb.Field(0).(*array18.Int64Builder).AppendValues(values, nil)
	rb.Field(1).(*array18.Int64Builder).AppendValues(values, nil)
	rec := rb.NewRecordBatch()
	for b.Loop() {
		old, err := ToV15(rec)
		if err != nil {
			b.Fatal(err)
		}
		old.Release()
	}
}
