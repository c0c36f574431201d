package money

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	t.Parallel()
	nines := strings.Repeat("9", 38)
	cases := []struct {
		text, plain, sci string // what Parse and ParseSci print; "" where refused
		err              error  // Parse's error
	}{
		{"0", "0", "0", nil}, {"-0", "0", "0", nil}, {"-0.00", "0.00", "0.00", nil}, {"+1", "1", "1", nil},
		{"12.30", "12.30", "12.30", nil}, {"-0.5", "-0.5", "-0.5", nil}, {"007.10", "7.10", "7.10", nil},
		{nines, nines, nines, nil}, {"-" + nines, "-" + nines, "-" + nines, nil},
		{"0." + nines, "0." + nines, "0." + nines, nil}, {strings.Repeat("0", 100) + "1", "1", "1", nil},
		{"1" + strings.Repeat("0", 38), "", "", ErrOverflow}, {strings.Repeat("9", 400), "", "", ErrOverflow},
		{"0." + strings.Repeat("0", 39), "", "", ErrScale}, {"0.1" + strings.Repeat("0", 38), "", "", ErrOverflow},
		{"", "", "", ErrSyntax}, {"-", "", "", ErrSyntax}, {".5", "", "", ErrSyntax}, {"5.", "", "", ErrSyntax},
		{" 1", "", "", ErrSyntax}, {"1 ", "", "", ErrSyntax}, {"1,5", "", "", ErrSyntax}, {"--1", "", "", ErrSyntax},
		{"1.2.3", "", "", ErrSyntax}, {"NaN", "", "", ErrSyntax}, {"Inf", "", "", ErrSyntax}, {"0x1", "", "", ErrSyntax},
		{"1_000", "", "", ErrSyntax}, {"١", "", "", ErrSyntax}, {strings.Repeat("9", 400) + "x", "", "", ErrSyntax},
		{"1e2", "", "100", ErrSyntax}, {"1.5E+3", "", "1500", ErrSyntax}, {"25e-4", "", "0.0025", ErrSyntax},
		{"1.50e1", "", "15.0", ErrSyntax}, {"1e38", "", "", ErrSyntax}, {"1e-38", "", "0." + strings.Repeat("0", 37) + "1", ErrSyntax},
		{"1e-39", "", "", ErrSyntax}, {"1e", "", "", ErrSyntax}, {"1e+", "", "", ErrSyntax}, {"1e99999", "", "", ErrSyntax},
		{"0e9999", "", "0", ErrSyntax}, {"1e1x", "", "", ErrSyntax},
	}
	for _, c := range cases {
		d, err := Parse(c.text)
		if c.plain == "" {
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), fmt.Sprintf("%.20s", c.text)) {
				t.Errorf("parse %q = %v, %v: want %v naming the text", c.text, d, err, c.err)
			}
		} else if err != nil || d.String() != c.plain {
			t.Errorf("parse %q = %v, %v: want %s", c.text, d, err, c.plain)
		}
		d, err = ParseSci(c.text)
		if c.sci == "" != (err != nil) || err == nil && d.String() != c.sci {
			t.Errorf("parse %q with exponent = %v, %v: want %q", c.text, d, err, c.sci)
		}
	}
}

func TestTextRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := genDecimal().Draw(t, "d")
		if back, err := Parse(d.String()); err != nil || back != d {
			t.Fatalf("parse %s = %v, %v", d, back, err)
		}
		if v, _, err := apd.NewFromString(d.String()); err != nil || v.Text('f') != d.String() {
			t.Fatalf("apd reads %s as %v, %v", d, v, err)
		}
		token, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(token), d.String()} { // a string and a bare number
			var back Decimal
			if err := json.Unmarshal([]byte(text), &back); err != nil || back != d {
				t.Fatalf("decode %s = %v, %v", text, back, err)
			}
		}
		c, err := ParseScaled([]byte(d.String()), d.Scale())
		if err != nil || c != d.coef {
			t.Fatalf("parse %s at its scale = %v, %v", d, c, err)
		}
		var scanned Decimal
		if v, err := d.Value(); err != nil || scanned.Scan(v) != nil || scanned != d {
			t.Fatalf("scan %v = %v, %v", v, scanned, err)
		}
	})
}

func TestJSON(t *testing.T) {
	t.Parallel()
	d := FromInt64(7)
	if err := json.Unmarshal([]byte("null"), &d); err != nil || d != FromInt64(7) {
		t.Errorf("null: %v, %v", d, err)
	}
	for _, bad := range []string{`1e3`, `"1e3"`, `true`, `""`, `{}`, `"1`} {
		if err := d.UnmarshalJSON([]byte(bad)); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v: want a syntax error", bad, err)
		}
	}
	for _, bad := range []any{1.5, nil, true} {
		if err := d.Scan(bad); err == nil {
			t.Errorf("scan %v was accepted", bad)
		}
	}
	if err := d.Scan(int64(-5)); err != nil || d != FromInt64(-5) {
		t.Errorf("scan -5 = %v, %v", d, err)
	}
}

func TestFormatVerbs(t *testing.T) {
	t.Parallel()
	cases := []struct{ format, d, want string }{
		{"%v", "-1.50", "-1.50"}, {"%s", "1.50", "1.50"}, {"%q", "1.50", `"1.50"`}, {"%f", "1.50", "1.50"},
		{"%.1f", "0.25", "0.2"}, {"%.0f", "2.5", "2"}, {"%.3f", "1.5", "1.500"}, {"%+v", "1", "+1"}, {"%+.1f", "-1", "-1.0"},
		{"%8v|", "1.5", "     1.5|"}, {"%-8v|", "1.5", "1.5     |"}, {"%08.2f", "-1.5", "-0001.50"}, {"%08v", "1.5", "000001.5"},
		{"%d", "1.5", "%!d(money.Decimal=1.5)"},
	}
	for _, c := range cases {
		if got := fmt.Sprintf(c.format, dec(t, c.d)); got != c.want {
			t.Errorf("%s of %s = %q: want %q", c.format, c.d, got, c.want)
		}
	}
}

func TestBytesAgreeWithBig(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := genInt128().Draw(t, "a")
		b := a.AppendBytes(nil)
		if got := bigFromTwos(b); got.Cmp(a.Big()) != 0 {
			t.Fatalf("%x is %v: want %v", b, got, a)
		}
		if len(b) > 1 && (b[0] == 0 && b[1]>>7 == 0 || b[0] == 0xff && b[1]>>7 == 1) {
			t.Fatalf("%x is not minimal", b)
		}
		n := rapid.IntRange(len(b), 20).Draw(t, "n")
		fixed, ok := a.AppendFixed([]byte("x"), n)
		if !ok || len(fixed) != n+1 {
			t.Fatalf("%v in %d bytes = %x, %v", a, n, fixed, ok)
		}
		for _, enc := range [][]byte{b, fixed[1:]} {
			if back, err := Int128FromBytes(enc); err != nil || back != a {
				t.Fatalf("decode %x = %v, %v: want %v", enc, back, err, a)
			}
		}
		if _, ok := a.AppendFixed(nil, len(b)-1); ok {
			t.Fatalf("%v was put into %d bytes", a, len(b)-1)
		}
	})
}

// bigFromTwos reads two's complement from its definition.
func bigFromTwos(b []byte) *big.Int {
	v := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]>>7 == 1 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return v
}

func TestDecimalFromBytesErrors(t *testing.T) {
	t.Parallel()
	if _, err := DecimalFromBytes(nil, 2); !errors.Is(err, ErrSyntax) {
		t.Errorf("no bytes: %v", err)
	}
	if _, err := DecimalFromBytes(MaxInt128.AppendBytes(nil), 2); !errors.Is(err, ErrOverflow) {
		t.Errorf("39 digits: %v", err)
	}
	if _, err := DecimalFromBytes([]byte{1}, 40); !errors.Is(err, ErrScale) {
		t.Errorf("scale 40: %v", err)
	}
	if d, err := DecimalFromBytes([]byte{0x04, 0xce}, 2); err != nil || d.String() != "12.30" {
		t.Errorf("04ce at 2 = %v, %v", d, err)
	}
}
