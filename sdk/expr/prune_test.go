package expr

import (
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/money"
)

// statsOf computes a column's statistics, and withholds or widens some of them.
func statsOf(t *rapid.T, rec arrow.RecordBatch) Bounds {
	all := map[string]Stats{}
	for c, f := range rec.Schema().Fields() {
		if rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
			continue
		}
		s := Stats{Rows: rec.NumRows()}
		var lo, hi *nval
		for i := range int(rec.NumRows()) {
			v := cell(rec.Column(c), i)
			if v.null {
				s.Nulls++
				continue
			}
			if v.kind == Float && math.IsNaN(v.float) {
				continue // as Parquet and Iceberg have it
			}
			if lo == nil || compareValues(v, *lo) < 0 {
				lo = &v
			}
			if hi == nil || compareValues(v, *hi) > 0 {
				hi = &v
			}
		}
		if lo != nil && rapid.IntRange(0, 9).Draw(t, "no min") > 0 {
			s.Min = bound(t, *lo, -1, f.Type)
		}
		if hi != nil && rapid.IntRange(0, 9).Draw(t, "no max") > 0 {
			s.Max = bound(t, *hi, 1, f.Type)
		}
		switch rapid.IntRange(0, 9).Draw(t, "counts") {
		case 0:
			s.Nulls = -1
		case 1:
			s.Rows = -1
		}
		all[f.Name] = s
	}
	return func(column string) (Stats, bool) {
		s, ok := all[column]
		return s, ok
	}
}

// bound turns a value into the Go type of a bound; texts are sometimes cut.
func bound(t *rapid.T, v nval, direction int, dt arrow.DataType) any {
	typ := TypeOf(dt)
	switch typ.Kind {
	case Bool:
		return v.b
	case Float:
		return v.float
	case String, Bytes:
		text := v.text
		if cut := rapid.IntRange(0, 3).Draw(t, "cut"); len(text) > cut {
			text = text[:cut]
			if direction > 0 {
				text += "\xff"
			}
		}
		if typ.Kind == Bytes {
			return []byte(text)
		}
		return text
	case Date:
		return Day(v.rat.Num().Int64())
	case Timestamp:
		ns := new(big.Rat).Mul(v.rat, pow(9)).Num().Int64()
		return time.Unix(0, ns)
	case Int:
		return v.rat.Num().Int64()
	}
	scaled := new(big.Rat).Mul(v.rat, pow(typ.Scale)).Num()
	c, _ := money.Int128FromBig(scaled)
	d, err := money.NewFromInt128(c, typ.Scale)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPruneNeverLosesARow(t *testing.T) {
	t.Parallel()
	seen := map[Verdict]int{}
	rapid.Check(t, func(t *rapid.T) {
		e := genBool(rapid.IntRange(0, 2).Draw(t, "depth")).Draw(t, "e")
		rec := genBatch(4).Draw(t, "batch")
		b, err := Bind(e, bankSchema)
		if err != nil {
			t.Skip("not well typed")
		}
		verdict := b.Prune(statsOf(t, rec))
		seen[verdict]++
		for i, row := range rowsOf(rec) {
			v, err := (naive{bankSchema, row}).eval(e)
			if err != nil {
				continue
			}
			matches := !v.null && v.b
			if verdict == Never && matches || verdict == Always && !matches {
				t.Fatalf("%s is %v, but row %d of %v gives %+v", e, verdict, i, rec, v)
			}
		}
	})
	if !testing.Short() && (seen[Never] == 0 || seen[Always] == 0 || seen[Maybe] == 0) { // few checks when short
		t.Errorf("verdicts %v: want some of each", seen)
	}
}

func TestPruneTable(t *testing.T) {
	t.Parallel()
	day := func(text string) Day {
		d, err := ParseDay(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	stats := map[string]Stats{
		"i":  {Min: int32(10), Max: 20, Rows: 100},
		"d2": {Min: decimalOf("1.00"), Max: decimalOf("9.99"), Nulls: 1, Rows: 100},
		"s":  {Min: "card", Max: "cash", Rows: 100},
		"y":  {Min: day("2026-01-01"), Max: day("2026-01-31"), Rows: 100},
		"t":  {Min: day("2026-01-01").Time(), Max: day("2026-01-31").Time().Add(time.Hour), Rows: 100},
		"x":  {Nulls: 100, Rows: 100},
		"f":  {Min: 1.0, Max: 2.0, Rows: 100},

		"tns":  {Min: time.Date(1969, 12, 31, 12, 0, 0, 0, time.UTC), Max: time.Date(1969, 12, 31, 13, 0, 0, 0, time.UTC), Rows: 100},
		"i32":  {Min: 1, Max: 2, Nulls: -1, Rows: 100},
		"ireq": {Min: 1, Max: 2, Nulls: -1, Rows: 100},
	}
	cases := []struct {
		filter string
		want   Verdict
	}{
		{"i > 20", Never}, {"i >= 20", Maybe}, {"i >= 10", Always}, {"i < 10.5", Maybe}, {"i < 10", Never}, {"i = 9", Never},
		{"i <> 9", Always}, {"i in (1, 2, 30)", Never}, {"i in (1, 15)", Maybe}, {"not i in (1, 2)", Always}, {"i between 21 and 30", Never},
		{"i between 1 and 30", Always}, {"i not between 1 and 30", Never}, {"i + 1 > 100", Maybe}, {"i is null", Never}, {"i is not null", Always},
		{"d2 > 10", Never}, {"d2 > 0", Maybe}, {"d2 > 0 or d2 is null", Maybe}, {"d2 is null", Maybe}, {"d2 = 5.001", Maybe},
		{"s like 'x%'", Never}, {"s like 'ca%'", Maybe}, {"s like 'a%'", Never}, {"s = 'card'", Maybe}, {"s < 'card'", Never}, {"s like '%'", Maybe},
		{"y >= date '2026-02-01'", Never}, {"y = '2025-12-31'", Never}, {"y >= '2026-01-01'", Always},
		{"t >= '2026-02-01'", Never}, {"cast(t as date) > date '2026-01-31'", Never}, {"cast(t as date) <= date '2026-01-31'", Always},
		{"cast(tns as date) = date '1969-12-31'", Always}, {"cast(tns as date) >= date '1970-01-01'", Never},
		{"x is null", Always}, {"x is not null", Never}, {"x = x'00'", Never}, {"x is null and i > 100", Never},
		{"f > 2e0", Maybe}, {"f < 1e0", Never}, {"f >= 1e0", Always},
		{"i > 20 and unknown_cost > 5", Never}, {"i > 20 or i < 10", Never}, {"i > 5 or d2 / 0 > 1", Always}, {"d2 / 0 > 1", Maybe},
		{"i32 > 0", Maybe}, {"i32 is null", Maybe}, {"i32 > 2", Never}, {"ireq > 0", Always}, {"ireq is null", Never},
		{"true", Always}, {"false", Never}, {"null", Never}, {"i > null", Never},
	}
	fields := append(bankSchema.Fields(), arrow.Field{Name: "unknown_cost", Type: arrow.PrimitiveTypes.Int64})
	schema := arrow.NewSchema(fields, nil)
	for _, c := range cases {
		e, err := Parse(c.filter)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Bind(e, schema)
		if err != nil {
			t.Fatal(err)
		}
		got := b.Prune(func(name string) (Stats, bool) { s, ok := stats[name]; return s, ok })
		if got != c.want {
			t.Errorf("%s is %v: want %v", c.filter, got, c.want)
		}
	}
}

func TestPruneOfAnEmptyFile(t *testing.T) {
	t.Parallel()
	b, err := Bind(Col("i").Eq(1), bankSchema)
	if err != nil {
		t.Fatal(err)
	}
	if v := b.Prune(func(string) (Stats, bool) { return Stats{}, true }); v != Never {
		t.Errorf("a file without rows is %v", v)
	}
	// Bounds of a Go type that does not belong to the column are unknown.
	if v := b.Prune(func(string) (Stats, bool) { return Stats{Min: "5", Max: "6", Rows: 1}, true }); v != Maybe {
		t.Errorf("bounds of another type: %v", v)
	}
}
