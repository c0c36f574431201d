package columnar_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
)

// booking is a row of either side.
type booking struct {
	ID       int64
	Key      string
	Amount   money.Decimal `lake:",decimal(18,2)"`
	Currency string
	Memo     string
}

var columns = columnar.Columns{Key: []string{"key"}, Amount: "amount", Currency: "currency", Ref: []string{"id"}, Scale: 2}

func cents(n int64) money.Decimal {
	d, err := money.New(n, 2)
	if err != nil {
		panic(err)
	}
	return d
}

func items(rows []booking) []reconciliation.Item {
	out := make([]reconciliation.Item, len(rows))
	for i, r := range rows {
		out[i] = reconciliation.Item{Key: r.Key, Amount: r.Amount, Currency: r.Currency, Date: reconciliation.NoDate, Ref: fmt.Sprint(r.ID)}
	}
	return out
}

// compare runs the composites and returns outcomes and populations as texts.
func compare(t testing.TB, left, right []booking, rule reconciliation.Rule, opts dataset.RunOptions, parts int) (outcomes, population []string) {
	lake := datasettest.NewTables(t.Name() + fmt.Sprint(parts, opts))
	_, err := datasettest.Run(t.Context(), func(s beam.Scope) {
		side := func(name string, rows []booking) dataset.Dataset {
			d, err := datasettest.From(s, name, rows)
			if err != nil {
				t.Fatal(err)
			}
			return columnar.Items(s, d, columns)
		}
		both := columnar.Both(s, side("left", left), side("right", right), 2, columnar.Partitions(parts))
		out := columnar.Compare(s, both, rule)
		totals := columnar.Compare(s, both, rule, columnar.WithPopulation(), columnar.AddUpMatches())
		dataset.Write(s, lake, "outcomes", dataset.Select(s, out, "class", "key", "ref_left", "ref_right", "difference", "break_id"))
		held := dataset.Filter(s, totals, expr.Col("class").In(string(columnar.PopulationLeft), string(columnar.PopulationRight)))
		held = dataset.Project(s, held, dataset.Column("class"), dataset.As("currency", expr.Coalesce(expr.Col("currency_left"), expr.Col("currency_right"))),
			dataset.Column("count"), dataset.As("amount", expr.Coalesce(expr.Col("amount_left"), expr.Col("amount_right"))))
		dataset.Write(s, lake, "population", dataset.GroupBy(s, held, "class", "currency").Sum("count", "items").Sum("amount", "total"))
	}, opts)
	if err != nil {
		t.Fatal(err)
	}
	texts := func(table string) []string {
		b, err := lake.Rows(table)
		if err != nil {
			t.Fatal(err)
		}
		return datasettest.Texts(b)
	}
	return texts("outcomes"), texts("population")
}

// pure is what package reconciliation says of the same rows.
func pure(left, right []booking, rule reconciliation.Rule) []string {
	ref := func(i *reconciliation.Item) string {
		if i == nil {
			return "(null)"
		}
		return i.Ref
	}
	var out []string
	add := func(b reconciliation.Break) {
		d, id := "(null)", "(null)"
		if x, ok := b.Difference(); ok {
			d = x.Normalize().String()
		}
		if b.Class != reconciliation.Matched {
			id = b.ID(rule.Name)
		}
		out = append(out, strings.Join([]string{string(b.Class), b.Key(), ref(b.Left), ref(b.Right), d, id}, " | "))
	}
	res := reconciliation.Compare(items(left), items(right), rule)
	for _, m := range res.Matches {
		add(reconciliation.Break{Class: reconciliation.Matched, Left: &m.Left, Right: &m.Right})
	}
	for _, b := range res.Breaks {
		add(b)
	}
	slices.Sort(out)
	return out
}

func drawSide(t *rapid.T, label string) []booking {
	rows := make([]booking, rapid.IntRange(0, 60).Draw(t, label))
	for i := range rows {
		rows[i] = booking{ID: int64(i), Key: rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "", "ž"}).Draw(t, "key"),
			Amount: cents(rapid.Int64Range(-5, 5).Draw(t, "cents")), Currency: rapid.SampledFrom([]string{"EUR", "EUR", "USD"}).Draw(t, "currency")}
	}
	return rows
}

// TestComparesAsThePureRulesDo: one definition, whatever the number of partitions, the batches and the memory.
func TestComparesAsThePureRulesDo(t *testing.T) {
	t.Parallel()
	for seed := range 12 { // each is a whole pipeline; the pure rules have their property tests
		c := rapid.Custom(drawCase).Example(seed)
		got, _ := compare(t, c.left, c.right, c.rule, c.opts, c.parts)
		if want := pure(c.left, c.right, c.rule); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("case %+v: got\n%s\nwant\n%s", c, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// testCase is a comparison and how it is run.
type testCase struct {
	left, right []booking
	rule        reconciliation.Rule
	opts        dataset.RunOptions
	parts       int
}

func drawCase(t *rapid.T) testCase {
	return testCase{drawSide(t, "left"), drawSide(t, "right"),
		reconciliation.Rule{Name: "r", Tolerance: cents(rapid.Int64Range(0, 2).Draw(t, "tolerance"))},
		dataset.RunOptions{BatchRows: rapid.IntRange(1, 20).Draw(t, "batch"), Memory: rapid.Int64Range(500, 1<<20).Draw(t, "memory")},
		rapid.IntRange(1, 5).Draw(t, "partitions")}
}
