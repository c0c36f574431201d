package money

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestInt128AgreesWithBig(t *testing.T) {
	t.Parallel()
	type op struct {
		name string
		ours func(a, b Int128) (Int128, bool)
		big  func(z, a, b *big.Int) *big.Int
	}
	ops := []op{
		{"add", Int128.Add, (*big.Int).Add},
		{"sub", Int128.Sub, (*big.Int).Sub},
		{"mul", Int128.Mul, (*big.Int).Mul},
		{"neg", func(a, _ Int128) (Int128, bool) { return a.Neg() }, func(z, a, _ *big.Int) *big.Int { return z.Neg(a) }},
		{"abs", func(a, _ Int128) (Int128, bool) { return a.Abs() }, func(z, a, _ *big.Int) *big.Int { return z.Abs(a) }},
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := genInt128().Draw(t, "a"), genInt128().Draw(t, "b")
		for _, o := range ops {
			got, ok := o.ours(a, b)
			want := o.big(new(big.Int), a.Big(), b.Big())
			if ok != fits128(want) || ok && got.Big().Cmp(want) != 0 {
				t.Fatalf("%s(%v, %v) = %v, %v: want %v", o.name, a, b, got, ok, want)
			}
		}
		if got, want := a.Cmp(b), a.Big().Cmp(b.Big()); got != want {
			t.Fatalf("cmp(%v, %v) = %d: want %d", a, b, got, want)
		}
		if got, want := a.String(), a.Big().String(); got != want {
			t.Fatalf("text %s: want %s", got, want)
		}
		if v, ok := a.Int64(); ok != a.Big().IsInt64() || ok && v != a.Big().Int64() {
			t.Fatalf("int64 of %v = %d, %v", a, v, ok)
		}
		if got, ok := Int128FromBig(a.Big()); !ok || got != a {
			t.Fatalf("round trip by big of %v = %v, %v", a, got, ok)
		}
	})
}

func TestInt128QuoRemAgreesWithBig(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := genInt128().Draw(t, "a"), genInt128().Draw(t, "b")
		q, r, ok := a.QuoRem(b)
		if b.Sign() == 0 {
			if ok {
				t.Fatal("division by zero was accepted")
			}
			return
		}
		wq, wr := new(big.Int).QuoRem(a.Big(), b.Big(), new(big.Int))
		if ok != fits128(wq) || ok && (q.Big().Cmp(wq) != 0 || r.Big().Cmp(wr) != 0) {
			t.Fatalf("%v / %v = %v rem %v, %v: want %v rem %v", a, b, q, r, ok, wq, wr)
		}
	})
}

func TestWideDivisionAgreesWithBig(t *testing.T) {
	t.Parallel()
	word := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 1 << 63, 1<<63 - 1, 1<<64 - 1, 1<<64 - 2}))
	rapid.Check(t, func(t *rapid.T) {
		u := u256{word.Draw(t, "u0"), word.Draw(t, "u1"), word.Draw(t, "u2"), word.Draw(t, "u3")}
		d := u128{word.Draw(t, "d1"), word.Draw(t, "d0")}
		if d.isZero() {
			d.lo = 1
		}
		q, r := u.quoRem(d)
		wq, wr := new(big.Int).QuoRem(bigOf(u[:]...), bigOf(d.lo, d.hi), new(big.Int))
		if bigOf(q[:]...).Cmp(wq) != 0 || bigOf(r.lo, r.hi).Cmp(wr) != 0 {
			t.Fatalf("%x / %x = %x rem %x: want %x rem %x", u, d, q, r, wq, wr)
		}
		product := new(big.Int).Mul(bigOf(u[:]...), bigOf(d.lo, d.hi))
		w, ok := u.mul(d)
		if ok != (product.BitLen() <= 256) || ok && bigOf(w[:]...).Cmp(product) != 0 {
			t.Fatalf("%x · %x = %x, %v: want %x", u, d, w, ok, product)
		}
	})
}

// bigOf assembles words, least significant first.
func bigOf(words ...uint64) *big.Int {
	z := new(big.Int)
	for i := len(words) - 1; i >= 0; i-- {
		z.Lsh(z, 64)
		z.Or(z, new(big.Int).SetUint64(words[i]))
	}
	return z
}

func TestPowersOfTen(t *testing.T) {
	t.Parallel()
	want := big.NewInt(1)
	for i := range pow10 {
		p, ok := PowerOfTen(i)
		if !ok || p.Big().Cmp(want) != 0 {
			t.Fatalf("10^%d = %v, %v", i, p, ok)
		}
		if got := pow10[i].decimalDigits(); got != i+1 {
			t.Errorf("10^%d has %d digits", i, got)
		}
		if got := pow10[i].minus(u128{0, 1}).decimalDigits(); got != i {
			t.Errorf("10^%d - 1 has %d digits", i, got)
		}
		want.Mul(want, big.NewInt(10))
	}
	if _, ok := PowerOfTen(39); ok {
		t.Error("10^39 was returned")
	}
	if _, ok := PowerOfTen(-1); ok {
		t.Error("10^-1 was returned")
	}
}

func TestInt128FromBigRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	v := new(big.Int).Lsh(big.NewInt(1), 127)
	if _, ok := Int128FromBig(v); ok {
		t.Error("2^127 was accepted")
	}
	if a, ok := Int128FromBig(v.Neg(v)); !ok || a != MinInt128 {
		t.Errorf("-2^127 = %v, %v", a, ok)
	}
	if _, ok := Int128FromBig(v.Sub(v, big.NewInt(1))); ok {
		t.Error("-2^127 - 1 was accepted")
	}
}
