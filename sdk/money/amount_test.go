package money

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func cur(t testing.TB, code string) Currency {
	t.Helper()
	c, err := ParseCurrency(code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func amount(t testing.TB, text string) Amount {
	t.Helper()
	a, err := ParseAmount(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCurrency(t *testing.T) {
	t.Parallel()
	for code, digits := range map[string]int{"EUR": 2, "JPY": 0, "KWD": 3, "CZK": 2, "CLF": 4} {
		if c := cur(t, code); c.Digits() != digits || c.Code() != code {
			t.Errorf("%s has %d digits, code %s", code, c.Digits(), c.Code())
		}
	}
	for _, bad := range []string{"", "eur", "EURO", "XX", "ZZZ"} {
		if _, err := ParseCurrency(bad); !errors.Is(err, ErrCurrency) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if n := cur(t, "EUR").Numeric(); n != "978" {
		t.Errorf("EUR is number %s", n)
	}
}

func TestAmountsOfTwoCurrenciesDoNotMix(t *testing.T) {
	t.Parallel()
	a, b := amount(t, "1.00 EUR"), amount(t, "1.00 USD")
	_, add := a.Add(b)
	_, sub := a.Sub(b)
	_, compare := a.Cmp(b)
	_, none := a.Add(Amount{})
	for name, err := range map[string]error{"add": add, "sub": sub, "cmp": compare, "no currency": none} {
		if !errors.Is(err, ErrCurrencyMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAmountArithmetic(t *testing.T) {
	t.Parallel()
	a := amount(t, "100.00 EUR")
	interest, err := a.Mul(dec(t, "0.03125"), HalfEven)
	if err != nil || interest.String() != "3.12 EUR" {
		t.Errorf("interest = %v, %v", interest, err)
	}
	yen, err := amount(t, "12.50 JPY").Round(HalfUp)
	if err != nil || yen.String() != "13 JPY" {
		t.Errorf("yen = %v, %v", yen, err)
	}
	if n, err := amount(t, "-12.3 EUR").Minor(); err != nil || n != -1230 {
		t.Errorf("minor = %d, %v", n, err)
	}
	if _, err := amount(t, "0.001 EUR").Minor(); !errors.Is(err, ErrInexact) {
		t.Errorf("a tenth of a cent: %v", err)
	}
	if _, err := amount(t, "92233720368547758.08 EUR").Minor(); !errors.Is(err, ErrOverflow) {
		t.Errorf("2^63 cents: %v", err)
	}
	if got := FromMinor(-5, cur(t, "KWD")).String(); got != "-0.005 KWD" {
		t.Errorf("from minor = %s", got)
	}
}

func TestAmountText(t *testing.T) {
	t.Parallel()
	a := amount(t, "-12.30 EUR")
	token, err := json.Marshal(a)
	if err != nil || string(token) != `{"value":"-12.30","currency":"EUR"}` {
		t.Errorf("json %s, %v", token, err)
	}
	var back Amount
	if err := json.Unmarshal(token, &back); err != nil || back != a {
		t.Errorf("back %v, %v", back, err)
	}
	for _, bad := range []string{"", "12.30", "12.30EUR", "12.30  EUR", "12.30 euro", "x EUR"} {
		if _, err := ParseAmount(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestAllocateTable(t *testing.T) {
	t.Parallel()
	cases := []struct {
		amount  string
		weights []int64
		want    string
	}{
		{"10.00 EUR", []int64{1, 1, 1}, "[3.34 EUR 3.33 EUR 3.33 EUR]"},
		{"-10.00 EUR", []int64{1, 1, 1}, "[-3.34 EUR -3.33 EUR -3.33 EUR]"},
		{"0.05 EUR", []int64{3, 7}, "[0.02 EUR 0.03 EUR]"}, // 1.5 and 3.5: equal fractions, the first goes first
		{"0.05 EUR", []int64{7, 3}, "[0.04 EUR 0.01 EUR]"},
		{"1.00 EUR", []int64{0, 1, 0}, "[0.00 EUR 1.00 EUR 0.00 EUR]"},
		{"100 EUR", []int64{1, 2}, "[33.33 EUR 66.67 EUR]"},
		{"100 JPY", []int64{1, 2}, "[33 JPY 67 JPY]"},
		{"0.0001 EUR", []int64{1, 1}, "[0.0001 EUR 0.0000 EUR]"},
		{"0 EUR", []int64{1, 1}, "[0.00 EUR 0.00 EUR]"},
	}
	for _, c := range cases {
		got, err := amount(t, c.amount).Allocate(c.weights...)
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s by %v = %v, %v: want %s", c.amount, c.weights, got, err, c.want)
		}
	}
	for _, bad := range [][]int64{{}, {0}, {1, -1}} {
		if _, err := amount(t, "1 EUR").Allocate(bad...); !errors.Is(err, ErrWeights) {
			t.Errorf("weights %v: %v", bad, err)
		}
	}
	if _, err := amount(t, "1 EUR").Split(0); !errors.Is(err, ErrWeights) {
		t.Errorf("split in none: %v", err)
	}
}

func TestAllocateLosesNothing(t *testing.T) {
	t.Parallel()
	eur := cur(t, "EUR")
	rapid.Check(t, func(t *rapid.T) {
		d := genDecimal().Filter(func(d Decimal) bool { return d.Precision()-d.Scale() <= 36 }).Draw(t, "d")
		weights := rapid.SliceOfN(genDecimal().Filter(func(d Decimal) bool { return d.Sign() >= 0 && d.Scale() < 10 && d.Precision() < 25 }), 1, 9).Draw(t, "weights")
		a := Amount{d, eur}
		parts, err := a.AllocateBy(weights)
		total := new(big.Rat)
		for _, w := range weights {
			total.Add(total, rat(w))
		}
		if total.Sign() == 0 {
			if !errors.Is(err, ErrWeights) {
				t.Fatalf("all weights zero: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		sum, unit := new(big.Rat), rat(Decimal{Int128Of(1), uint8(parts[0].Value.Scale())})
		for i, p := range parts {
			sum.Add(sum, rat(p.Value))
			fair := new(big.Rat).Quo(new(big.Rat).Mul(rat(d), rat(weights[i])), total)
			if off := fair.Sub(fair, rat(p.Value)); off.Abs(off).Cmp(unit) >= 0 {
				t.Fatalf("part %d of %v by %v is %v: a unit or more from its fair share", i, a, weights, p)
			}
			if weights[i].IsZero() && !p.IsZero() {
				t.Fatalf("weight 0 got %v", p)
			}
		}
		if sum.Cmp(rat(d)) != 0 {
			t.Fatalf("%v by %v = %v: the parts add up to %v", a, weights, parts, sum)
		}
	})
}
