package reconciliation_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// books draws clean books: both sides alike, every key once or a few times, within a
// rule's tolerances of one another.
func books(t *rapid.T, rule reconciliation.Rule) (left, right []reconciliation.Item) {
	n := rapid.IntRange(0, 40).Draw(t, "movements")
	cents := rule.Tolerance.Coefficient()
	tolerance, ok := cents.Int64()
	if !ok {
		t.Fatal("tolerance of more than 64 bits")
	}
	for i := range n {
		// Items of one key are far apart, so that each can only match its own counterpart.
		for k := range rapid.IntRange(1, 3).Draw(t, "of one key") {
			amount := int64(k+1)*100_000 + rapid.Int64Range(0, 50_000).Draw(t, "cents")
			l := reconciliation.Item{Key: fmt.Sprint("k", i), Amount: minor(t, amount), Currency: rapid.SampledFrom([]string{"EUR", "USD"}).Draw(t, "currency"),
				Date: rapid.Int32Range(0, 1000).Draw(t, "date"), Ref: fmt.Sprintf("l%d.%d", i, k)}
			r := l
			r.Ref = fmt.Sprintf("r%d.%d", i, k)
			r.Amount = minor(t, amount+rapid.Int64Range(-tolerance, tolerance).Draw(t, "off"))
			r.Date += rapid.Int32Range(-rule.Days, rule.Days).Draw(t, "late")
			left, right = append(left, l), append(right, r)
		}
	}
	return left, right
}

func minor(t interface{ Fatal(...any) }, cents int64) money.Decimal {
	d, err := money.New(cents, 2)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestFindsExactlyWhatIsPlanted plants known breaks of every class into clean books.
func TestFindsExactlyWhatIsPlanted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rule := reconciliation.Rule{Name: "r", Tolerance: minor(t, rapid.Int64Range(0, 5).Draw(t, "tolerance")), Days: rapid.Int32Range(0, 3).Draw(t, "days"), HasDate: true}
		left, right := books(t, rule)
		clean := len(left)
		want := map[reconciliation.Class]int{}
		beyond := func() int64 { return 1_000 + rapid.Int64Range(1, 1_000).Draw(t, "beyond") }
		for i := range rapid.IntRange(0, 30).Draw(t, "breaks") {
			class := rapid.SampledFrom([]reconciliation.Class{reconciliation.MissingLeft, reconciliation.MissingRight, reconciliation.Duplicate,
				reconciliation.Amount, reconciliation.Currency, reconciliation.Date}).Draw(t, "class")
			amount := rapid.Int64Range(-50_000, 50_000).Draw(t, "planted")
			l := reconciliation.Item{Key: fmt.Sprint("planted", i), Amount: minor(t, amount), Currency: "EUR", Date: 500, Ref: fmt.Sprint("pl", i)}
			r := l
			r.Ref = fmt.Sprint("pr", i)
			want[class]++
			switch class {
			case reconciliation.MissingLeft:
				right = append(right, r)
				continue
			case reconciliation.MissingRight:
				left = append(left, l)
				continue
			case reconciliation.Duplicate:
				again := r
				again.Ref += " again"
				right = append(right, again)
				clean++
			case reconciliation.Amount:
				r.Amount = minor(t, amount+beyond())
			case reconciliation.Currency:
				r.Currency = "USD"
			case reconciliation.Date:
				r.Date += rule.Days + rapid.Int32Range(1, 9).Draw(t, "late")
			}
			left, right = append(left, l), append(right, r)
		}
		res := reconciliation.Compare(left, right, rule)
		got := map[reconciliation.Class]int{}
		for _, b := range res.Breaks {
			got[b.Class]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || len(res.Matches) != clean {
			t.Fatalf("found %v and %d matches, planted %v and %d", got, len(res.Matches), want, clean)
		}
	})
}

// TestSwappedSidesMirror: breaks of the swapped comparison are those of the first with left and right exchanged.
func TestSwappedSidesMirror(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		left, right := draw(t, "left"), draw(t, "right")
		rule := reconciliation.Rule{Name: "r", Tolerance: minor(t, rapid.Int64Range(0, 3).Draw(t, "tolerance")), Days: rapid.Int32Range(0, 2).Draw(t, "days"), HasDate: rapid.Bool().Draw(t, "dates")}
		there, back := reconciliation.Compare(left, right, rule), reconciliation.Compare(right, left, rule)
		mirrored := reconciliation.Result{LeftRows: back.RightRows, RightRows: back.LeftRows}
		for _, m := range back.Matches {
			mirrored.Matches = append(mirrored.Matches, reconciliation.Match{Left: m.Right, Right: m.Left})
		}
		for _, b := range back.Breaks {
			mirrored.Breaks = append(mirrored.Breaks, reconciliation.Break{Class: b.Class.Mirrored(), Left: b.Right, Right: b.Left})
		}
		if got, want := outcomesOf(mirrored), outcomesOf(there); !slices.Equal(got, want) {
			t.Fatalf("swapped:\n%v\nas it was:\n%v", got, want)
		}
	})
}

// TestIdentitiesTellBreaksApart: within a run no two breaks have one identity, and what identifies a break does not depend on where its rows stand.
func TestIdentitiesTellBreaksApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		left, right := draw(t, "left"), draw(t, "right")
		rule := reconciliation.Rule{Name: "r", Tolerance: minor(t, 1)}
		ids := func() (out []string) {
			for _, b := range reconciliation.Compare(left, right, rule).Breaks {
				out = append(out, b.ID(rule.Name))
			}
			slices.Sort(out)
			return out
		}
		first := ids()
		if len(slices.Compact(slices.Clone(first))) != len(first) {
			t.Fatalf("an identity is given twice: %v", first)
		}
		for i := range right { // the next statement has the same lines elsewhere
			right[i].Ref = fmt.Sprintf("%03d", len(right)-i)
		}
		if again := ids(); !slices.Equal(first, again) {
			t.Fatalf("other lines give other identities:\n%v\n%v", first, again)
		}
	})
}

// TestManyItemsOfOneKey: a key that thousands of movements share is settled in its order, without weighing all pairs.
func TestManyItemsOfOneKey(t *testing.T) {
	t.Parallel()
	const n = 20_000
	var left, right []reconciliation.Item
	for i := range n {
		it := reconciliation.Item{Key: "cash", Amount: minor(t, int64(i)*10), Currency: "EUR", Date: 5, Ref: fmt.Sprint(i)}
		left = append(left, it)
		if i%100 == 0 {
			continue // 200 are missing
		}
		it.Amount = minor(t, int64(i)*10+1) // within the tolerance, equal to none
		right = append(right, it)
	}
	rule := reconciliation.Rule{Tolerance: minor(t, 2), HasDate: true}
	res := reconciliation.Compare(left, right, rule)
	if len(res.Matches) != n-n/100 || len(res.Breaks) != n/100 {
		t.Errorf("%d matches and %d breaks", len(res.Matches), len(res.Breaks))
	}
	for _, b := range res.Breaks {
		if b.Class != reconciliation.Duplicate || b.Right != nil {
			t.Fatalf("break %+v", b)
		}
	}
}

// TestShuffledDaysChain: movements of a day chain in whatever order they are given, and no more once one is changed.
func TestShuffledDaysChain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		balance := rapid.Int64Range(-1000, 1000).Draw(t, "opening")
		opening := minor(t, balance)
		rows := make([]reconciliation.Stated, rapid.IntRange(1, 15).Draw(t, "movements"))
		for i := range rows {
			a := rapid.Int64Range(-300, 300).Draw(t, "amount")
			balance += a
			rows[i] = reconciliation.Stated{Amount: minor(t, a), Balance: minor(t, balance)}
		}
		rows = rapid.Permutation(rows).Draw(t, "order")
		link, err := reconciliation.Chain(&opening, rows)
		if err != nil || !link.Chains || !link.Opening.Equal(opening) || !link.Closing.Equal(minor(t, balance)) {
			t.Fatalf("%+v, error %v; want %s to %d cents", link, err, opening, balance)
		}
		far := rapid.IntRange(0, len(rows)-1).Draw(t, "wrong")
		rows[far].Balance = minor(t, 999_999)
		if link, err = reconciliation.Chain(&opening, rows); err != nil {
			t.Fatal(err)
		}
		if link.Chains && len(rows) > 1 {
			t.Fatalf("a wrong balance chains: %+v", rows)
		}
	})
}

func ExampleChain() {
	prior := money.FromInt64(0)
	var rows []reconciliation.Stated
	for _, r := range [][2]int64{{10, 80}, {100, 100}, {-30, 70}} { // as the bank's file has them: not in order
		rows = append(rows, reconciliation.Stated{Amount: money.FromInt64(r[0]), Balance: money.FromInt64(r[1])})
	}
	link, err := reconciliation.Chain(&prior, rows)
	fmt.Println(link.Chains, link.Opening, link.Closing, err)
	// Output: true 0 80 <nil>
}

func ExampleProveDays() {
	d := money.FromInt64
	failed, err := reconciliation.ProveDays([]reconciliation.Day{
		{Account: "A", Date: 20458, Opening: d(0), Movement: d(100), Closing: d(100)},
		{Account: "A", Date: 20459, Opening: d(100), Movement: d(-20), Closing: d(85)},
	})
	fmt.Println(len(failed), failed[0].Difference, err)
	// Output: 1 -5 <nil>
}

func ExampleBreak_ID() {
	b := reconciliation.Break{Class: reconciliation.MissingRight, Left: &reconciliation.Item{Key: "RF1", Amount: money.FromInt64(10), Currency: "EUR", Ref: "entry 17"}}
	tomorrow := b
	tomorrow.Left = &reconciliation.Item{Key: "RF1", Amount: money.FromInt64(10), Currency: "EUR", Ref: "line 4"}
	fmt.Println(b.ID("cards") == tomorrow.ID("cards"), b.ID("cards") == b.ID("wires"))
	// Output: true false
}
