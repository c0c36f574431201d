package money

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// genInt128 draws integers of all sizes, with the edges drawn often.
func genInt128() *rapid.Generator[Int128] {
	edges := []Int128{
		{}, Int128Of(1), Int128Of(-1), MaxInt128, MinInt128,
		{Lo: 1 << 63}, {Lo: 1<<64 - 1}, {Hi: 1}, {Hi: -1}, Int128Of(-1 << 63),
	}
	return rapid.Custom(func(t *rapid.T) Int128 {
		if rapid.IntRange(0, 7).Draw(t, "edge") == 0 {
			return rapid.SampledFrom(edges).Draw(t, "value")
		}
		a := Int128{rapid.Uint64().Draw(t, "lo"), rapid.Int64().Draw(t, "hi")}
		n := rapid.IntRange(0, 127).Draw(t, "shift")
		v := a.Big()
		a, _ = Int128FromBig(v.Rsh(v, uint(n)))
		return a
	})
}

// genDecimal draws decimals of all precisions and scales.
func genDecimal() *rapid.Generator[Decimal] {
	return rapid.Custom(func(t *rapid.T) Decimal {
		c := genInt128().Filter(func(a Int128) bool { return a.Fits(MaxPrecision) }).Draw(t, "coefficient")
		if rapid.IntRange(0, 9).Draw(t, "nines") == 0 {
			p, _ := PowerOfTen(rapid.IntRange(0, 38).Draw(t, "power"))
			c, _ = p.Sub(Int128Of(rapid.Int64Range(0, 2).Draw(t, "below")))
			if !c.Fits(MaxPrecision) {
				c, _ = c.Sub(Int128Of(1))
			}
		}
		return Decimal{c, uint8(rapid.IntRange(0, MaxScale).Draw(t, "scale"))}
	})
}

func genMode() *rapid.Generator[RoundingMode] {
	return rapid.SampledFrom([]RoundingMode{HalfEven, HalfUp, HalfDown, Down, Up, Ceiling, Floor})
}

func dec(t testing.TB, text string) Decimal {
	t.Helper()
	d, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func rat(d Decimal) *big.Rat {
	return new(big.Rat).SetFrac(d.coef.Big(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.scale)), nil))
}

func fits128(v *big.Int) bool {
	return v.Cmp(MinInt128.Big()) >= 0 && v.Cmp(MaxInt128.Big()) <= 0
}
