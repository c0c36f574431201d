package money

import (
	"errors"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestSumAgreesWithBigInAnyGrouping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wide := rapid.SliceOfN(genInt128(), 0, 20).Draw(t, "wide")
		narrow := rapid.SliceOfN(rapid.Int64(), 0, 20).Draw(t, "narrow")
		want := new(big.Int)
		var one, a, b Sum
		cut := rapid.IntRange(0, len(wide)).Draw(t, "cut")
		for i, v := range wide {
			want.Add(want, v.Big())
			one.Add(v)
			if i < cut {
				a.Add(v)
			}
		}
		b.AddInt128s(wide[cut:])
		for _, v := range narrow {
			want.Add(want, big.NewInt(v))
			one.AddInt64(v)
		}
		b.AddInt64s(narrow)
		b.Merge(a)
		if one != b {
			t.Fatalf("the order of adding changes the sum: %v and %v", one, b)
		}
		bin, err := b.MarshalBinary()
		var back Sum
		if err != nil || back.UnmarshalBinary(bin) != nil || back != b {
			t.Fatalf("binary round trip: %v, %v", back, err)
		}
		total, err := back.Total()
		if fits := fits128(want); fits != (err == nil) || fits && total.Big().Cmp(want) != 0 || !fits && !errors.Is(err, ErrOverflow) {
			t.Fatalf("total %v, %v: want %v", total, err, want)
		}
		back.Sub(one)
		if !back.IsZero() {
			t.Fatalf("the sum minus itself is %v", back)
		}
	})
}

func TestSumOfExtremes(t *testing.T) {
	t.Parallel()
	if got, err := SumInt128s([]Int128{MaxInt128, MaxInt128, MinInt128, MinInt128}); err != nil || got != Int128Of(-2) {
		t.Errorf("extremes that cancel = %v, %v", got, err)
	}
	if _, err := SumInt128s([]Int128{MaxInt128, Int128Of(1)}); !errors.Is(err, ErrOverflow) {
		t.Errorf("2^127: %v", err)
	}
	if got := SumInt64s([]int64{-1 << 63, -1 << 63, 1<<63 - 1}); got.Big().Cmp(new(big.Int).Sub(big.NewInt(-1<<63), big.NewInt(1))) != 0 {
		t.Errorf("64-bit extremes = %v", got)
	}
	var s Sum
	s.AddInt64(1230)
	if d, err := s.Decimal(2); err != nil || d.String() != "12.30" {
		t.Errorf("decimal = %v, %v", d, err)
	}
	if err := s.UnmarshalBinary([]byte{1}); err == nil {
		t.Error("one byte was taken as a sum")
	}
}
