package reconciliation_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"pgregory.net/rapid"
)

func dec(t testing.TB, s string) money.Decimal {
	t.Helper()
	d, err := money.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestClasses(t *testing.T) {
	t.Parallel()
	item := func(ref, key, amount, ccy string, date int32) reconciliation.Item {
		return reconciliation.Item{Key: key, Amount: dec(t, amount), Currency: ccy, Date: date, Ref: ref}
	}
	left := []reconciliation.Item{
		item("1", "same", "10.00", "EUR", 5), item("2", "cent", "10.00", "EUR", 5), item("3", "off", "10.00", "EUR", 5),
		item("4", "late", "10.00", "EUR", 5), item("5", "only left", "1", "EUR", 5), item("6", "ccy", "3", "EUR", 5),
		item("7", "twin", "2", "EUR", 5), item("8", "twin", "7", "EUR", 5),
	}
	right := []reconciliation.Item{
		item("a", "same", "10.0", "EUR", 6), item("b", "cent", "10.01", "EUR", 5), item("c", "off", "10.02", "EUR", 5),
		item("d", "late", "10.00", "EUR", 9), item("e", "only right", "1", "EUR", 5), item("f", "ccy", "3", "USD", 5),
		item("g", "twin", "7", "EUR", 5), item("h", "same", "10.00", "EUR", 5),
	}
	rule := reconciliation.Rule{Tolerance: dec(t, "0.01"), Days: 2, HasDate: true}
	res := reconciliation.Compare(left, right, rule)
	got := map[string]reconciliation.Class{}
	for _, b := range res.Breaks {
		got[b.Key()] = b.Class
	}
	want := map[string]reconciliation.Class{"off": "amount", "late": "date", "only left": "missing_right", "only right": "missing_left", "ccy": "currency", "twin": "duplicate", "same": "duplicate"}
	if fmt.Sprint(got) != fmt.Sprint(want) || len(res.Matches) != 3 {
		t.Fatalf("breaks %v, matches %d", got, len(res.Matches))
	}
	for _, m := range res.Matches {
		if m.Left.Key == "same" && m.Right.Ref != "h" {
			t.Errorf("matched %s, although %s is nearer", m.Right.Ref, "h")
		}
	}
}

func draw(t *rapid.T, label string) []reconciliation.Item {
	n := rapid.IntRange(0, 25).Draw(t, label)
	out := make([]reconciliation.Item, n)
	for i := range out {
		a, err := money.New(rapid.Int64Range(-9, 9).Draw(t, "amount"), 2)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = reconciliation.Item{Key: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key"), Amount: a,
			Currency: rapid.SampledFrom([]string{"EUR", "USD"}).Draw(t, "currency"), Date: rapid.Int32Range(0, 5).Draw(t, "date"), Ref: fmt.Sprint(label, i)}
	}
	return out
}

func TestEveryItemEndsOnceAndDifferencesAreExplained(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		left, right := draw(t, "left"), draw(t, "right")
		tol, err := money.New(rapid.Int64Range(0, 3).Draw(t, "tolerance"), 2)
		if err != nil {
			t.Fatal(err)
		}
		rule := reconciliation.Rule{Tolerance: tol, Days: rapid.Int32Range(0, 2).Draw(t, "days"), HasDate: rapid.Bool().Draw(t, "dates")}
		res := reconciliation.Compare(left, right, rule)
		seen := map[string]int{}
		for _, m := range res.Matches {
			seen[m.Left.Ref]++
			seen[m.Right.Ref]++
		}
		for _, b := range res.Breaks {
			if b.Left != nil {
				seen[b.Left.Ref]++
			}
			if b.Right != nil {
				seen[b.Right.Ref]++
			}
		}
		for _, it := range append(append([]reconciliation.Item{}, left...), right...) {
			if seen[it.Ref] != 1 {
				t.Fatalf("item %s is in %d results", it.Ref, seen[it.Ref])
			}
		}
		totals, err := res.Totals(left, right)
		if err != nil {
			t.Fatal(err)
		}
		for ccy, total := range totals {
			if !total.Unexplained.IsZero() {
				t.Fatalf("%s: %s unexplained", ccy, total.Unexplained)
			}
		}
		rand.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		rand.Shuffle(len(right), func(i, j int) { right[i], right[j] = right[j], right[i] })
		if again := reconciliation.Compare(left, right, rule); text(again) != text(res) {
			t.Fatalf("another order gives another result:\n%s\n%s", text(res), text(again))
		}
	})
}

func text(r reconciliation.Result) string {
	s := fmt.Sprint(r.Matches)
	for _, b := range r.Breaks {
		s += fmt.Sprint(b.Class, deref(b.Left), deref(b.Right))
	}
	return s
}

func deref(i *reconciliation.Item) string {
	if i == nil {
		return "-"
	}
	return fmt.Sprint(*i)
}

func TestProveDays(t *testing.T) {
	t.Parallel()
	d := func(acct string, date int32, open, move, end string) reconciliation.Day {
		return reconciliation.Day{Account: acct, Date: date, Opening: dec(t, open), Movement: dec(t, move), Closing: dec(t, end)}
	}
	failed, err := reconciliation.ProveDays([]reconciliation.Day{
		d("a", 1, "0", "5", "5"), d("a", 2, "5", "-1.50", "3.5"), d("a", 3, "3.6", "0", "3.6"), d("b", 1, "0", "1", "2"),
	})
	if err != nil || len(failed) != 2 || failed[0].Gap.String() != "0.1" || failed[1].Difference.String() != "-1" {
		t.Fatalf("%v %+v", err, failed)
	}
	if _, err := reconciliation.ProveDays([]reconciliation.Day{d("a", 2, "0", "0", "0"), d("a", 1, "0", "0", "0")}); err == nil {
		t.Fatal("days out of order were accepted")
	}
}

func ExampleCompare() {
	ten, _ := money.Parse("10.00")
	left := []reconciliation.Item{{Key: "RF1", Amount: ten, Currency: "EUR", Ref: "entry 1"}, {Key: "RF2", Amount: ten, Currency: "EUR", Ref: "entry 2"}}
	right := []reconciliation.Item{{Key: "RF1", Amount: ten, Currency: "EUR", Ref: "line 1"}}
	res := reconciliation.Compare(left, right, reconciliation.Rule{})
	fmt.Println(len(res.Matches), res.Breaks[0].Class, res.Breaks[0].Left.Ref)
	// Output: 1 missing_right entry 2
}
