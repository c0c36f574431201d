package feature_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/feature"
	"github.com/millrace/millrace/sdk/money"
	"pgregory.net/rapid"
)

const day = int64(24 * time.Hour / time.Microsecond)

func series(pairs ...int64) feature.Series {
	var s feature.Series
	for i := 0; i+1 < len(pairs); i += 2 {
		s = append(s, feature.Movement{KnownAt: pairs[i], Amount: money.Int128Of(pairs[i+1])})
	}
	return s
}

// naive computes the features by looking at every movement for every instant.
func naive(s feature.Series, t int64) feature.Values {
	var v feature.Values
	known := slices.DeleteFunc(slices.Clone(s), func(m feature.Movement) bool { return m.KnownAt > t })
	add := func(to *money.Int128, x money.Int128) { *to, _ = to.Add(x) }
	lastCredit, credit, debit := int64(0), false, false
	for _, m := range known {
		add(&v.Balance, m.Amount)
		abs, _ := m.Amount.Abs()
		for k, n := range []int64{7, 30, 90} {
			if m.KnownAt > t-n*day {
				if m.Amount.Sign() > 0 {
					add(&v.Inflow[k], abs)
				} else {
					add(&v.Outflow[k], abs)
				}
			}
		}
		if m.Amount.Sign() > 0 {
			credit, lastCredit = true, m.KnownAt
			if m.KnownAt > t-30*day {
				v.Credits30++
			}
		}
		if m.Amount.Sign() < 0 {
			if m.KnownAt > t-30*day {
				v.Debits30++
			}
			if m.KnownAt > t-90*day && (!debit || v.LargestDebit90.Less(abs)) {
				debit, v.LargestDebit90 = true, abs
			}
		}
	}
	if len(known) == 0 {
		v.LargestDebitSpecial, v.DaysSinceCreditSpecial, v.HistorySpecial = feature.NoHistory, feature.NoHistory, feature.NoHistory
		return v
	}
	v.DaysOfHistory = (t - known[0].KnownAt) / day
	if credit {
		v.DaysSinceCredit = (t - lastCredit) / day
	} else {
		v.DaysSinceCreditSpecial = feature.NoEvent
	}
	if !debit {
		v.LargestDebitSpecial = feature.NoEvent
	}
	return v
}

func draw(t *rapid.T) (feature.Series, []int64) {
	n := rapid.IntRange(0, 40).Draw(t, "movements")
	var s feature.Series
	at := int64(0)
	for range n {
		at += rapid.Int64Range(0, 9*day).Draw(t, "gap")
		s = append(s, feature.Movement{KnownAt: at, Amount: money.Int128Of(rapid.Int64Range(-500, 500).Draw(t, "amount"))})
	}
	asOf := rapid.SliceOfN(rapid.Int64Range(0, 200*day), 1, 8).Draw(t, "as-of")
	slices.Sort(asOf)
	return s, asOf
}

func TestEqualsTheNaiveDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, asOf := draw(t)
		got, err := s.At(asOf)
		if err != nil {
			t.Fatal(err)
		}
		for i := range asOf {
			if want := naive(s, asOf[i]); got[i] != want {
				t.Fatalf("as of day %d\n got %+v\nwant %+v", asOf[i]/day, got[i], want)
			}
		}
	})
}

func TestTheFutureDoesNotLeak(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, asOf := draw(t)
		all, err := s.At(asOf)
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range asOf {
			known := slices.DeleteFunc(slices.Clone(s), func(m feature.Movement) bool { return m.KnownAt > at })
			alone, err := known.At([]int64{at})
			if err != nil || alone[0] != all[i] {
				t.Fatalf("as of %d: %v\nwith the future %+v\nwithout it     %+v", at, err, all[i], alone[0])
			}
		}
	})
}

func TestOrderAndOverflowAreErrors(t *testing.T) {
	t.Parallel()
	if _, err := series(2, 1, 1, 1).At([]int64{9}); err == nil {
		t.Error("movements out of order were accepted")
	}
	if _, err := series(1, 1).At([]int64{9, 8}); err == nil {
		t.Error("as-of instants out of order were accepted")
	}
	big := money.Int128{Lo: 1<<64 - 1, Hi: 1<<63 - 1}
	if _, err := (feature.Series{{1, big}, {2, big}}).At([]int64{9}); err == nil {
		t.Error("an overflow was accepted")
	}
}

func ExampleSeries_At() {
	s := feature.Series{
		{KnownAt: 0, Amount: money.Int128Of(100_00)},
		{KnownAt: 3 * day, Amount: money.Int128Of(-25_50)},
	}
	v, err := s.At([]int64{1 * day, 10 * day})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v[0].Balance, v[0].Debits30, v[0].LargestDebitSpecial)
	fmt.Println(v[1].Balance, v[1].Outflow[0], v[1].Outflow[1], v[1].DaysSinceCredit)
	// Output:
	// 10000 0 no event in the window
	// 7450 0 2550 10
}
