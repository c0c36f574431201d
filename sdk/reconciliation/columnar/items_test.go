package columnar_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
)

// wire is a row with every type that an item is made of.
type wire struct {
	Bank   string
	Number int64
	Minor  int64         // an amount in cents, as an integer
	Amount money.Decimal `lake:",decimal(18,2)"`
	Sent   time.Time
	Memo   *string
}

func wires() []wire {
	memo := "rent | \"January\""
	return []wire{
		{"KB|1", 7, 150, cents(150), time.Date(2026, 1, 5, 23, 30, 0, 0, time.UTC), &memo},
		{"CS", 8, -20, cents(-20), time.Date(1969, 12, 31, 12, 0, 0, 0, time.UTC), nil},
	}
}

// rowsOf runs a chain and returns its rows as texts.
func rowsOf(t testing.TB, chain func(s beam.Scope) dataset.Rows) ([]string, error) {
	t.Helper()
	out := datasettest.NewTables(t.Name())
	if _, err := datasettest.Run(t.Context(), func(s beam.Scope) { dataset.Write(s, out, "out", chain(s)) }, dataset.RunOptions{}); err != nil {
		return nil, err
	}
	b, err := out.Rows("out")
	if err != nil {
		return nil, err
	}
	return datasettest.Texts(b), nil
}

func from[T any](t testing.TB, s beam.Scope, name string, rows []T) dataset.Dataset {
	t.Helper()
	d, err := datasettest.From(s, name, rows)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestItems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		columns columnar.Columns
		want    []string
	}{
		"a key of two columns, which do not run into one another": {
			columnar.Columns{Key: []string{"bank", "number"}, Amount: "amount", CurrencyIs: "CZK", Date: "sent", Ref: []string{"number"}, Scale: 2},
			[]string{`CS|8 | -0.2 | CZK | 1969-12-31 | 8`, `KB\|1|7 | 1.5 | CZK | 2026-01-05 | 7`},
		},
		"an integer amount, the sign the other way round, days of another zone": {
			columnar.Columns{Key: []string{"number"}, Amount: "minor", Negate: true, Date: "sent", Zone: "Europe/Prague", Ref: []string{"number"}, Scale: 4},
			[]string{`7 | -150 |  | 2026-01-06 | 7`, `8 | 20 |  | 1969-12-31 | 8`},
		},
		"columns that breaks show": {
			columnar.Columns{Key: []string{"bank"}, Amount: "amount", Ref: []string{"number"}, Show: []string{"memo", "amount"}, Scale: 2},
			[]string{`CS | -0.2 |  | (null) | 8 | (null) | -0.2`, `KB|1 | 1.5 |  | (null) | 7 | rent | "January" | 1.5`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := rowsOf(t, func(s beam.Scope) dataset.Rows { return columnar.Items(s, from(t, s, "wires", wires()), c.columns) })
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s\nerror %v", strings.Join(got, "\n"), strings.Join(c.want, "\n"), err)
			}
		})
	}
}

func TestItemsRefuse(t *testing.T) {
	t.Parallel()
	good := columnar.Columns{Key: []string{"bank"}, Amount: "amount", Ref: []string{"number"}, Scale: 2}
	for says, alter := range map[string]func(*columnar.Columns){
		`there is no column "reference" for the key`:                        func(c *columnar.Columns) { c.Key = []string{"reference"} },
		`column "bank" is utf8; the amount must be a decimal or an integer`: func(c *columnar.Columns) { c.Amount = "bank" },
		`column "number" is int64; the currency must be a text`:             func(c *columnar.Columns) { c.Currency = "number" },
		`column "bank" is utf8; the date must be a date or a timestamp`:     func(c *columnar.Columns) { c.Date = "bank" },
		`column "amount" has 2 digits after the point, items have 1`:        func(c *columnar.Columns) { c.Scale = 1 },
		`no key`: func(c *columnar.Columns) { c.Key = nil },
	} {
		c := good
		alter(&c)
		_, err := rowsOf(t, func(s beam.Scope) dataset.Rows { return columnar.Items(s, from(t, s, "wires", wires()), c) })
		if err == nil || !strings.Contains(err.Error(), says) || fault.Of(err) != fault.Usage {
			t.Errorf("error %v, want a usage error that says %q", err, says)
		}
	}
}

func TestANullAmountNamesItsRow(t *testing.T) {
	t.Parallel()
	_, err := rowsOf(t, func(s beam.Scope) dataset.Rows {
		d := dataset.Project(s, from(t, s, "wires", wires()), dataset.Column("bank"), dataset.Column("number"),
			dataset.As("amount", expr.Case().When(expr.Col("number").Eq(7), expr.Col("amount")).End()))
		return columnar.Items(s, d, columnar.Columns{Key: []string{"bank"}, Amount: "amount", Ref: []string{"number"}, Scale: 2})
	})
	if err == nil || !strings.Contains(err.Error(), "the amount amount of row 8 is null") {
		t.Errorf("error %v", err)
	}
}

func TestPopulationIsCountedApart(t *testing.T) {
	t.Parallel()
	left := []booking{{1, "a", cents(100), "EUR", ""}, {2, "b", cents(250), "EUR", ""}, {3, "c", cents(5), "USD", ""}}
	right := []booking{{1, "a", cents(-100), "EUR", ""}}
	_, got := compare(t, left, right, reconciliation.Rule{Name: "r"}, dataset.RunOptions{BatchRows: 2}, 3)
	if want := []string{"population_left | EUR | 2 | 3.5", "population_left | USD | 1 | 0.05", "population_right | EUR | 1 | -1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// stated is a movement with the balance after it.
type stated struct {
	Account string
	Day     time.Time     `lake:",date"`
	Amount  money.Decimal `lake:",decimal(38,2)"`
	Balance money.Decimal `lake:",decimal(38,2)"`
}

// accountDay is an account's day as stated and as moved.
type accountDay struct {
	Account  string
	Day      time.Time      `lake:",date"`
	Opening  *money.Decimal `lake:",decimal(38,2)"`
	Movement *money.Decimal `lake:",decimal(38,2)"`
	Closing  *money.Decimal `lake:",decimal(38,2)"`
	Known    *bool
}

func on(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }

func some(n int64) *money.Decimal {
	d := cents(n)
	return &d
}

func TestProveChains(t *testing.T) {
	t.Parallel()
	rows := []stated{
		{"A", on(3), cents(5), cents(80)}, {"A", on(2), cents(10), cents(80)}, {"A", on(2), cents(100), cents(100)}, {"A", on(2), cents(-30), cents(70)}, // day 3 opens with 75, not 80
		{"B", on(2), cents(10), cents(10)}, {"B", on(3), cents(10), cents(40)}, {"B", on(4), cents(1), cents(41)},
		{"C", on(2), cents(1), cents(1)}, {"C", on(2), cents(1), cents(9)},
	}
	want := []string{
		"holds | A|2026-01-02 | 0.8 | 0.8", "holds | B|2026-01-02 | 0.1 | 0.1", "holds | B|2026-01-04 | 0.41 | 0.41",
		"opening | A|2026-01-03 | 0.8 | 0.75", "opening | B|2026-01-03 | 0.1 | 0.3", "order | C|2026-01-02 | 0.02 | 0.02",
	}
	got, err := rowsOf(t, func(s beam.Scope) dataset.Rows {
		return dataset.Select(s, columnar.ProveChains(s, from(t, s, "stated", rows), "r", 2, columnar.Partitions(2)), "class", "key", "amount_left", "amount_right")
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s\nerror %v", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
	}
}

func TestProveDays(t *testing.T) {
	t.Parallel()
	no := false
	rows := []accountDay{
		// A holds, then its opening is wrong, then its closing; a day without a stated balance must not move.
		{"A", on(1), some(0), some(100), some(100), nil}, {"A", on(2), some(110), some(5), some(115), nil}, {"A", on(3), some(115), some(5), some(121), nil},
		{"A", on(4), nil, some(3), nil, nil}, {"A", on(5), nil, some(0), nil, nil},
		// B comes into the books by a snapshot on day 2, of which the opening cannot be known.
		{"B", on(1), nil, some(7), nil, nil}, {"B", on(2), nil, some(2), some(50), &no}, {"B", on(3), nil, some(1), some(51), nil},
		// C moves, and no balance is stated ever.
		{"C", on(1), nil, some(9), nil, nil},
		// D states no opening: the prior closing is it.
		{"D", on(1), nil, some(4), some(4), nil}, {"D", on(2), nil, nil, some(4), nil},
	}
	want := []string{
		"balance | A|2026-01-03 | 1.2 | 1.21", "balance | A|2026-01-04 | 1.24 | 1.21", "balance | C|2026-01-01 | 0.09 | 0",
		"holds | A|2026-01-01 | 1 | 1", "holds | A|2026-01-05 | 1.21 | 1.21", "holds | B|2026-01-03 | 0.51 | 0.51", "holds | D|2026-01-01 | 0.04 | 0.04", "holds | D|2026-01-02 | 0.04 | 0.04",
		"opening | A|2026-01-02 | 1 | 1.1", "unproved | B|2026-01-01 | 0.07 | 0", "unproved | B|2026-01-02 | 0.5 | 0.5",
	}
	got, err := rowsOf(t, func(s beam.Scope) dataset.Rows {
		return dataset.Select(s, columnar.ProveDays(s, from(t, s, "days", rows), "r", 2, columnar.Partitions(3)), "class", "key", "amount_left", "amount_right")
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s\nerror %v", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
	}
}

// A scheme's statement against the ledger's card payments, in a pipeline.
func ExampleCompare() {
	out := datasettest.NewTables("example of Compare")
	_, err := datasettest.Run(context.Background(), func(s beam.Scope) {
		ledger, err := datasettest.From(s, "ledger", []booking{{1, "RF1", cents(-1000), "EUR", ""}, {2, "RF2", cents(-250), "EUR", ""}})
		if err != nil {
			panic(err)
		}
		statement, err := datasettest.From(s, "statement", []booking{{7, "RF1", cents(-1001), "EUR", ""}})
		if err != nil {
			panic(err)
		}
		both := columnar.Both(s, columnar.Items(s, ledger, columns), columnar.Items(s, statement, columns), 2)
		outcomes := columnar.Compare(s, both, reconciliation.Rule{Name: "cards", Tolerance: cents(1)})
		dataset.Write(s, out, "outcomes", dataset.Select(s, outcomes, "class", "key", "difference", "ref_left", "ref_right"))
	}, dataset.RunOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	rows, err := out.Rows("outcomes")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, row := range datasettest.Texts(rows) {
		fmt.Println(row)
	}
	// Output:
	// matched | RF1 | 0.01 | 1 | 7
	// missing_right | RF2 | -2.5 | 2 | (null)
}
