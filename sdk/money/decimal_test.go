package money

import (
	"errors"
	"math/big"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"
)

var apdModes = map[RoundingMode]apd.Rounder{
	HalfEven: apd.RoundHalfEven, HalfUp: apd.RoundHalfUp, HalfDown: apd.RoundHalfDown,
	Down: apd.RoundDown,
}

func toAPD(t *rapid.T, d Decimal) *apd.Decimal {
	v, _, err := apd.NewFromString(d.String())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// quantized is what apd makes of the exact value v at a scale; ok is false beyond 38 digits.
func quantized(t *rapid.T, v *apd.Decimal, scale int, m RoundingMode) (text string, ok bool) {
	ctx := apd.BaseContext.WithPrecision(400)
	ctx.Rounding = apdModes[m]
	var z apd.Decimal
	if _, err := ctx.Quantize(&z, v, -int32(scale)); err != nil {
		t.Fatal(err)
	}
	z.Negative = z.Negative && !z.IsZero()
	return z.Text('f'), z.NumDigits() <= 38
}

func checkRounded(t *rapid.T, what string, got Decimal, err error, exact *apd.Decimal, scale int, m RoundingMode) {
	want, ok := quantized(t, exact, scale, m)
	switch {
	case ok && err != nil:
		t.Fatalf("%s: %v: want %s", what, err, want)
	case !ok && !errors.Is(err, ErrOverflow):
		t.Fatalf("%s = %v, %v: want an overflow for %s", what, got, err, want)
	case ok && (got.String() != want || got.Scale() != scale):
		t.Fatalf("%s = %v: want %s", what, got, want)
	}
}

// apd's own Quantize takes 0.01 up to 0 for scale 0, so the directed modes are held against big.Rat alone.
func TestRoundingAgreesWithAPD(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d, e := genDecimal().Draw(t, "d"), genDecimal().Draw(t, "e")
		scale := rapid.IntRange(0, MaxScale).Draw(t, "scale")
		m := rapid.SampledFrom([]RoundingMode{HalfEven, HalfUp, HalfDown, Down}).Draw(t, "mode")
		x, y := toAPD(t, d), toAPD(t, e)
		r, err := d.Rescale(scale, m)
		checkRounded(t, "rescale", r, err, x, scale, m)

		exactly := apd.BaseContext.WithPrecision(200)
		var product apd.Decimal
		if _, err := exactly.Mul(&product, x, y); err != nil {
			t.Fatal(err)
		}
		r, err = d.MulRound(e, scale, m)
		checkRounded(t, "multiply", r, err, &product, scale, m)
	})
}

func TestRoundingAgreesWithBig(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d, e := genDecimal().Draw(t, "d"), genDecimal().Draw(t, "e")
		scale, m := rapid.IntRange(0, MaxScale).Draw(t, "scale"), genMode().Draw(t, "mode")
		got, err := d.Rescale(scale, m)
		checkRat(t, "rescale", got, err, rat(d), scale, m)
		got, err = d.MulRound(e, scale, m)
		checkRat(t, "multiply", got, err, new(big.Rat).Mul(rat(d), rat(e)), scale, m)
		got, err = d.Div(e, scale, m)
		if e.IsZero() {
			if !errors.Is(err, ErrDivideByZero) {
				t.Fatalf("divide by zero: %v", err)
			}
			return
		}
		checkRat(t, "divide", got, err, new(big.Rat).Quo(rat(d), rat(e)), scale, m)
	})
}

func checkRat(t *rapid.T, what string, got Decimal, err error, exact *big.Rat, scale int, m RoundingMode) {
	want := roundRat(exact, scale, m)
	if a, ok := Int128FromBig(want); !ok || !a.Fits(MaxPrecision) {
		if !errors.Is(err, ErrOverflow) {
			t.Fatalf("%s = %v, %v: want an overflow", what, got, err)
		}
		return
	}
	if err != nil || got.coef.Big().Cmp(want) != 0 || got.Scale() != scale {
		t.Fatalf("%s to %d by %v = %v, %v: want coefficient %v", what, scale, m, got, err, want)
	}
}

// roundRat rounds r·10^scale to an integer, from the modes' definitions.
func roundRat(r *big.Rat, scale int, m RoundingMode) *big.Int {
	x := new(big.Rat).Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
	floor := new(big.Int).Div(x.Num(), x.Denom()) // Euclid: the floor for positive divisors
	frac := new(big.Rat).Sub(x, new(big.Rat).SetInt(floor))
	if frac.Sign() == 0 {
		return floor
	}
	ceil := new(big.Int).Add(floor, big.NewInt(1))
	half := frac.Cmp(big.NewRat(1, 2))
	towards, away := floor, ceil
	if x.Sign() < 0 {
		towards, away = ceil, floor
		half = -half
	}
	nearest := func(tie *big.Int) *big.Int {
		switch {
		case half == 0:
			return tie
		case half > 0:
			return away
		}
		return towards
	}
	switch m {
	case Floor:
		return floor
	case Ceiling:
		return ceil
	case Down:
		return towards
	case Up:
		return away
	case HalfUp:
		return nearest(away)
	case HalfDown:
		return nearest(towards)
	}
	if floor.Bit(0) == 0 {
		return nearest(floor)
	}
	return nearest(ceil)
}

func TestAddSubMulAreExact(t *testing.T) {
	t.Parallel()
	type op struct {
		name string
		ours func(d, e Decimal) (Decimal, error)
		rat  func(z, a, b *big.Rat) *big.Rat
	}
	ops := []op{{"add", Decimal.Add, (*big.Rat).Add}, {"sub", Decimal.Sub, (*big.Rat).Sub}, {"mul", Decimal.Mul, (*big.Rat).Mul}}
	rapid.Check(t, func(t *rapid.T) {
		d, e := genDecimal().Draw(t, "d"), genDecimal().Draw(t, "e")
		for _, o := range ops {
			got, err := o.ours(d, e)
			want := o.rat(new(big.Rat), rat(d), rat(e))
			scale := max(d.Scale(), e.Scale())
			if o.name == "mul" {
				scale = d.Scale() + e.Scale()
			}
			if err == nil && (rat(got).Cmp(want) != 0 || got.Scale() != scale) {
				t.Fatalf("%s(%v, %v) = %v: want %v", o.name, d, e, got, want)
			}
			if c := roundRat(want, min(scale, 100), Down); err != nil && scale <= MaxScale && new(big.Int).Abs(c).Cmp(bigOf(pow10[38].lo, pow10[38].hi)) < 0 {
				t.Fatalf("%s(%v, %v): %v: want %v", o.name, d, e, err, want)
			}
		}
		if got, want := d.Cmp(e), rat(d).Cmp(rat(e)); got != want {
			t.Fatalf("cmp(%v, %v) = %d: want %d", d, e, got, want)
		}
		if n := d.Normalize(); !n.Equal(d) || n.Scale() > 0 && n.String()[len(n.String())-1] == '0' {
			t.Fatalf("normalize %v = %v", d, n)
		}
	})
}

func TestRoundingTable(t *testing.T) {
	t.Parallel()
	inputs := []string{"2.5", "1.6", "-1.6", "-2.5", "3.5", "0.4", "-0.4", "2.50001"}
	want := map[RoundingMode][]string{
		HalfEven: {"2", "2", "-2", "-2", "4", "0", "0", "3"},
		HalfUp:   {"3", "2", "-2", "-3", "4", "0", "0", "3"},
		HalfDown: {"2", "2", "-2", "-2", "3", "0", "0", "3"},
		Down:     {"2", "1", "-1", "-2", "3", "0", "0", "2"},
		Up:       {"3", "2", "-2", "-3", "4", "1", "-1", "3"},
		Ceiling:  {"3", "2", "-1", "-2", "4", "1", "0", "3"},
		Floor:    {"2", "1", "-2", "-3", "3", "0", "-1", "2"},
	}
	for m, texts := range want {
		for i, in := range inputs {
			got, err := dec(t, in).Rescale(0, m)
			if err != nil || got.String() != texts[i] {
				t.Errorf("%s by %v = %v, %v: want %s", in, m, got, err, texts[i])
			}
		}
		name, err := m.MarshalText()
		var back RoundingMode
		if err != nil || back.UnmarshalText(name) != nil || back != m {
			t.Errorf("%v does not survive its text %s, %v", m, name, err)
		}
	}
}

func TestMulRoundSeesDigitsFarBelowATie(t *testing.T) {
	t.Parallel()
	half := dec(t, "0.50000000000000000000000000000000000000")
	above := dec(t, "1.000000000000000000000000000001")
	for _, c := range []struct {
		by   Decimal
		mode RoundingMode
		want string
	}{{above, HalfEven, "1"}, {above, HalfDown, "1"}, {dec(t, "1.000000000000000000000000000000"), HalfEven, "0"}, {above.Neg(), HalfEven, "-1"}} {
		if got, err := half.MulRound(c.by, 0, c.mode); err != nil || got.String() != c.want {
			t.Errorf("0.5 times %v by %v = %v, %v: want %s", c.by, c.mode, got, err, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	big38 := dec(t, "99999999999999999999999999999999999999")
	tiny := dec(t, "0.00000000000000000000000000000000000001")
	one := FromInt64(1)
	cases := []struct {
		name string
		run  func() error
		want error
	}{
		{"add", func() error { _, err := big38.Add(one); return err }, ErrOverflow},
		{"add by alignment", func() error { _, err := big38.Add(tiny); return err }, ErrOverflow},
		{"subtract", func() error { _, err := big38.Neg().Sub(one); return err }, ErrOverflow},
		{"multiply", func() error { _, err := big38.Mul(big38); return err }, ErrOverflow},
		{"multiply scales", func() error { _, err := tiny.Mul(tiny); return err }, ErrScale},
		{"divide by tiny", func() error { _, err := big38.Div(tiny, 0, HalfEven); return err }, ErrOverflow},
		{"divide by zero", func() error { _, err := one.Div(Decimal{}, 2, HalfEven); return err }, ErrDivideByZero},
		{"rescale up", func() error { _, err := big38.Rescale(1, HalfEven); return err }, ErrOverflow},
		{"rescale scale", func() error { _, err := one.Rescale(39, HalfEven); return err }, ErrScale},
		{"round scale", func() error { _, err := one.Round(-1, HalfEven); return err }, ErrScale},
		{"exact", func() error { _, err := tiny.RescaleExact(2); return err }, ErrInexact},
		{"new", func() error { _, err := New(1, 39); return err }, ErrScale},
		{"new wide", func() error { _, err := NewFromInt128(MaxInt128, 0); return err }, ErrOverflow},
	}
	for _, c := range cases {
		if err := c.run(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v: want %v", c.name, err, c.want)
		}
	}
	if _, err := one.Rescale(0, 0); err == nil {
		t.Error("the zero rounding mode was accepted")
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	cases := []struct {
		d                string
		precision, scale int
		want             bool
	}{
		{"999.99", 5, 2, true}, {"1000.00", 5, 2, false}, {"1000.00", 4, 0, true}, {"0.005", 5, 2, false},
		{"0", 1, 0, true}, {"-999.99", 5, 2, true}, {"1", 38, 38, false}, {"1", 5, -1, false},
	}
	for _, c := range cases {
		if got := dec(t, c.d).Fits(c.precision, c.scale); got != c.want {
			t.Errorf("%s fits decimal(%d,%d) = %v", c.d, c.precision, c.scale, got)
		}
	}
}
