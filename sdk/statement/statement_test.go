package statement

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/fault"
)

func TestAmountStyle(t *testing.T) {
	t.Parallel()
	plain := AmountStyle{}
	german := AmountStyle{DecimalMark: ",", GroupMark: "."}
	english := AmountStyle{GroupMark: ",", Brackets: true, TrailingSign: true}
	swiss := AmountStyle{GroupMark: "'"}
	cents := AmountStyle{Implied: 2, TrailingSign: true}
	for _, c := range []struct {
		style AmountStyle
		text  string
		want  string // or "bad"
	}{
		{plain, " 12.30 ", "12.30"}, {plain, "-0.05", "-0.05"}, {plain, "+7", "7"}, {plain, ".5", "0.5"}, {plain, "5.", "5"},
		{plain, "1,000.00", "bad"}, {plain, "(1)", "bad"}, {plain, "1-", "bad"}, {plain, "", "bad"}, {plain, "-", "bad"}, {plain, ".", "bad"}, {plain, "1e3", "bad"}, {plain, "1.2.3", "bad"}, {plain, "١", "bad"},
		{german, "1.234.567,89", "1234567.89"}, {german, "1234,5", "1234.5"}, {german, "12.34,5", "bad"}, {german, "1.2345,0", "bad"}, {german, ".123,0", "bad"}, {german, "1,234.5", "bad"},
		{english, "(1,234.50)", "-1234.50"}, {english, "1,234.50-", "-1234.50"}, {english, "( 5 )", "-5"}, {english, "(-5)", "bad"}, {english, "-5-", "bad"}, {english, "(5", "bad"}, {english, "()", "bad"},
		{swiss, "1'000.05", "1000.05"},
		{cents, "12345", "123.45"}, {cents, "5", "0.05"}, {cents, "0000000012-", "-00000000.12"}, {cents, "1.23", "bad"}, {cents, "-00", "0.00"},
		{plain, strings.Repeat("9", 39), "bad"},
	} {
		d, err := c.style.Parse([]byte(c.text))
		if c.want == "bad" {
			if err == nil {
				t.Errorf("%+v %q: %s, want an error", c.style, c.text, d)
			}
			continue
		}
		if c.want == "-00000000.12" {
			c.want = "-0.12"
		}
		if err != nil || d.String() != c.want {
			t.Errorf("%+v %q: %s, %v; want %s", c.style, c.text, d, err, c.want)
		}
	}
	for _, s := range []AmountStyle{{Implied: -1}, {Implied: 2, DecimalMark: ","}, {DecimalMark: ",", GroupMark: ","}, {GroupMark: "."}} {
		if err := s.Validate(); fault.Of(err) != fault.Usage || err == nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func FuzzAmountStyle(f *testing.F) {
	f.Add([]byte("(1,234.50)"), ",", uint8(0))
	f.Add([]byte("0012-"), "", uint8(2))
	f.Fuzz(func(t *testing.T, text []byte, group string, implied uint8) {
		s := AmountStyle{GroupMark: group, Implied: int(implied % 19), Brackets: true, TrailingSign: true}
		if s.Validate() != nil {
			return
		}
		before := bytes.Clone(text)
		d, err := s.Parse(text)
		if !bytes.Equal(before, text) {
			t.Fatal("the text was changed")
		}
		if err != nil {
			return
		}
		again, err := AmountStyle{}.Parse([]byte(d.String()))
		if err != nil || again != d {
			t.Fatalf("%q is %s, which is read as %s, %v", text, d, again, err)
		}
	})
}

func TestDates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		year, month, day := rapid.IntRange(-1, 10001).Draw(t, "year"), rapid.IntRange(0, 13).Draw(t, "month"), rapid.IntRange(0, 32).Draw(t, "day")
		d, ok := DateOf(year, month, day)
		if !ok {
			if !d.IsZero() || day >= 1 && day <= 28 && month >= 1 && month <= 12 && year >= 1 && year <= 9999 {
				t.Fatalf("%d-%d-%d is a day", year, month, day)
			}
			return
		}
		var again Date
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d || again.Time().Day() != day {
			t.Fatalf("%s is read as %s, %v", d, again, err)
		}
	})
	var none Date
	if err := none.UnmarshalText(nil); err != nil || !none.IsZero() || none.String() != "" || !none.Time().IsZero() {
		t.Errorf("no date: %v %q %v", err, none, none.Time())
	}
}

func FuzzParseDate(f *testing.F) {
	f.Add("2026-03-31")
	f.Add("2026-02-30")
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDate(text); err == nil && d.String() != text {
			t.Fatalf("%q is read as %s", text, d)
		}
	})
}

func TestIBAN(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"DE02120300000000202051": true, "NL91ABNA0417164300": true, "GB82WEST12345698765432": true,
		"DE03120300000000202051": false, "": false, "DE": false, "de02120300000000202051": false, "1202120300000000202051": false, "DEAA120300000000202051": false,
	} {
		if IsIBAN(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	err := Options{Encoding: "ebcdic", Totals: "ignore", Currency: "eur", MaxRecord: -1}.Validate()
	if fault.Of(err) != fault.Usage {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{"ebcdic", "ignore", "eur", "-1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if err := (Options{Encoding: UTF16, Totals: ReportTotals, Currency: "EUR"}).Validate(); err != nil {
		t.Error(err)
	}
	refused := &Refused{Quarantine: Quarantine{File: "f", Line: 3, Reason: "why"}, Err: ErrTotals}
	if !errors.Is(refused, ErrTotals) || !strings.Contains(refused.Error(), "f:3: why") {
		t.Error(refused)
	}
}
