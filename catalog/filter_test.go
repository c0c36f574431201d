package catalog

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

func decimal(t testing.TB, text string) money.Decimal {
	t.Helper()
	d, err := money.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecodeBound(t *testing.T) {
	t.Parallel()
	dec := &arrow.Decimal128Type{Precision: 18, Scale: 2}
	for name, c := range map[string]struct {
		typ   arrow.DataType
		bytes []byte
		want  any
	}{
		"absent":            {arrow.BinaryTypes.String, nil, nil},
		"text":              {arrow.BinaryTypes.String, []byte("abc"), "abc"},
		"true":              {arrow.FixedWidthTypes.Boolean, []byte{1}, true},
		"int":               {arrow.PrimitiveTypes.Int32, []byte{0xfe, 0xff, 0xff, 0xff}, int64(-2)},
		"long":              {arrow.PrimitiveTypes.Int64, le64(-2), int64(-2)},
		"long once int":     {arrow.PrimitiveTypes.Int64, []byte{5, 0, 0, 0}, int64(5)},
		"long too short":    {arrow.PrimitiveTypes.Int64, []byte{5, 0}, nil},
		"double once float": {arrow.PrimitiveTypes.Float64, []byte{0, 0, 0x80, 0x3f}, 1.0},
		"not a number":      {arrow.PrimitiveTypes.Float64, le64(int64(math.Float64bits(math.NaN()))), nil},
		"date":              {arrow.FixedWidthTypes.Date32, []byte{1, 0, 0, 0}, expr.Day(1)},
		"timestamp":         {&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, le64(1), time.UnixMicro(1).UTC()},
		"decimal":           {dec, []byte{0xff, 0x85}, decimal(t, "-1.23")},
		"decimal too long":  {dec, make([]byte, 40), decimal(t, "0.00")},
		"no bounds":         {arrow.ListOf(arrow.PrimitiveTypes.Int64), []byte{1}, nil},
	} {
		if got := decodeBound(c.typ, c.bytes); got != c.want {
			t.Errorf("%s: %v (%T), want %v (%T)", name, got, got, c.want, c.want)
		}
	}
}

// FuzzDecodeBound: bounds come from files that other engines wrote.
func FuzzDecodeBound(f *testing.F) {
	types := []arrow.DataType{
		arrow.BinaryTypes.String, arrow.BinaryTypes.Binary, arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.FixedWidthTypes.Date32,
		&arrow.TimestampType{Unit: arrow.Microsecond}, &arrow.Decimal128Type{Precision: 38, Scale: 10},
	}
	for i := range types {
		f.Add(uint8(i), []byte{1, 2, 3, 4, 5, 6, 7, 0xff})
		f.Add(uint8(i), []byte{})
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		typ := types[int(kind)%len(types)]
		if v, ok := decodeBound(typ, b).(money.Decimal); ok && !v.Fits(38, 10) {
			t.Errorf("%x is decoded as %v, which %v cannot hold", b, v, typ)
		}
	})
}

// TestFilterValues compares the list of wanted values with the filter itself, on random filters.
func TestFilterValues(t *testing.T) {
	t.Parallel()
	account, other := expr.Col("account_id"), expr.Col("entry_id")
	rapid.Check(t, func(t *rapid.T) {
		var gen func(depth int) (expr.Expr, func(string, int64) bool)
		gen = func(depth int) (expr.Expr, func(string, int64) bool) {
			kind := rapid.IntRange(0, 5).Draw(t, "kind")
			if depth == 0 {
				kind %= 4
			}
			a, b := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "a"), rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "b")
			n := rapid.Int64Range(0, 3).Draw(t, "n")
			switch kind {
			case 0:
				return account.Eq(a), func(s string, _ int64) bool { return s == a }
			case 1:
				return account.In(a, b), func(s string, _ int64) bool { return s == a || s == b }
			case 2:
				return expr.Lit(a).Eq(account), func(s string, _ int64) bool { return s == a }
			case 3:
				return other.Eq(n), func(_ string, v int64) bool { return v == n }
			}
			left, isLeft := gen(depth - 1)
			right, isRight := gen(depth - 1)
			if kind == 4 {
				return left.And(right), func(s string, v int64) bool { return isLeft(s, v) && isRight(s, v) }
			}
			return left.Or(right), func(s string, v int64) bool { return isLeft(s, v) || isRight(s, v) }
		}
		filter, is := gen(3)
		values, known := filterValues(t, filter)
		for _, s := range []string{"a", "b", "c", "d"} {
			for v := range int64(4) {
				if known && is(s, v) && !slices.Contains(values, s) {
					t.Fatalf("%v is true for %s, which is not among %v", filter, s, values)
				}
			}
		}
	})
}

func filterValues(t interface{ Fatal(...any) }, filter expr.Expr) ([]string, bool) {
	n, err := parseFilter(filter)
	if err != nil {
		t.Fatal(err)
	}
	literals, known := n.values("account_id", arrow.BinaryTypes.String)
	var out []string
	for _, l := range literals {
		out = append(out, string(l.(iceberg.StringLiteral)))
	}
	return out, known
}

// TestPlanWithFilter plans over one file a bucket and decade of entry ids.
func TestPlanWithFilter(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	l := openTestLake(t)
	const name = "ledger.entries"
	if err := l.EnsureTable(ctx, entrySpec(name)); err != nil {
		t.Fatal(err)
	}
	bucketOf := func(account string) int {
		b, err := bucketLiteral(4, iceberg.NewLiteral(account))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var tc TableChange
	for n := range 12 {
		f := file(l, name, n, n%4)
		f.Columns[1] = ColumnStats{Values: 10, Lower: []byte("acc-1"), Upper: []byte("acc-8")}
		f.Columns[5] = ColumnStats{Values: 10, Nulls: int64(n % 2 * 10)}
		tc.Add = append(tc.Add, f)
	}
	tc.Table = name
	if _, err := l.Commit(ctx, Commit{Epoch: "run", Tables: []TableChange{tc}}); err != nil {
		t.Fatal(err)
	}
	account, entry, memo := expr.Col("account_id"), expr.Col("entry_id"), expr.Col("memo")
	for text, c := range map[string]struct {
		filter       expr.Expr
		buckets      []int
		files        string
		byPart, byST int
	}{
		"none":            {nil, nil, "0 1 2 3 4 5 6 7 8 9 10 11", 0, 0},
		"one account":     {account.Eq("acc-5"), nil, filesOfBucket(bucketOf("acc-5")), 9, 0},
		"beyond bounds":   {account.Eq("zzz"), nil, "", 9, 3},
		"range":           {entry.Between(25, 39), nil, "2 3", 0, 10},
		"both":            {account.Eq("acc-5").And(entry.Lt(40)), nil, fmt.Sprint(bucketOf("acc-5")), 9, 2},
		"either":          {account.Eq("acc-5").Or(entry.Lt(10)), nil, "0 1 2 3 4 5 6 7 8 9 10 11", 0, 0},
		"nulls":           {memo.IsNotNull(), nil, "0 2 4 6 8 10", 0, 6},
		"never":           {expr.Lit(false), nil, "", 0, 12},
		"asked-for":       {entry.Lt(50), []int{1}, "1", 9, 2},
		"asked, excluded": {account.Eq("acc-5"), []int{(bucketOf("acc-5") + 1) % 4}, "", 12, 0},
	} {
		at, err := l.At(ctx, At{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := at.PlanScan(ctx, name, ScanOptions{Filter: c.filter, Buckets: c.buckets})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []int
		for _, s := range p.Splits {
			for _, f := range s.Files {
				var n int
				if _, err := fmt.Sscanf(f.Path[strings.LastIndexByte(f.Path, '/')+1:], "f%05d.parquet", &n); err != nil {
					t.Fatal(err)
				}
				got = append(got, n)
			}
		}
		slices.Sort(got)
		if text2 := strings.Trim(fmt.Sprint(got), "[]"); text2 != c.files || p.Pruned != (Pruned{12, c.byPart, c.byST}) {
			t.Errorf("%s: files %s, pruned %+v; want %s, %d and %d", text, text2, p.Pruned, c.files, c.byPart, c.byST)
		}
	}
	at, err := l.At(ctx, At{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := at.PlanScan(ctx, name, ScanOptions{Filter: expr.Col("acount_id").Eq("x")}); err == nil {
		t.Error("a filter over an unknown column was planned")
	}
}

func filesOfBucket(b int) string { return fmt.Sprintf("%d %d %d", b, b+4, b+8) }
