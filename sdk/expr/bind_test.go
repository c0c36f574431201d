package expr

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/record"
)

func mustParse(t testing.TB, text string) Expr {
	t.Helper()
	e, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// batchOf builds a batch from a schema and one JSON object a line.
func batchOf(t testing.TB, schema *arrow.Schema, lines ...string) arrow.RecordBatch {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, l := range lines {
		if err := b.UnmarshalJSON([]byte(l)); err != nil {
			t.Fatal(err)
		}
	}
	return b.NewRecordBatch()
}

// show is a value as text; decimals keep their scale, which Arrow's own text does not.
func show(a arrow.Array, i int) string {
	if d, ok := a.(*array.Decimal128); ok && d.IsValid(i) {
		return decimalText(record.Int128s(d)[i], scaleOf(TypeOf(d.DataType())))
	}
	return a.ValueStr(i)
}

// evaluate is the values of an expression over a batch, as text.
func evaluate(t testing.TB, text string, rec arrow.RecordBatch) (string, error) {
	t.Helper()
	b, err := Bind(mustParse(t, text), rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	a, err := b.Eval(rec)
	if err != nil {
		return "", err
	}
	defer a.Release()
	values := make([]string, a.Len())
	for i := range values {
		values[i] = show(a, i)
	}
	return strings.Join(values, " "), nil
}

func TestResultTypes(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"i + 1": "int64", "i * i": "int64", "i / 2": "decimal(25,6)", "i / i": "decimal(25,6)", "-i": "int64", "i + d2": "decimal(22,2)",
		"d2 + d2": "decimal(11,2)", "d2 - d6": "decimal(38,6)", "d2 * d2": "decimal(20,4)", "d2 * 1.5": "decimal(12,3)", "d2 + 1": "decimal(11,2)",
		"d2 / d2": "decimal(16,6)", "d2 / 0.0001": "decimal(18,6)", "-d2": "decimal(10,2)", "abs(d2)": "decimal(10,2)",
		"round(d2, 1, 'up')": "decimal(10,1)", "round(d2, 4, 'up')": "decimal(13,4)", "u64 + 1": "decimal(21,0)", "f / 2": "float64", "f + f32": "float64",
		"case when b then d2 else i end": "decimal(21,2)", "coalesce(d2, d6)": "decimal(38,6)", "coalesce(i, null)": "int64", "coalesce(t, tns)": "timestamptz(ns)",
		"null": "null", "null = 1": "bool", "i > 1.5": "bool", "cast(d2 as int64)": "int64", "s": "string", "sdict": "string", "i32": "int64", "null + null": "int64",
		"nullif(i, 0)": "int64", "coalesce(f, 1)": "float64", "coalesce(y, '2026-01-01')": "date",
	}
	for text, want := range cases {
		b, err := Bind(mustParse(t, text), bankSchema)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := b.Type().String(); got != want {
			t.Errorf("%s is %s: want %s", text, got, want)
		}
	}
}

func TestBindErrorsNameColumnsAndTypes(t *testing.T) {
	t.Parallel()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}}, {Name: "channel", Type: arrow.BinaryTypes.String},
		{Name: "booked_at", Type: arrow.FixedWidthTypes.Timestamp_us}, {Name: "local", Type: &arrow.TimestampType{Unit: arrow.Microsecond}},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32}, {Name: "score", Type: arrow.PrimitiveTypes.Float64}, {Name: "n", Type: arrow.PrimitiveTypes.Int64},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String)}, {Name: "twice", Type: arrow.PrimitiveTypes.Int64}, {Name: "twice", Type: arrow.PrimitiveTypes.Int64},
		{Name: "rate", Type: &arrow.Decimal128Type{Precision: 38, Scale: 20}},
	}, nil)
	cases := []struct {
		text string
		want error
		says []string
	}{
		{"amout > 1", ErrColumn, []string{`"amout"`, `did you mean "amount"`}},
		{"zzz > 1", ErrColumn, []string{`"zzz"`, "there are amount, channel"}},
		{"twice = 1", ErrColumn, []string{"2 columns named"}},
		{"amount > 'x'", ErrType, []string{"amount (decimal(18,2))", "string 'x'"}},
		{"channel > 1", ErrType, []string{"channel (string)", "int64 1"}},
		{"amount > 1e0", ErrType, []string{"as a decimal"}},
		{"amount > score", ErrType, []string{"cast one"}},
		{"booked_at > 'noon'", ErrType, []string{"write date"}},
		{"booked_at > local", ErrType, []string{"time zone"}},
		{"day = booked_at", ErrType, []string{"cast the timestamp"}},
		{"amount and true", ErrType, []string{"amount (decimal(18,2)) is not a bool"}},
		{"not channel", ErrType, []string{"is not a bool"}},
		{"channel + 1", ErrType, []string{"not numbers"}},
		{"day - 1", ErrType, []string{"not numbers"}},
		{"-channel", ErrType, []string{"not a number"}},
		{"round(score, 2, 'up')", ErrType, []string{"not a decimal"}},
		{"amount like 'x'", ErrType, []string{"not a string"}},
		{"rate * rate", ErrType, []string{"40 digits after the point"}},
		{"case when true then 1 else 'x' end", ErrType, []string{"no common type"}},
		{"coalesce(booked_at, local)", ErrType, []string{"no common type"}},
		{"amount in (1, 'x')", ErrType, []string{"do not compare"}},
		{"amount between 1 and channel", ErrType, []string{"do not compare"}},
		{"cast(channel as bytes) = cast(tags as bytes)", ErrType, []string{"cannot be cast"}},
		{"tags = tags", ErrType, []string{"do not compare"}},
		{"cast(day as int64)", ErrType, []string{"cannot be cast to int64"}},
	}
	for _, c := range cases {
		_, err := Bind(mustParse(t, c.text), schema)
		if !errors.Is(err, c.want) || fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v: want %v", c.text, err, c.want)
			continue
		}
		for _, s := range c.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v does not say %q", c.text, err, s)
			}
		}
	}
}

var ledgerSchema = arrow.NewSchema([]arrow.Field{
	{Name: "a", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}, Nullable: true},
	{Name: "b", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}, Nullable: true},
	{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "f", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "y", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	{Name: "t", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
	{Name: "l", Type: &arrow.TimestampType{Unit: arrow.Millisecond}, Nullable: true},
}, nil)

func TestEvaluatesAsDocumented(t *testing.T) {
	t.Parallel()
	rec := batchOf(t, ledgerSchema,
		`{"a":"10.00","b":"4.00","n":7,"s":"12.5","f":0.1,"y":"2026-01-31","t":"2026-01-31T23:59:59.999999Z","l":"2026-01-31 12:00:00.5"}`,
		`{"a":"-0.05","b":"0.00","n":-9223372036854775808,"s":"true","f":2.5,"y":"1969-12-31","t":"1969-12-31T23:59:59Z","l":"1970-01-01 00:00:00"}`,
		`{"a":null,"b":"1.00","n":null,"s":null,"f":null,"y":null,"t":null,"l":null}`)
	cases := map[string]string{
		"b <> 0.00 and a / b > 2":                       "true false (null)", // the second row is never divided
		"b = 0 or a / b > 2":                            "true true (null)",
		"case when b = 0 then null else a / b end":      "2.500000 (null) (null)",
		"a / nullif(b, 0)":                              "2.500000 (null) (null)",
		"coalesce(a, 1 / 0)":                            "",
		"a + b":                                         "14.00 -0.05 (null)",
		"a * 0.5":                                       "5.000 -0.025 (null)",
		"round(a, 1, 'half_even')":                      "10.0 0.0 (null)",
		"round(a, 1, 'half_up')":                        "10.0 -0.1 (null)",
		"a in (10, null)":                               "true (null) (null)",
		"a not in (1, 2)":                               "true true (null)",
		"a is null or a > 0":                            "true false true",
		"cast(a as string)":                             "10.00 -0.05 (null)",
		"cast(n as string)":                             "7 -9223372036854775808 (null)",
		"cast(f as decimal(5,1))":                       "0.1 2.5 (null)",
		"cast(f as decimal(5,0))":                       "0 2 (null)",
		"cast(a as float64)":                            "10 -0.05 (null)",
		"cast(t as date)":                               "2026-01-31 1969-12-31 (null)",
		"cast(y as timestamptz) <= t":                   "true true (null)",
		"cast(t as string)":                             "2026-01-31T23:59:59.999999Z 1969-12-31T23:59:59Z (null)",
		"cast(l as string)":                             "2026-01-31T12:00:00.5 1970-01-01T00:00:00 (null)",
		"cast(l as timestamptz) < t":                    "true false (null)",
		"cast(y as string)":                             "2026-01-31 1969-12-31 (null)",
		"l = timestamp '2026-01-31T12:00:00.5Z'":        "true false (null)",
		"l > '2026-01-01'":                              "true false (null)",
		"t >= date '2026-01-31'":                        "true false (null)",
		"case when s = 'true' then cast(s as bool) end": "(null) true (null)",
		"case when s <> 'true' then cast(s as decimal(5,2)) end":             "12.50 (null) (null)",
		"cast('2026-02-28' as date) > y":                                     "true true (null)",
		"cast(cast('2026-01-31T23:59:59.999999Z' as timestamptz) as string)": "2026-01-31T23:59:59.999999Z 2026-01-31T23:59:59.999999Z 2026-01-31T23:59:59.999999Z",
		"cast('1e3' as float64) + f":                                         "1000.1 1002.5 (null)",
		"n > 9223372036854775806.5 or n < -9223372036854775807.5":            "false true (null)",
		"n < 99999999999999999999":                                           "true true (null)",
		"n = 99999999999999999999":                                           "false false (null)",
		"a < 0.001":                                                          "false true (null)",
		"a >= -0.0500000000000000000000000000000000000":                      "true true (null)",
		"n is not null and n > 0":                                            "true false false",
		"s like '1_.%'":                                                      "true false (null)",
		"not (a > 0)":                                                        "false true (null)",
		"null and false":                                                     "false false false",
		"null or true":                                                       "true true true",
		"null is null":                                                       "true true true",
		"(null = null) is null":                                              "true true true",
		"cast(n as string) = '7' and cast(s as decimal(9,3)) = 12.5 or n is null": "true false true",
		"cast(b as int64) + 1":           "5 1 2",
		"true = (a > b)":                 "true false (null)",
		"(a > b) between false and true": "true true (null)",
		"case when a > 5 then 'big' when a > 0 then 'small' else s end": "big true (null)",
		"f in (1e-1, 3e0)":                       "true false (null)",
		"f = 0.1":                                "true false (null)",
		"abs(a) + 0.00":                          "10.00 0.05 (null)",
		"cast(true as string)":                   "true true true",
		"cast(f as string)":                      "0.1 2.5 (null)",
		"y in ('2026-01-31', date '1970-01-01')": "true false (null)",
		"t in ('2026-01-31T23:59:59.999999Z', timestamp '1969-12-31T23:59:59.0005Z')": "true false (null)",
	}
	for text, want := range cases {
		got, err := evaluate(t, text, rec)
		if want == "" {
			if !errors.Is(err, money.ErrDivideByZero) {
				t.Errorf("%s = %s, %v: want a division by zero", text, got, err)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s = %s, %v: want %s", text, got, err, want)
		}
	}
}

func TestEvalErrorsNameRowAndExpression(t *testing.T) {
	t.Parallel()
	rec := batchOf(t, ledgerSchema, `{"a":"1.00","n":1,"s":"x","f":1.5,"l":"2026-01-31 12:00:00"}`,
		`{"a":"9999999999999999.99","b":"0.00","n":9223372036854775807,"s":"12,5","f":1e30,"l":"2026-01-31 12:00:00"}`)
	cases := []struct {
		text string
		row  int
		want error
		says string
	}{
		{"n + 1", 1, money.ErrOverflow, "9223372036854775807 + 1"}, {"n * 2", 1, money.ErrOverflow, "int64"}, {"-2 - n", 1, money.ErrOverflow, "int64"},
		{"a / b", 1, money.ErrDivideByZero, "a / b"}, {"a * a * a", 1, money.ErrOverflow, "decimal(38,6)"},
		{"cast(a as int64)", 1, money.ErrInexact, "9999999999999999.99"}, {"cast(a as decimal(5,2))", 1, money.ErrOverflow, "decimal(5,2)"},
		{"cast(f as int64)", 0, money.ErrInexact, "1.5"}, {"cast(f as decimal(20,2))", 1, money.ErrOverflow, "1e+30"},
		{"cast(s as decimal(5,2))", 0, money.ErrSyntax, `"x"`}, {"cast(s as int64)", 0, nil, "not an int64"}, {"cast(s as bool)", 0, nil, "true or false"},
		{"cast(s as date)", 0, nil, "YYYY-MM-DD"}, {"cast(s as timestamptz)", 0, nil, "YYYY-MM-DD"}, {"cast(s as float64)", 0, nil, "not a number"},
		{"round(a, 37, 'up')", 1, money.ErrOverflow, "round"},
	}
	for _, c := range cases {
		got, err := evaluate(t, c.text, rec)
		var ee *EvalError
		if !errors.As(err, &ee) || ee.Row != c.row || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s = %s, %v: want row %d, %v, %q", c.text, got, err, c.row, c.want, c.says)
		}
	}
}

func TestBatchHasToFitTheBoundSchema(t *testing.T) {
	t.Parallel()
	b, err := Bind(Col("n").Gt(0), ledgerSchema)
	if err != nil {
		t.Fatal(err)
	}
	other := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil)
	if _, err := b.Select(batchOf(t, other, `{"x":1}`)); !errors.Is(err, ErrColumn) {
		t.Errorf("a batch without the column: %v", err)
	}
	fields := ledgerSchema.Fields()
	fields[2].Type = arrow.PrimitiveTypes.Int32
	if _, err := b.Select(batchOf(t, arrow.NewSchema(fields, nil), `{"n":1}`)); !errors.Is(err, ErrType) {
		t.Errorf("a batch with another type: %v", err)
	}
	fields = ledgerSchema.Fields()
	if sel, err := b.Select(batchOf(t, arrow.NewSchema(fields, nil), `{"n":1}`)); err != nil || sel.Count() != 1 {
		t.Errorf("an equal schema: %v, %v", sel, err)
	}
	if n, err := Bind(Col("n"), ledgerSchema); err != nil {
		t.Error(err)
	} else if _, err := n.Select(batchOf(t, ledgerSchema, `{"n":1}`)); !errors.Is(err, ErrType) {
		t.Errorf("a filter that is no bool: %v", err)
	}
}

func TestNilFilterKeepsAll(t *testing.T) {
	t.Parallel()
	b, err := Bind(nil, ledgerSchema)
	if err != nil {
		t.Fatal(err)
	}
	rec := batchOf(t, ledgerSchema, `{"n":1}`, `{"n":2}`)
	if out, err := b.Filter(rec); err != nil || out.NumRows() != 2 {
		t.Errorf("%v, %v", out, err)
	}
	if v := b.Prune(func(string) (Stats, bool) { return Stats{}, false }); v != Always {
		t.Errorf("no filter is %v", v)
	}
}

func TestProjection(t *testing.T) {
	t.Parallel()
	rec := batchOf(t, ledgerSchema, `{"a":"1.50","n":2,"s":"x"}`, `{"a":"2.00","n":3,"s":"y"}`)
	p, err := BindProjection(ledgerSchema, Named{"s", Col("s")}, Named{"total", Col("a").Mul(Col("n"))}, Named{"again", Col("s")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Apply(rec)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Release()
	if got := show(out.Column(1), 1); got != "6.00" || !out.Schema().Equal(p.Schema()) || out.ColumnName(2) != "again" {
		t.Errorf("%v of %v", out, out.Schema())
	}
	if got := fmt.Sprint(p.Columns()); got != "[3 0 2]" {
		t.Errorf("reads %s", got)
	}
	a := rec.Column(3).(*array.String)
	b := out.Column(0).(*array.String)
	if unsafe.SliceData(a.ValueBytes()) != unsafe.SliceData(b.ValueBytes()) {
		t.Error("a plain column was copied")
	}
	if _, err := BindProjection(ledgerSchema, Named{"x", Col("s")}, Named{"x", Col("a")}); fault.Of(err) != fault.Usage {
		t.Errorf("two columns of one name: %v", err)
	}
	if _, err := BindProjection(ledgerSchema, Named{"x", Col("nn")}); !errors.Is(err, ErrColumn) || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("unknown column: %v", err)
	}
}

func TestBoundIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	b, err := Bind(mustParse(t, "(a > 1.005 or n in (1, 2, 3) or s like 'x%' or coalesce(n, 5) = 5) and t <= timestamp '2026-02-01T00:00:00.0000001Z' and a + 1 > 0"), ledgerSchema)
	if err != nil {
		t.Fatal(err)
	}
	rec := batchOf(t, ledgerSchema, `{"a":"1.50","n":2,"s":"x","t":"2026-01-31T00:00:00Z"}`, `{"a":"0.00","n":9,"t":"2026-01-31T00:00:00Z"}`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if sel, err := b.Select(rec); err != nil || sel.Count() != 1 {
				t.Errorf("%v, %v", sel, err)
			}
		})
	}
	wg.Wait()
}

func TestResultsOwnTheirMemory(t *testing.T) {
	t.Parallel()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	b := array.NewRecordBuilder(mem, ledgerSchema)
	for _, l := range []string{`{"a":"1.50","n":2,"s":"x","f":1,"y":"2026-01-31"}`, `{"a":"2.50","n":3,"s":"y","f":2,"y":"2026-01-31"}`, `{"a":null,"n":4}`} {
		if err := b.UnmarshalJSON([]byte(l)); err != nil {
			t.Fatal(err)
		}
	}
	rec := b.NewRecordBatch()
	b.Release()
	var kept []arrow.RecordBatch
	for _, text := range []string{"n = 2 or n = 4", "n <> 9", "n = 9", "n = 3"} {
		bound, err := Bind(mustParse(t, text), ledgerSchema)
		if err != nil {
			t.Fatal(err)
		}
		out, err := bound.Filter(rec)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, out)
	}
	var arrays []arrow.Array
	for _, text := range []string{"cast(n as int64)", "coalesce(s, 'z')", "cast(s as bytes)", "cast(f as float64)", "cast(a as decimal(18,2))", "n"} {
		bound, err := Bind(mustParse(t, text), ledgerSchema)
		if err != nil {
			t.Fatal(err)
		}
		a, err := bound.Eval(rec)
		if err != nil {
			t.Fatal(err)
		}
		arrays = append(arrays, a)
	}
	n := rec.Column(2).(*array.Int64).Int64Values()
	n[0] = 77 // as an allocator does that uses the memory again
	if got := arrays[0].(*array.Int64).Value(0); got != 2 {
		t.Errorf("a computed array shares the column's memory: %d", got)
	}
	rec.Release()
	for _, r := range kept {
		r.Release()
	}
	for _, a := range arrays {
		a.Release()
	}
	mem.AssertSize(t, 0)
}

func TestOtherTypesCanBeKeptAndTestedForNull(t *testing.T) {
	t.Parallel()
	dict := func(index, value arrow.DataType) arrow.DataType {
		return &arrow.DictionaryType{IndexType: index, ValueType: value}
	}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "keep", Type: arrow.PrimitiveTypes.Int8}, {Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
		{Name: "struct", Type: arrow.StructOf(arrow.Field{Name: "a", Type: arrow.BinaryTypes.String, Nullable: true}), Nullable: true},
		{Name: "large", Type: arrow.BinaryTypes.LargeString, Nullable: true}, {Name: "fixed", Type: &arrow.FixedSizeBinaryType{ByteWidth: 3}, Nullable: true},
		{Name: "d256", Type: &arrow.Decimal256Type{Precision: 50, Scale: 2}, Nullable: true}, {Name: "d64", Type: &arrow.Decimal64Type{Precision: 9, Scale: 2}, Nullable: true},
		{Name: "none", Type: arrow.Null, Nullable: true}, {Name: "time", Type: arrow.FixedWidthTypes.Time64us, Nullable: true},
		{Name: "dn", Type: dict(arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Int64), Nullable: true},
		{Name: "ds", Type: dict(arrow.PrimitiveTypes.Uint16, arrow.BinaryTypes.String), Nullable: true},
		{Name: "map", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), Nullable: true},
	}, nil)
	row := func(keep int, i string) string {
		return strings.ReplaceAll(fmt.Sprintf(`{"keep":%d,"list":[#],"struct":{"a":"#"},"large":"#","fixed":"YWI#","d256":"#.25","d64":"#.50","time":"00:00:0#","dn":#,"ds":"#","map":[{"key":"k","value":#}]}`, keep), "#", i)
	}
	rec := batchOf(t, schema, row(0, "1"), row(1, "2"), row(1, "3"), `{"keep":1}`, row(0, "4"), row(1, "5"))
	b, err := Bind(Col("keep").Eq(1), schema)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.Filter(rec)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Release()
	want := batchOf(t, schema, row(1, "2"), row(1, "3"), `{"keep":1}`, row(1, "5"))
	for i, c := range out.Columns() {
		for row := range c.Len() {
			if got, w := c.ValueStr(row), want.Column(i).ValueStr(row); got != w {
				t.Errorf("%s, row %d is %s: want %s", out.ColumnName(i), row, got, w)
			}
		}
	}
	for text, want := range map[string]string{
		"list is null": "false false false true false false", "struct is not null": "true true true false true true", "none is null": "true true true true true true",
		"dn > 2": "false false true (null) true true", "ds in ('1', '5')": "true false false (null) false true", "d64 = 2.5": "false true false (null) false false",
		"fixed = x'616236'": "false true false (null) false false",
		"large >= '3'":      "false false true (null) true true", "coalesce(dn, -1)": "1 2 3 -1 4 5", "none = 1": "(null) (null) (null) (null) (null) (null)",
	} {
		if got, err := evaluate(t, text, rec); err != nil || got != want {
			t.Errorf("%s = %s, %v: want %s", text, got, err, want)
		}
	}
}

// FuzzEval checks that whatever parses and binds neither panics nor disagrees between Eval, Select and Prune.
func FuzzEval(f *testing.F) {
	for _, s := range []string{"i > 1 and d2 < 10.00", "cast(s as date) = y", "case when b then i / 0 else d6 * d2 end > 5", "sdict like 'a%' or x = x'00'",
		"round(d2, 0, 'up') in (1, 2, null)", "t between tns and cast(y as timestamptz)", "coalesce(f, f32, 1) <> 0", "nullif(s, slarge) is null"} {
		f.Add(s)
	}
	rec := genBatch(70).Example(3)
	stats := func(string) (Stats, bool) { return Stats{Nulls: -1, Rows: rec.NumRows()}, true }
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		b, err := Bind(e, bankSchema)
		if err != nil {
			return
		}
		a, err := b.Eval(rec)
		if err != nil {
			return
		}
		defer a.Release()
		if int64(a.Len()) != rec.NumRows() {
			t.Fatalf("%s: %d values for %d rows", e, a.Len(), rec.NumRows())
		}
		if b.Type().Kind != Bool {
			return
		}
		sel, err := b.Select(rec)
		if err != nil {
			t.Fatalf("%s evaluates but does not select: %v", e, err)
		}
		verdict := b.Prune(stats)
		for i := range a.Len() {
			v := cell(a, i)
			if yes := !v.null && v.b; yes != sel.Has(i) || yes && verdict == Never || !yes && verdict == Always {
				t.Fatalf("%s: row %d is %v, selected %v, verdict %v", e, i, yes, sel.Has(i), verdict)
			}
		}
	})
}
