package expr

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/money"
)

// bankSchema has a column of each kind; the names start with the kind's letter.
var bankSchema = arrow.NewSchema([]arrow.Field{
	{Name: "i", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "i32", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: "ireq", Type: arrow.PrimitiveTypes.Int64},
	{Name: "d2", Type: &arrow.Decimal128Type{Precision: 10, Scale: 2}, Nullable: true},
	{Name: "d6", Type: &arrow.Decimal128Type{Precision: 38, Scale: 6}, Nullable: true},
	{Name: "u64", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
	{Name: "f", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "f32", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "slarge", Type: arrow.BinaryTypes.LargeString, Nullable: true},
	{Name: "sdict", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}, Nullable: true},
	{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "breq", Type: arrow.FixedWidthTypes.Boolean},
	{Name: "y", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	{Name: "t", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
	{Name: "tns", Type: arrow.FixedWidthTypes.Timestamp_ns, Nullable: true},
	{Name: "x", Type: arrow.BinaryTypes.Binary, Nullable: true},
}, nil)

var sampleTexts = []string{"", "a", "ab", "abc", "b%", "čas", "card", "\u0000"}

// genBatch draws a batch of up to max rows, mostly of few distinct values, and slices it.
func genBatch(most int) *rapid.Generator[arrow.RecordBatch] {
	return rapid.Custom(func(t *rapid.T) arrow.RecordBatch {
		b := array.NewRecordBuilder(memory.DefaultAllocator, bankSchema)
		defer b.Release()
		n := rapid.IntRange(0, most).Draw(t, "rows")
		small := rapid.Int64Range(-3, 3)
		for range n {
			for i, f := range bankSchema.Fields() {
				if f.Nullable && rapid.IntRange(0, 4).Draw(t, "null") == 0 {
					b.Field(i).AppendNull()
					continue
				}
				appendCell(t, b.Field(i), f.Type, small)
			}
		}
		rec := b.NewRecordBatch()
		from := rapid.IntRange(0, n).Draw(t, "from")
		return rec.NewSlice(int64(from), int64(n))
	})
}

func appendCell(t *rapid.T, b array.Builder, dt arrow.DataType, small *rapid.Generator[int64]) {
	n := small.Draw(t, "n")
	big := rapid.IntRange(0, 5).Draw(t, "big") == 0
	switch b := b.(type) {
	case *array.Int64Builder:
		if big {
			n = rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, 1 << 40}).Draw(t, "edge")
		}
		b.Append(n)
	case *array.Int32Builder:
		if big {
			n = math.MinInt32
		}
		b.Append(int32(n))
	case *array.Uint64Builder:
		b.Append(uint64(n))
	case *array.Decimal128Builder:
		dec := decimal128.FromI64(n * rapid.SampledFrom([]int64{1, 50, 100, 1_000_000}).Draw(t, "unit"))
		if p := dt.(*arrow.Decimal128Type).Precision; big && p == 38 {
			dec = decimal128.GetMaxValue(38)
		}
		b.Append(dec)
	case *array.Float64Builder:
		b.Append(rapid.SampledFrom([]float64{float64(n), 0.5, math.NaN(), math.Inf(1), math.Copysign(0, -1), 1e300}).Draw(t, "float"))
	case *array.Float32Builder:
		b.Append(float32(n) / 2)
	case *array.StringBuilder:
		b.Append(rapid.SampledFrom(sampleTexts).Draw(t, "text"))
	case *array.LargeStringBuilder:
		b.Append(rapid.SampledFrom(sampleTexts).Draw(t, "text"))
	case *array.BinaryDictionaryBuilder:
		if err := b.AppendString(rapid.SampledFrom(sampleTexts).Draw(t, "text")); err != nil {
			t.Fatal(err)
		}
	case *array.BooleanBuilder:
		b.Append(n > 0)
	case *array.Date32Builder:
		b.Append(arrow.Date32(n))
	case *array.TimestampBuilder:
		unit := map[arrow.TimeUnit]int64{arrow.Microsecond: 1_000_000, arrow.Nanosecond: 1_000_000_000}[dt.(*arrow.TimestampType).Unit]
		b.Append(arrow.Timestamp(n*43200*unit + rapid.Int64Range(-1, 1).Draw(t, "tick")))
	case *array.BinaryBuilder:
		b.Append([]byte(rapid.SampledFrom(sampleTexts).Draw(t, "bytes")))
	default:
		t.Fatalf("no cell for %v", dt)
	}
}

func decimalOf(text string) money.Decimal {
	d, err := money.Parse(text)
	if err != nil {
		panic(err)
	}
	return d
}

// genNumber draws Int and Decimal expressions.
func genNumber(depth int) *rapid.Generator[Expr] {
	return rapid.Custom(func(t *rapid.T) Expr {
		if depth == 0 || rapid.IntRange(0, 2).Draw(t, "leaf") == 0 {
			return rapid.SampledFrom([]Expr{Col("i"), Col("i32"), Col("ireq"), Col("d2"), Col("d6"), Col("u64"), Lit(0), Lit(1), Lit(-2), Lit(nil),
				Lit(decimalOf("0.50")), Lit(decimalOf("-1.005")), Lit(decimalOf("100.0")), Lit(int64(math.MaxInt64))}).Draw(t, "leaf")
		}
		a, b := genNumber(depth-1).Draw(t, "a"), genNumber(depth-1).Draw(t, "b")
		switch rapid.IntRange(0, 10).Draw(t, "form") {
		case 10:
			return a.NullIf(b)
		case 0:
			return a.Add(b)
		case 1:
			return a.Sub(b)
		case 2:
			return a.Mul(b)
		case 3:
			return a.Div(b)
		case 4:
			return a.Neg()
		case 5:
			return a.Abs()
		case 6:
			return a.Round(rapid.IntRange(0, 4).Draw(t, "scale"), money.RoundingMode(rapid.IntRange(1, 7).Draw(t, "mode")))
		case 7:
			return Case().When(genBool(depth-1).Draw(t, "cond"), a).Else(b)
		case 8:
			return Coalesce(a, b, 7)
		}
		return a.Cast(rapid.SampledFrom([]Type{{Kind: Int}, DecimalType(12, 2), DecimalType(38, 8)}).Draw(t, "type"))
	})
}

// genOther draws two comparable expressions of another kind.
func genOther() *rapid.Generator[[3]Expr] {
	pair := func(leaves ...Expr) *rapid.Generator[[3]Expr] {
		return rapid.Custom(func(t *rapid.T) [3]Expr {
			one := rapid.SampledFrom(leaves)
			return [3]Expr{one.Draw(t, "x"), one.Draw(t, "y"), one.Draw(t, "z")}
		})
	}
	day := Day(1)
	return rapid.OneOf(
		pair(Col("f"), Col("f32"), Col("f").Add(Col("f32")), Col("f").Neg(), Col("f").Div(0.0), Col("d2").Cast(Type{Kind: Float}), Lit(0.5), Lit(nil)),
		pair(Col("s"), Col("slarge"), Col("sdict"), Lit("ab"), Lit(""), Lit(nil), Coalesce(Col("s"), Col("sdict")), Col("sdict").NullIf("a"), Col("slarge").NullIf(Col("s")), Case().When(Col("b"), Col("slarge")).Else("a")),
		pair(Col("y"), Lit(day), Col("t").Cast(Type{Kind: Date}), Col("tns").Cast(Type{Kind: Date})),
		pair(Col("t"), Col("tns"), Lit(day.Time().Add(time.Microsecond)), Lit(day.Time().Add(1)), Col("y").Cast(TimestampType()), Coalesce(Col("t"), Col("tns"))),
		pair(Col("x"), Lit([]byte("ab")), Lit(nil)),
		pair(Col("b"), Col("breq"), Lit(true), Lit(nil)),
	)
}

func genBool(depth int) *rapid.Generator[Expr] {
	return rapid.Custom(func(t *rapid.T) Expr {
		if depth <= 0 || rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
			switch rapid.IntRange(0, 8).Draw(t, "leaf form") {
			case 0:
				return rapid.SampledFrom([]Expr{Col("b"), Col("breq"), Lit(true), Lit(false), Lit(nil)}).Draw(t, "leaf")
			case 1:
				return rapid.SampledFrom([]Expr{Col("s"), Col("slarge"), Col("sdict")}).Draw(t, "text").
					Like(rapid.SampledFrom([]string{"a%", "%b", "%", "_", "a_%", "", "b\\%", "%a%b%", "__", "č%", "a%\\"}).Draw(t, "pattern"))
			case 2:
				return Col("y").Ge("1970-01-02")
			case 3:
				return Col("f").Gt(1)
			}
			var xs [3]Expr
			if rapid.Bool().Draw(t, "number") {
				n := genNumber(max(depth, 1))
				xs = [3]Expr{n.Draw(t, "x"), n.Draw(t, "y"), n.Draw(t, "z")}
			} else {
				xs = genOther().Draw(t, "other")
			}
			return genTest(t, xs)
		}
		sub := genBool(depth - 1)
		a, b := sub.Draw(t, "a"), sub.Draw(t, "b")
		switch rapid.IntRange(0, 5).Draw(t, "form") {
		case 0:
			return a.Not()
		case 1:
			return a.Or(b, sub.Draw(t, "c"))
		case 2:
			return Case().When(a, b).Else(sub.Draw(t, "c"))
		case 3:
			return a.NullIf(b)
		}
		return a.And(b)
	})
}

func genTest(t *rapid.T, xs [3]Expr) Expr {
	switch rapid.IntRange(0, 9).Draw(t, "test") {
	case 0:
		return xs[0].IsNull()
	case 1:
		return xs[0].IsNotNull()
	case 2:
		return xs[0].In(xs[1], xs[2])
	case 3:
		return xs[0].Between(xs[1], xs[2])
	}
	o := rapid.SampledFrom([]op{opEq, opNe, opLt, opLe, opGt, opGe}).Draw(t, "comparison")
	return node(o, xs[0], xs[1])
}

// rowsOf reads a batch for the naive evaluator.
func rowsOf(rec arrow.RecordBatch) []map[string]nval {
	out := make([]map[string]nval, rec.NumRows())
	for i := range out {
		out[i] = map[string]nval{}
		for c, f := range rec.Schema().Fields() {
			out[i][f.Name] = cell(rec.Column(c), i)
		}
	}
	return out
}

// checkAgainstNaive evaluates both ways and compares every row, null for null.
func checkAgainstNaive(t *rapid.T, e Expr, rec arrow.RecordBatch) {
	b, err := Bind(e, bankSchema)
	if err != nil {
		if strings.Contains(err.Error(), "more than 38") || strings.Contains(err.Error(), "do not compare") || strings.Contains(err.Error(), "no common type") {
			t.Skip("not well typed")
		}
		t.Fatalf("bind %s: %v", e, err)
	}
	want := make([]nval, rec.NumRows())
	var wantErr error
	for i, row := range rowsOf(rec) {
		if want[i], err = (naive{bankSchema, row}).eval(e); err != nil {
			wantErr = err
		}
	}
	got, err := b.Eval(rec)
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%s over %v: %v: want %v", e, rec, err, wantErr)
	}
	if err != nil {
		return
	}
	defer got.Release()
	if got.Len() != len(want) || !arrow.TypeEqual(got.DataType(), b.DataType()) {
		t.Fatalf("%s: %d values of %v: want %d of %v", e, got.Len(), got.DataType(), len(want), b.DataType())
	}
	if !b.Nullable() && got.NullN() > 0 {
		t.Fatalf("%s is not nullable but has nulls: %v", e, got)
	}
	for i, w := range want {
		if b.Type().Kind == Null {
			if !w.null {
				t.Fatalf("%s: row %d is null: want %v", e, i, w)
			}
			continue
		}
		g := cell(got, i)
		if g.null != w.null || !g.null && compareValues(g, w) != 0 {
			t.Fatalf("%s: row %d of %v is %+v: want %+v", e, i, rec, g, w)
		}
	}
}

func TestBoolsAgreeWithNaive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		checkAgainstNaive(t, genBool(3).Draw(t, "e"), genBatch(6).Draw(t, "batch"))
	})
}

func TestNumbersAgreeWithNaive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		checkAgainstNaive(t, genNumber(3).Draw(t, "e"), genBatch(6).Draw(t, "batch"))
	})
}

func TestOthersAgreeWithNaive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		checkAgainstNaive(t, genOther().Draw(t, "e")[0], genBatch(100).Draw(t, "batch"))
	})
}

func TestFilterKeepsTheTrueRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rec := genBatch(150).Draw(t, "batch")
		cond := rapid.SampledFrom([]Expr{Col("b"), Col("breq"), Col("i").Gt(0), Col("s").Ne("a"), Lit(true), Lit(nil), Col("f").Le(0.5), Col("ireq").IsNotNull()}).Draw(t, "cond")
		b, err := Bind(cond, bankSchema)
		if err != nil {
			t.Fatal(err)
		}
		sel, err := b.Select(rec)
		if err != nil {
			t.Fatal(err)
		}
		out, err := b.Filter(rec)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Release()
		rows, at := rowsOf(rec), 0
		kept := rowsOf(out)
		for i, row := range rows {
			v, err := (naive{bankSchema, row}).eval(cond)
			if err != nil {
				t.Fatal(err)
			}
			if yes := !v.null && v.b; yes != sel.Has(i) {
				t.Fatalf("row %d is %v for %s: want %v", i, sel.Has(i), cond, yes)
			}
			if !sel.Has(i) {
				continue
			}
			for name, want := range row {
				if got := kept[at][name]; got.null != want.null || !got.null && compareValues(got, want) != 0 {
					t.Fatalf("kept row %d, %s: %+v: want %+v", at, name, got, want)
				}
			}
			at++
		}
		if at != len(kept) || at != sel.Count() {
			t.Fatalf("%d rows kept, %d selected: want %d", len(kept), sel.Count(), at)
		}
	})
}
