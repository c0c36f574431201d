package parquetfile_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// column makes a one-column batch.
func column(t arrow.DataType, nullable bool, add func(b array.Builder)) (*arrow.Schema, []arrow.RecordBatch) {
	schema := arrow.NewSchema([]arrow.Field{field(0, t, nullable)}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	add(b.Field(0))
	return schema, []arrow.RecordBatch{b.NewRecordBatch()}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("z", 14) + "ёж" // byte 16 lies within the second letter
	for _, c := range []struct {
		name         string
		typ          arrow.DataType
		add          func(b array.Builder)
		min, max     any
		lower, upper []byte
		nulls        int64
	}{
		{"int64", arrow.PrimitiveTypes.Int64, func(b array.Builder) { b.(*array.Int64Builder).AppendValues([]int64{5, -3, 70000}, nil) },
			int64(-3), int64(70000), []byte{0xfd, 255, 255, 255, 255, 255, 255, 255}, []byte{0x70, 0x11, 1, 0, 0, 0, 0, 0}, 0},
		{"int8 as int", arrow.PrimitiveTypes.Int8, func(b array.Builder) { b.(*array.Int8Builder).AppendValues([]int8{-1, 2}, nil) },
			int64(-1), int64(2), []byte{255, 255, 255, 255}, []byte{2, 0, 0, 0}, 0},
		{"uint32 as long", arrow.PrimitiveTypes.Uint32, func(b array.Builder) { b.(*array.Uint32Builder).AppendValues([]uint32{1, math.MaxUint32}, nil) },
			uint64(1), uint64(math.MaxUint32), []byte{1, 0, 0, 0, 0, 0, 0, 0}, []byte{255, 255, 255, 255, 0, 0, 0, 0}, 0},
		{"decimal 18", &arrow.Decimal128Type{Precision: 18, Scale: 2}, func(b array.Builder) {
			b.(*array.Decimal128Builder).AppendValues([]decimal128.Num{decimal128.FromI64(-129), decimal128.FromI64(128)}, nil)
		}, decimal128.FromI64(-129), decimal128.FromI64(128), []byte{0xff, 0x7f}, []byte{0, 0x80}, 0},
		{"decimal 38", &arrow.Decimal128Type{Precision: 38, Scale: 2}, func(b array.Builder) {
			b.(*array.Decimal128Builder).AppendValues([]decimal128.Num{decimal128.FromI64(-1), decimal128.New(1, 0)}, nil)
		}, decimal128.FromI64(-1), decimal128.New(1, 0), []byte{0xff}, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}, 0},
		{"double without NaN", arrow.PrimitiveTypes.Float64, func(b array.Builder) { b.(*array.Float64Builder).AppendValues([]float64{math.NaN(), 1, 2}, nil) },
			1.0, 2.0, []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, []byte{0, 0, 0, 0, 0, 0, 0, 0x40}, 0},
		{"date", arrow.FixedWidthTypes.Date32, func(b array.Builder) { b.(*array.Date32Builder).AppendValues([]arrow.Date32{-1, 300}, nil) }, int64(-1), int64(300), []byte{255, 255, 255, 255}, []byte{44, 1, 0, 0}, 0},
		{"milliseconds as microseconds", arrow.FixedWidthTypes.Timestamp_ms, func(b array.Builder) { b.(*array.TimestampBuilder).Append(2) },
			int64(2), int64(2), []byte{0xd0, 7, 0, 0, 0, 0, 0, 0}, []byte{0xd0, 7, 0, 0, 0, 0, 0, 0}, 0},
		{"bool", arrow.FixedWidthTypes.Boolean, func(b array.Builder) { b.(*array.BooleanBuilder).AppendValues([]bool{true, false}, nil) }, false, true, []byte{0}, []byte{1}, 0},
		{"short text", arrow.BinaryTypes.String, func(b array.Builder) { b.(*array.StringBuilder).AppendValues([]string{"", "b"}, nil) }, "", "b", []byte{}, []byte("b"), 0},
		{"long text", arrow.BinaryTypes.String, func(b array.Builder) { b.(*array.StringBuilder).Append(long + "ыы") },
			long + "ыы", long + "ыы", []byte(long[:16]), []byte(strings.Repeat("z", 14) + "ђ"), 0},
		{"unbounded binary", arrow.BinaryTypes.Binary, func(b array.Builder) { b.(*array.BinaryBuilder).Append(bytes.Repeat([]byte{255}, 20)) },
			bytes.Repeat([]byte{255}, 20), bytes.Repeat([]byte{255}, 20), bytes.Repeat([]byte{255}, 16), nil, 0},
		{"nulls", arrow.BinaryTypes.String, func(b array.Builder) { b.AppendNulls(3) }, nil, nil, nil, nil, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			schema, recs := column(c.typ, true, c.add)
			_, stats := write(t, schema, recs, parquetfile.WriterOptions{})
			s := stats.Columns[0]
			if !equalAny(s.Min, c.min) || !equalAny(s.Max, c.max) {
				t.Errorf("min %v, max %v, want %v, %v", s.Min, s.Max, c.min, c.max)
			}
			if !bytes.Equal(s.Lower, c.lower) || !bytes.Equal(s.Upper, c.upper) || (s.Upper == nil) != (c.upper == nil) || (s.Lower == nil) != (c.lower == nil) {
				t.Errorf("lower %x, upper %x, want %x, %x", s.Lower, s.Upper, c.lower, c.upper)
			}
			if s.Nulls != c.nulls || s.Values != recs[0].NumRows() || s.FieldID != 1 || s.Bytes <= 0 {
				t.Errorf("statistics %+v", s)
			}
		})
	}
}

func equalAny(a, b any) bool {
	x, ok := a.([]byte)
	y, ok2 := b.([]byte)
	if ok && ok2 {
		return bytes.Equal(x, y)
	}
	return a == b
}

// TestBoundsHold checks that every text lies within the bounds of any file, whatever the encodings and row groups.
func TestBoundsHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.String(), 1, 300).Draw(t, "values")
		schema, recs := column(arrow.BinaryTypes.String, false, func(b array.Builder) { b.(*array.StringBuilder).AppendValues(values, nil) })
		o := drawOptions(t)
		o.Encodings = map[string]parquetfile.Encoding{"c0": rapid.SampledFrom([]parquetfile.Encoding{parquetfile.Auto, parquetfile.Plain, parquetfile.Dictionary, parquetfile.DeltaLength}).Draw(t, "encoding")}
		b, stats := write(t, schema, recs, o)
		s := stats.Columns[0]
		for _, v := range values {
			if v < string(s.Lower) || (s.Upper != nil && v > string(s.Upper)) || v < s.Min.(string) || v > s.Max.(string) {
				t.Fatalf("%q is not between %q and %q", v, s.Lower, s.Upper)
			}
		}
		if len(s.Lower) > 16 || len(s.Upper) > 16 {
			t.Fatalf("bounds of %d and %d bytes", len(s.Lower), len(s.Upper))
		}
		_, cols := readOwn(t, b, parquetfile.ReaderOptions{Dictionaries: []string{"c0"}, BatchRows: 50})
		d := cols[0].(*array.Dictionary)
		for i, v := range values {
			if got := d.Dictionary().(*array.String).Value(d.GetValueIndex(i)); got != v {
				t.Fatalf("row %d is %q, want %q", i, got, v)
			}
		}
	})
}

// TestNullColumnsCostNothing: a million nulls take a few hundred bytes.
func TestNullColumnsCostNothing(t *testing.T) {
	t.Parallel()
	for _, typ := range []arrow.DataType{arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, &arrow.Decimal128Type{Precision: 30, Scale: 2}} {
		schema, recs := column(typ, true, func(b array.Builder) { b.AppendNulls(1 << 20) })
		_, stats := write(t, schema, recs, parquetfile.WriterOptions{})
		if s := stats.Columns[0]; s.Bytes > 1000 || s.Nulls != 1<<20 {
			t.Errorf("%s: %d nulls in %d bytes", typ, s.Nulls, s.Bytes)
		}
	}
}

// TestCodecSizes: hexadecimal keys, in which nothing repeats, shrink by ZstdSmall only.
func TestCodecSizes(t *testing.T) {
	t.Parallel()
	schema, recs := column(arrow.BinaryTypes.String, false, func(b array.Builder) {
		r := rng(99)
		for range 50000 {
			b.(*array.StringBuilder).Append(fmt.Sprintf("%016x", r.next()))
		}
	})
	_, fast := write(t, schema, recs, parquetfile.WriterOptions{})
	_, small := write(t, schema, recs, parquetfile.WriterOptions{Codec: parquetfile.ZstdSmall})
	if 10*small.Bytes > 6*fast.Bytes {
		t.Errorf("%d bytes small, %d fast", small.Bytes, fast.Bytes)
	}
}

// TestWriterDictionaryInput writes texts that come as Arrow dictionaries, several of them, beside plain ones.
func TestWriterDictionaryInput(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int16, ValueType: arrow.BinaryTypes.String}
		schema := arrow.NewSchema([]arrow.Field{field(0, arrow.BinaryTypes.String, true)}, nil)
		var recs []arrow.RecordBatch
		var want []string
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			distinct := rapid.SampledFrom([]int{1, 20, 30000}).Draw(t, "distinct")
			plain := rapid.Bool().Draw(t, "plain")
			b := array.NewBuilder(memory.DefaultAllocator, arrow.DataType(dt)).(*array.BinaryDictionaryBuilder)
			s := array.NewStringBuilder(memory.DefaultAllocator)
			for i := range rapid.IntRange(0, 2000).Draw(t, "rows") {
				v := text(int64(i*7919%distinct) + 1)
				if i%11 == 0 {
					b.AppendNull()
					s.AppendNull()
					want = append(want, array.NullValueStr)
					continue
				}
				if err := b.AppendString(v); err != nil {
					t.Fatal(err)
				}
				s.Append(v)
				want = append(want, v)
			}
			col := arrow.Array(b.NewArray())
			if plain {
				col = s.NewArray()
			}
			in := arrow.NewSchema([]arrow.Field{field(0, col.DataType(), true)}, nil)
			recs = append(recs, array.NewRecordBatch(in, []arrow.Array{col}, int64(col.Len())))
		}
		b, _ := write(t, schema, recs, drawOptions(t))
		_, cols := readOwn(t, b, parquetfile.ReaderOptions{})
		for i, w := range want {
			if got := cols[0].ValueStr(i); got != w {
				t.Fatalf("row %d is %q, want %q", i, got, w)
			}
		}
		if len(want) != cols[0].Len() {
			t.Fatalf("%d rows, want %d", cols[0].Len(), len(want))
		}
	})
}

// TestWriterRefuses covers mistakes of the caller.
func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	ints := arrow.NewSchema([]arrow.Field{field(0, arrow.PrimitiveTypes.Int64, false)}, nil)
	for what, c := range map[string]struct {
		schema *arrow.Schema
		o      parquetfile.WriterOptions
	}{
		"no columns":         {arrow.NewSchema(nil, nil), parquetfile.WriterOptions{}},
		"a type":             {arrow.NewSchema([]arrow.Field{field(0, arrow.FixedWidthTypes.MonthInterval, false)}, nil), parquetfile.WriterOptions{}},
		"seconds":            {arrow.NewSchema([]arrow.Field{field(0, arrow.FixedWidthTypes.Timestamp_s, false)}, nil), parquetfile.WriterOptions{}},
		"unknown encoding":   {ints, parquetfile.WriterOptions{Encodings: map[string]parquetfile.Encoding{"x": parquetfile.Plain}}},
		"dictionary of ints": {ints, parquetfile.WriterOptions{Encodings: map[string]parquetfile.Encoding{"c0": parquetfile.Dictionary}}},
		"unknown sort":       {ints, parquetfile.WriterOptions{SortedBy: []string{"x"}}},
		"sizes":              {ints, parquetfile.WriterOptions{RowGroupRows: -1}},
	} {
		if _, err := parquetfile.NewWriter(&bytes.Buffer{}, c.schema, c.o); err == nil || fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v, want a usage error", what, err)
		}
	}
	big := &arrow.Decimal128Type{Precision: 9, Scale: 2}
	for what, in := range map[string]func() (*arrow.Schema, []arrow.RecordBatch){
		"null in a required column": func() (*arrow.Schema, []arrow.RecordBatch) {
			return column(arrow.PrimitiveTypes.Int64, false, func(b array.Builder) { b.AppendNull() })
		},
		"decimal that does not fit": func() (*arrow.Schema, []arrow.RecordBatch) {
			return column(big, false, func(b array.Builder) { b.(*array.Decimal128Builder).Append(decimal128.FromI64(1_000_000_000)) })
		},
	} {
		schema, recs := in()
		w, err := parquetfile.NewWriter(&bytes.Buffer{}, schema, parquetfile.WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(recs[0]); err == nil || fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v, want a usage error", what, err)
		}
		if _, err := w.Close(); err == nil {
			t.Errorf("%s: the file was closed all the same", what)
		}
	}
}

// TestReaderRefuses covers columns and types that a file does not have.
func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	b := smallFile(t, 10)
	f, err := parquetfile.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for what, o := range map[string]parquetfile.ReaderOptions{
		"a column":          {Columns: []string{"nope"}},
		"a row group":       {RowGroups: []int{7}},
		"a required column": {Fields: []arrow.Field{field(90, arrow.PrimitiveTypes.Int64, false)}},
		"a narrower type":   {Fields: []arrow.Field{field(0, arrow.PrimitiveTypes.Int32, true)}},
		"another scale":     {Fields: []arrow.Field{field(2, &arrow.Decimal128Type{Precision: 30, Scale: 3}, true)}},
	} {
		if _, err := f.NewReader(t.Context(), o); err == nil || fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v, want a usage error", what, err)
		}
	}
}
