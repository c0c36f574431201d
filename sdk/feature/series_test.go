package feature_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/feature"
	"github.com/millrace/millrace/sdk/money"
	"pgregory.net/rapid"
)

const day = int64(24 * time.Hour / time.Microsecond)

// series are movements of (instant, amount), known when they were booked.
func series(pairs ...int64) feature.Series {
	var s feature.Series
	for i := 0; i+1 < len(pairs); i += 2 {
		s = append(s, feature.Movement{BookedAt: pairs[i], KnownAt: pairs[i], Amount: money.Int128Of(pairs[i+1])})
	}
	return s
}

// naive computes the features by looking at every movement for every instant.
func naive(s feature.Series, t int64) feature.Values {
	var v feature.Values
	add := func(to *money.Int128, x money.Int128) { *to, _ = to.Add(x) }
	first, lastCredit, any, credit, debit := int64(0), int64(0), false, false, false
	for _, m := range s {
		if m.KnownAt > t || m.BookedAt > t {
			continue
		}
		add(&v.Balance, m.Amount)
		if !any || m.BookedAt < first {
			any, first = true, m.BookedAt
		}
		abs, _ := m.Amount.Abs()
		for k, n := range []int64{7, 30, 90} {
			if m.BookedAt <= t-n*day {
				continue
			}
			if m.Amount.Sign() > 0 {
				add(&v.Inflow[k], abs)
			} else {
				add(&v.Outflow[k], abs)
			}
		}
		in30 := m.BookedAt > t-30*day
		switch {
		case m.Amount.Sign() > 0:
			if !credit || m.BookedAt > lastCredit {
				credit, lastCredit = true, m.BookedAt
			}
			if in30 {
				v.Credits30++
			}
		case m.Amount.Sign() < 0:
			if in30 {
				v.Debits30++
			}
			if m.BookedAt > t-90*day && (!debit || v.LargestDebit90.Less(abs)) {
				debit, v.LargestDebit90 = true, abs
			}
		}
	}
	if !any {
		v.LargestDebitSpecial, v.DaysSinceCreditSpecial, v.HistorySpecial = feature.NoHistory, feature.NoHistory, feature.NoHistory
		return v
	}
	v.DaysOfHistory = (t - first) / day
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

// draw makes a series in which about a third of the movements become known late or are booked ahead.
func draw(t *rapid.T) (feature.Series, []int64) {
	n := rapid.IntRange(0, 40).Draw(t, "movements")
	var s feature.Series
	at := int64(0)
	for range n {
		at += rapid.Int64Range(0, 9*day).Draw(t, "gap")
		late := rapid.OneOf(rapid.Just(int64(0)), rapid.Just(int64(0)), rapid.Int64Range(-5*day, 120*day)).Draw(t, "late")
		s = append(s, feature.Movement{BookedAt: at, KnownAt: at + late, Amount: money.Int128Of(rapid.Int64Range(-500, 500).Draw(t, "amount"))})
	}
	s.Sort()
	asOf := rapid.SliceOfN(rapid.Int64Range(-day, 300*day), 1, 8).Draw(t, "as-of")
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
			known := slices.DeleteFunc(slices.Clone(s), func(m feature.Movement) bool { return m.SeenAt() > at })
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
	if _, err := (feature.Series{{1, 1, big}, {2, 2, big}}).At([]int64{9}); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("an overflow was accepted: %v", err)
	}
}

func ExampleSeries_At() {
	s := feature.Series{
		{BookedAt: 0, KnownAt: 0, Amount: money.Int128Of(100_00)},
		{BookedAt: 3 * day, KnownAt: 3 * day, Amount: money.Int128Of(-25_50)},
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

// TestLateArrivalsDoNotChangeAnEarlierAsOf adds a movement that becomes known after the as-of instant, booked before it.
func TestLateArrivalsDoNotChangeAnEarlierAsOf(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, asOf := draw(t)
		before, err := s.At(asOf)
		if err != nil {
			t.Fatal(err)
		}
		last := asOf[len(asOf)-1]
		late := feature.Movement{BookedAt: last - rapid.Int64Range(0, 100*day).Draw(t, "booked"), KnownAt: last + 1, Amount: money.Int128Of(7)}
		s = append(slices.Clone(s), late)
		s.Sort()
		after, err := s.At(asOf)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(before, after) {
			t.Fatalf("as of %v\nbefore %+v\nafter  %+v", asOf, before, after)
		}
	})
}

func TestAWalkerRefusesMovementsThatAnInstantHasMissed(t *testing.T) {
	t.Parallel()
	var w feature.Walker
	if _, err := w.At(10); err != nil {
		t.Fatal(err)
	}
	if err := w.Add(feature.Movement{BookedAt: 9, KnownAt: 9}); err == nil {
		t.Error("a movement of the past was accepted")
	}
	w.Reset()
	if err := w.Add(feature.Movement{BookedAt: 9, KnownAt: 9}); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}

// TestSkippingChangesNoValue walks with and without the promise.
func TestSkippingChangesNoValue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, asOf := draw(t)
		want, err := s.At(asOf)
		if err != nil {
			t.Fatal(err)
		}
		var w feature.Walker
		next := 0
		for i, at := range asOf {
			for ; next < len(s) && s[next].SeenAt() <= at; next++ {
				if err := w.Add(s[next]); err != nil {
					t.Fatal(err)
				}
			}
			got, err := w.At(at)
			if err != nil || got != want[i] {
				t.Fatalf("as of %d: %v\n got %+v\nwant %+v", at, err, got, want[i])
			}
		}
	})
}

func TestAnInstantBeforeThePromiseIsRefused(t *testing.T) {
	t.Parallel()
	var w feature.Walker
	w.SkipTo(10)
	if _, err := w.At(9); err == nil {
		t.Error("an instant before the promised one was answered")
	}
	if err := w.Add(feature.Movement{BookedAt: 3, KnownAt: 3, Amount: money.Int128Of(1)}); err != nil {
		t.Error(err)
	}
	if v, err := w.At(10); err != nil || v.Credits30 != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestNoFeatureHasANumberWithoutHistory(t *testing.T) {
	t.Parallel()
	v, err := feature.Series(nil).At([]int64{5})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range feature.All() {
		if _, why := f.Of(&v[0]); why != feature.NoHistory {
			t.Errorf("%s: %q", f.Name, why)
		}
	}
}

// A movement that is known late is seen from then on, and counts from its booking.
func ExampleWalker() {
	var w feature.Walker
	late := feature.Movement{BookedAt: 0, KnownAt: 6 * day, Amount: money.Int128Of(100_00)}
	before, _ := w.At(5 * day)
	_ = w.Add(late)
	after, _ := w.At(8 * day)
	fmt.Println(before.HistorySpecial)
	fmt.Println(after.Balance, after.Inflow[0], after.Inflow[1], after.DaysSinceCredit)
	// Output:
	// no history
	// 10000 0 10000 8
}

func BenchmarkWalker(b *testing.B) {
	var w feature.Walker
	at := int64(0)
	for b.Loop() {
		at += day / 4
		_ = w.Add(feature.Movement{BookedAt: at, KnownAt: at, Amount: money.Int128Of(at%1000 - 500)})
	}
}
