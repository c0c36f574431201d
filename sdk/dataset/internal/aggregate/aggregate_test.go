package aggregate

import (
	"context"
	"errors"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"pgregory.net/rapid"

	bt "github.com/millrace/millrace/sdk/dataset/internal/batchtest"
	"github.com/millrace/millrace/sdk/dataset/internal/runs"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
	"github.com/millrace/millrace/sdk/money"
)

var rowSchema = bt.Schema(
	bt.Field("acct", arrow.BinaryTypes.String),
	bt.Field("cur", arrow.PrimitiveTypes.Int32),
	bt.Field("amount", &arrow.Decimal128Type{Precision: 18, Scale: 0}),
	bt.Field("qty", arrow.PrimitiveTypes.Int64),
	bt.Field("note", arrow.BinaryTypes.String),
	bt.Field("flag", arrow.FixedWidthTypes.Boolean),
)

var specs = []Spec{
	{Kind: CountRows, As: "n"},
	{Kind: Count, Column: "note", As: "notes"},
	{Kind: Sum, Column: "amount", As: "total"},
	{Kind: Sum, Column: "qty", As: "pieces"},
	{Kind: Avg, Column: "amount", As: "mean", Scale: 2, Rounding: money.HalfEven},
	{Kind: Min, Column: "qty", As: "least"},
	{Kind: Max, Column: "note", As: "greatest"},
	{Kind: First, Column: "note", As: "first", OrderBy: []string{"qty"}},
	{Kind: Last, Column: "flag", As: "last", OrderBy: []string{"qty", "note"}},
	{Kind: Distinct, Column: "note", As: "different"},
	{Kind: Distinct, Column: "qty", As: "quantities"},
}

func genRows(t *rapid.T) []bt.Row {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	rows := make([]bt.Row, rapid.IntRange(0, 40).Draw(t, "rows"))
	for i := range rows {
		rows[i] = bt.Row{
			pick("acct", bt.Null, "a", "b", "c"),
			pick("cur", bt.Null, "1", "2"),
			pick("amount", bt.Null, "0", "1", "2", "-7", "999999999999999999"),
			pick("qty", bt.Null, "5", "-5", "6", "100"),
			pick("note", bt.Null, "", "x", "y", "yy"),
			pick("flag", bt.Null, "true", "false"),
		}
	}
	return rows
}

// naive computes the specs row by row on texts.
func naive(rows []bt.Row) []bt.Row {
	groups := map[[2]string][]bt.Row{}
	for _, r := range rows {
		k := [2]string{r[0], r[1]}
		groups[k] = append(groups[k], r)
	}
	var out []bt.Row
	for k, g := range groups {
		out = append(out, bt.Row{k[0], k[1],
			strconv.Itoa(len(g)), strconv.Itoa(len(column(g, 4))), sum(column(g, 2)), sum(column(g, 3)), mean(column(g, 2)),
			extremeOf(g, []int{3}, 3, false), extremeOf(g, []int{4}, 4, true),
			extremeOf(g, []int{3, 4}, 4, false), extremeOf(g, []int{3, 4, 5}, 5, true),
			distinct(column(g, 4)), distinct(column(g, 3)),
		})
	}
	return ordered(out)
}

func column(rows []bt.Row, c int) []string {
	var out []string
	for _, r := range rows {
		if r[c] != bt.Null {
			out = append(out, r[c])
		}
	}
	return out
}

func sum(values []string) string {
	if len(values) == 0 {
		return bt.Null
	}
	total := new(big.Int)
	for _, v := range values {
		n, _ := new(big.Int).SetString(v, 10)
		total.Add(total, n)
	}
	return total.String()
}

func mean(values []string) string {
	if len(values) == 0 {
		return bt.Null
	}
	d, err := money.Parse(sum(values))
	if err != nil {
		return err.Error()
	}
	d, err = d.Div(money.FromInt64(int64(len(values))), 2, money.HalfEven)
	if err != nil {
		return err.Error()
	}
	text := d.Normalize().String()
	return text
}

func distinct(values []string) string {
	slices.Sort(values)
	return strconv.Itoa(len(slices.Compact(values)))
}

// extremeOf is the value of column c in the first or last row by the columns, among those where c is not null.
func extremeOf(rows []bt.Row, by []int, c int, last bool) string {
	best := -1
	for i, r := range rows {
		if r[c] == bt.Null {
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		cmp := 0
		for _, b := range by {
			if cmp = compareValues(r[b], rows[best][b], b == 3); cmp != 0 {
				break
			}
		}
		if cmp < 0 && !last || cmp > 0 && last {
			best = i
		}
	}
	if best < 0 {
		return bt.Null
	}
	return rows[best][c]
}

func compareValues(a, b string, number bool) int {
	switch {
	case a == b:
		return 0
	case a == bt.Null:
		return -1
	case b == bt.Null:
		return 1
	case number:
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	}
	return strings.Compare(a, b)
}

func ordered(rows []bt.Row) []bt.Row {
	slices.SortFunc(rows, func(a, b bt.Row) int { return slices.Compare(a, b) })
	return rows
}

// twoSteps aggregates as tasks do: any number of hashes with flushes in between, their states sorted together, one stream.
func twoSteps(t bt.Fataler, plan *Plan, batches []arrow.RecordBatch, flushEvery, batchRows int) ([]bt.Row, error) {
	ctx := context.Background()
	sorter, err := runs.NewSorter(plan.State, plan.StateOrder, 1<<20, batchRows, "")
	if err != nil {
		return nil, err
	}
	h, err := plan.NewHash()
	if err != nil {
		return nil, err
	}
	flush := func() error {
		states, err := h.Flush(ctx)
		if states == nil || err != nil {
			return err
		}
		return sorter.Add(ctx, states)
	}
	for i, b := range batches {
		if err := h.Add(ctx, b); err != nil {
			return nil, err
		}
		if i%flushEvery == 0 {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	sorted, err := sorter.Sorted(ctx)
	if err != nil {
		return nil, err
	}
	return throughStream(ctx, t, plan, false, sorted)
}

func throughStream(ctx context.Context, t bt.Fataler, plan *Plan, raw bool, in stream.Stream) ([]bt.Row, error) {
	s, err := plan.NewStream(raw)
	if err != nil {
		return nil, err
	}
	var rows []bt.Row
	take := func(b arrow.RecordBatch, err error) error {
		if b != nil {
			if !b.Schema().Equal(plan.Out) {
				t.Fatalf("schema is %v, want %v", b.Schema(), plan.Out)
			}
			rows = append(rows, bt.Rows(b)...)
		}
		return err
	}
	if err := stream.Each(ctx, in, func(b arrow.RecordBatch) error { return take(s.Add(ctx, b)) }); err != nil {
		return nil, err
	}
	return rows, take(s.Close(ctx))
}

func TestAggregatesAreNaive(t *testing.T) {
	t.Parallel()
	plan, err := NewPlan(rowSchema, []string{"acct", "cur"}, specs)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		rows := genRows(t)
		batches := bt.Batches(t, rowSchema, rows, rapid.IntRange(1, 9).Draw(t, "size"))
		got, err := twoSteps(t, plan, batches, rapid.IntRange(1, 4).Draw(t, "flush every"), rapid.IntRange(1, 7).Draw(t, "batch rows"))
		if err != nil {
			t.Fatal(err)
		}
		if want := naive(rows); !slices.EqualFunc(ordered(got), want, slices.Equal) {
			t.Fatalf("aggregates of\n%v are\n%v, want\n%v", rows, got, want)
		}
	})
}

func TestStreamOfSortedRowsIsTheSame(t *testing.T) {
	t.Parallel()
	plan, err := NewPlan(rowSchema, []string{"acct", "cur"}, specs[:9])
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		rows := genRows(t)
		slices.SortStableFunc(rows, func(a, b bt.Row) int {
			if c := compareValues(a[0], b[0], false); c != 0 {
				return c
			}
			return compareValues(a[1], b[1], true)
		})
		batches := bt.Batches(t, rowSchema, rows, rapid.IntRange(1, 9).Draw(t, "size"))
		got, err := throughStream(context.Background(), t, plan, true, stream.Batches(batches...))
		if err != nil {
			t.Fatal(err)
		}
		want := naive(rows)
		for i := range want {
			want[i] = want[i][:2+9]
		}
		if !slices.EqualFunc(ordered(got), want, slices.Equal) {
			t.Fatalf("aggregates of\n%v are\n%v, want\n%v", rows, got, want)
		}
	})
}

func TestStreamChecksOrder(t *testing.T) {
	t.Parallel()
	plan, err := NewPlan(rowSchema, []string{"acct"}, specs[:1])
	if err != nil {
		t.Fatal(err)
	}
	b := bt.Batch(t, rowSchema, []bt.Row{{"b", "1", "1", "1", "x", "true"}, {"a", "1", "1", "1", "x", "true"}})
	_, err = throughStream(t.Context(), t, plan, true, stream.Batches(b))
	if !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), "acct=a") {
		t.Errorf("error is %v, want ErrOrder at acct=a", err)
	}
}

func TestOverflowNamesTheGroup(t *testing.T) {
	t.Parallel()
	wide := &arrow.Decimal128Type{Precision: 38, Scale: 0}
	nines := strings.Repeat("9", 38)
	for name, c := range map[string]struct {
		t      arrow.DataType
		values []string
		ok     bool
	}{
		"decimal over 38 digits":                 {wide, []string{nines, "1"}, false},
		"decimal back from beyond":               {wide, []string{nines, nines, nines, "-" + nines, "-" + nines}, true},
		"integer over 64 bits":                   {arrow.PrimitiveTypes.Int64, []string{"9223372036854775807", "1"}, false},
		"integer back from beyond":               {arrow.PrimitiveTypes.Int64, []string{"9223372036854775807", "1", "-1"}, true},
		"unsigned integer that int64 can't hold": {arrow.PrimitiveTypes.Uint64, []string{"18446744073709551615"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema := bt.Schema(bt.Field("acct", arrow.BinaryTypes.String), bt.Field("v", c.t))
			plan, err := NewPlan(schema, []string{"acct"}, []Spec{{Kind: Sum, Column: "v", As: "sum"}})
			if err != nil {
				t.Fatal(err)
			}
			rows := []bt.Row{{"fine", "1"}}
			for _, v := range c.values {
				rows = append(rows, bt.Row{"LOUD-17", v})
			}
			_, err = twoSteps(t, plan, bt.Batches(t, schema, rows, 1), 1, 10)
			if c.ok {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, money.ErrOverflow) || !strings.Contains(err.Error(), "acct=LOUD-17") {
				t.Errorf("error is %v, want money.ErrOverflow that names acct=LOUD-17", err)
			}
		})
	}
}

func TestNewPlanRefuses(t *testing.T) {
	t.Parallel()
	schema := bt.Schema(bt.Field("k", arrow.BinaryTypes.String), bt.Field("f", arrow.PrimitiveTypes.Float64), bt.Field("d", &arrow.Decimal128Type{Precision: 9, Scale: 2}))
	for name, c := range map[string]struct {
		keys []string
		spec Spec
	}{
		"sum of floats":          {[]string{"k"}, Spec{Kind: Sum, Column: "f", As: "s"}},
		"sum of texts":           {[]string{"k"}, Spec{Kind: Sum, Column: "k", As: "s"}},
		"a column that is not":   {[]string{"k"}, Spec{Kind: Min, Column: "x", As: "s"}},
		"a key that is not":      {[]string{"x"}, Spec{Kind: CountRows, As: "s"}},
		"a name twice":           {[]string{"k"}, Spec{Kind: CountRows, As: "k"}},
		"average without a mode": {[]string{"k"}, Spec{Kind: Avg, Column: "d", As: "s", Scale: 2}},
		"average of scale 39":    {[]string{"k"}, Spec{Kind: Avg, Column: "d", As: "s", Scale: 39, Rounding: money.HalfEven}},
		"first without an order": {[]string{"k"}, Spec{Kind: First, Column: "d", As: "s"}},
		"an unknown function":    {[]string{"k"}, Spec{Kind: "median", Column: "d", As: "s"}},
	} {
		if _, err := NewPlan(schema, c.keys, []Spec{c.spec}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := NewPlan(schema, []string{"k"}, nil); err == nil {
		t.Error("no aggregates: accepted")
	}
}

func TestNoKeysIsOneGroup(t *testing.T) {
	t.Parallel()
	plan, err := NewPlan(rowSchema, nil, specs[:1])
	if err != nil {
		t.Fatal(err)
	}
	got, err := twoSteps(t, plan, bt.Batches(t, rowSchema, slices.Repeat([]bt.Row{{"a", "1", "1", "1", "x", "true"}}, 5), 2), 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(got, []bt.Row{{"5"}}, slices.Equal) {
		t.Errorf("got %v, want one row with 5", got)
	}
}

func BenchmarkHash(b *testing.B) {
	for _, groups := range []int{100, 100_000} {
		for _, key := range []string{"cur", "acct"} {
			b.Run(key+"/"+strconv.Itoa(groups), func(b *testing.B) {
				plan, err := NewPlan(rowSchema, []string{key}, []Spec{{Kind: Sum, Column: "amount", As: "s"}, {Kind: CountRows, As: "n"}})
				if err != nil {
					b.Fatal(err)
				}
				rows := make([]bt.Row, 1<<17)
				x := uint32(1)
				for i := range rows {
					x = x*1664525 + 1013904223
					g := strconv.Itoa(int(x>>8) % groups)
					rows[i] = bt.Row{"acct-" + g, g, g, "1", "x", "true"}
				}
				batches := bt.Batches(b, rowSchema, rows, 8192)
				for b.Loop() {
					h, err := plan.NewHash()
					if err != nil {
						b.Fatal(err)
					}
					for _, batch := range batches {
						if err := h.Add(b.Context(), batch); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(b.N)*float64(len(rows))/b.Elapsed().Seconds()/1e6, "Mrows/s")
			})
		}
	}
}
