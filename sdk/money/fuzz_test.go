package money

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

// FuzzParse holds the parsers against math/big: what is accepted has the value that big.Rat reads.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"0", "-12.30", "+7", "1e3", "1.5E-4", "99999999999999999999999999999999999999", "1e9999", "..", "-", "1_0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		sci, sciErr := ParseSci(text)
		if err == nil {
			if sciErr != nil || sci != d {
				t.Fatalf("%q: Parse takes it as %v, ParseSci as %v, %v", text, d, sci, sciErr)
			}
			if back, err := Parse(d.String()); err != nil || back != d {
				t.Fatalf("%q: prints as %v, which reads as %v, %v", text, d, back, err)
			}
		}
		if sciErr == nil {
			if i := strings.IndexAny(text, "eE"); i >= 0 && len(text)-i > 5 {
				return // big.Rat would take very long over 0e-9999
			}
			want, ok := new(big.Rat).SetString(text)
			if !ok || want.Cmp(rat(sci)) != 0 {
				t.Fatalf("%q = %v: want %v", text, sci, want)
			}
		}
		var fromJSON Decimal
		if quoted, _ := json.Marshal(text); json.Valid(quoted) {
			if jsonErr := fromJSON.UnmarshalJSON(quoted); jsonErr == nil && (err != nil || fromJSON != d) {
				t.Fatalf("JSON %s = %v, plain %v, %v", quoted, fromJSON, d, err)
			}
		}
	})
}

// FuzzInt128FromBytes holds the byte decoder against math/big.
func FuzzInt128FromBytes(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x80})
	f.Add([]byte{0, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	f.Add([]byte{0xff, 0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Int128FromBytes(b)
		want := bigFromTwos(b)
		if fits := len(b) > 0 && fits128(want); fits != (err == nil) {
			t.Fatalf("%x = %v, %v: want %v", b, a, err, want)
		}
		if err == nil && a.Big().Cmp(want) != 0 {
			t.Fatalf("%x = %v: want %v", b, a, want)
		}
		var s Sum
		if err := s.UnmarshalBinary(b); (err == nil) != (len(b) == sumSize) {
			t.Fatalf("sum of %d bytes: %v", len(b), err)
		}
	})
}

// FuzzAmount checks that amounts print as they were read.
func FuzzAmount(f *testing.F) {
	f.Add("12.30 EUR")
	f.Add("1 XXX")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAmount(text)
		if err != nil {
			return
		}
		if back, err := ParseAmount(a.String()); err != nil || back != a {
			t.Fatalf("%q = %v, which reads as %v, %v", text, a, back, err)
		}
	})
}
