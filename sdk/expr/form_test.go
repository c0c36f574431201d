package expr

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"pgregory.net/rapid"
)

func TestFormsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := genForm(3).Draw(t, "e")
		back, err := Parse(e.String())
		if err != nil || !back.Equal(e) {
			t.Fatalf("text %s reads as %s, %v", e, back, err)
		}
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("encode %s: %v", e, err)
		}
		var decoded Expr
		if err := json.Unmarshal(data, &decoded); err != nil || !decoded.Equal(e) {
			t.Fatalf("JSON %s reads as %s, %v", data, decoded, err)
		}
	})
}

func TestParseMeans(t *testing.T) {
	t.Parallel()
	amount, _ := money.Parse("10.00")
	day, _ := ParseDay("2026-01-31")
	a, b := Col("a"), Col("b")
	cases := []struct {
		text string
		want Expr
	}{
		{"amount > 10.00 and channel = 'card'", Col("amount").Gt(amount).And(Col("channel").Eq("card"))},
		{"a = 1 or b = 2 and a = 3", a.Eq(1).Or(b.Eq(2).And(a.Eq(3)))},
		{"NOT a = 1 AND b = 2", a.Eq(1).Not().And(b.Eq(2))},
		{"a + b * 2 - -3 < -a", a.Add(b.Mul(2)).Sub(-3).Lt(a.Neg())},
		{"(a + b) / 2 <> 0", a.Add(b).Div(2).Ne(0)},
		{"a - b - 1 = 0", a.Sub(b).Sub(1).Eq(0)},
		{"a != 1", a.Ne(1)},
		{"a is not null and b is null", a.IsNotNull().And(b.IsNull())},
		{"a not in (1, 2) and b between 1 and 2", a.In(1, 2).Not().And(b.Between(1, 2))},
		{"a not between 1 and 2 or b not like 'x%'", a.Between(1, 2).Not().Or(b.Like("x%").Not())},
		{"name = 'O''Brien'", Col("name").Eq("O'Brien")},
		{`"Odd name" = x'0AFF'`, Col("Odd name").Eq([]byte{10, 255})},
		{"date = date '2026-01-31'", Col("date").Eq(day)},
		{"at >= timestamp '2026-01-31T10:00:00+01:00'", Col("at").Ge(time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC))},
		{"case when a = 1 then 'x' when b then 'y' end", Case().When(a.Eq(1), "x").When(b, "y").End()},
		{"coalesce(a, b, 0) + abs(a)", Coalesce(a, b, 0).Add(a.Abs())},
		{"nullif(a, 0)", a.NullIf(0)},
		{"round(a, 2, 'half_up')", a.Round(2, money.HalfUp)},
		{"cast(a as decimal(18, 2))", a.Cast(DecimalType(18, 2))},
		{"a = 1.5e0 or true", a.Eq(1.5).Or(Lit(true))},
		{"a = 9223372036854775808", a.Eq(uint64(1 << 63))},
		{"a = -9223372036854775808", a.Eq(int64(-1 << 63))},
	}
	for _, c := range cases {
		got, err := Parse(c.text)
		if err != nil || !got.Equal(c.want) {
			t.Errorf("%s reads as %s, %v: want %s", c.text, got, err, c.want)
		}
	}
}

func TestParseErrorsSayWhere(t *testing.T) {
	t.Parallel()
	cases := []struct {
		text   string
		column int
		says   string
	}{
		{"", 1, "the end"}, {"a =", 4, "expected a value"}, {"a = 1 b", 7, "after a complete expression"},
		{"a == 1", 4, "one ="}, {"a < b < c", 7, "do not chain"}, {"a in ()", 7, "expected a value"},
		{"a not 5", 7, "expected in, between or like"}, {"a like b", 8, "pattern in quotes"}, {"a = 'x", 5, "no closing"},
		{"a = 1.", 7, "digit after its point"}, {"a = 1x", 6, "in a number"}, {"a ; b", 3, "unexpected character ';'"},
		{"sum(a) > 1", 1, "unknown function sum"}, {"case else 1 end", 6, "expected when"}, {"and = 1", 1, "double quotes"},
		{"round(a, 2) = 1", 11, "before the rounding mode"}, {"round(a, 2, 'up2')", 13, "rounding mode"},
		{"cast(a as decimal(40,2))", 11, "precision"}, {"cast(a as money)", 11, "unknown type"},
		{"d = date '2026-02-30'", 10, "YYYY-MM-DD"}, {"t = timestamp 'noon'", 15, "YYYY-MM-DDThh:mm:ssZ"},
		{"a = x'0'", 5, "hexadecimal"}, {"á = ž and", 10, "expected a value"}, {"a = 1e999", 5, "out of range"},
		{"a = " + strings.Repeat("9", 50), 5, "38 digits"}, {"nullif(a)", 1, "two arguments"},
		{strings.Repeat("(", 2000) + "a", 501, "nested deeper"}, {strings.Repeat("not ", 2000) + "a", 0, "nested deeper"},
		{"a" + strings.Repeat("+1", 2000), 0, "nested deeper"}, {strings.Repeat("- ", 2000) + "a", 0, "nested deeper"},
	}
	for _, c := range cases {
		_, err := Parse(c.text)
		var se *SyntaxError
		if !errors.As(err, &se) || !errors.Is(err, ErrSyntax) || fault.Of(err) != fault.Usage {
			t.Errorf("%.40s: %v: want a syntax error of the user", c.text, err)
			continue
		}
		if c.column != 0 && se.Column != c.column || !strings.Contains(se.Message, c.says) {
			t.Errorf("%.40s: column %d: %s: want column %d, %q", c.text, se.Column, se.Message, c.column, c.says)
		}
	}
	_, err := Parse("a = 1\n  and b ~ 2")
	if err == nil || !strings.Contains(err.Error(), "line 2, column 9") {
		t.Errorf("second line: %v", err)
	}
}

func TestJSONIsStrict(t *testing.T) {
	t.Parallel()
	bad := []string{
		`{}`, `{"v":1}`, `{"v":2,"expr":{"col":"a"}}`, `{"v":1,"expr":{"col":"a"}} x`, `{"v":1,"expr":{"col":"a","x":1}}`,
		`{"v":1,"expr":{"op":"eq","args":[{"col":"a"}]}}`, `{"v":1,"expr":{"op":"pow","args":[{"col":"a"}]}}`,
		`{"v":1,"expr":{"col":"a","lit":{"type":"null"}}}`, `{"v":1,"expr":{"lit":{"type":"int64","value":"1.5"}}}`,
		`{"v":1,"expr":{"lit":{"type":"money","value":"1"}}}`, `{"v":1,"expr":{"lit":{"type":"float64","value":"NaN"}}}`,
		`{"v":1,"expr":{"op":"like","args":[{"col":"a"}]}}`, `{"v":1,"expr":{"op":"not","args":[{"col":"a"}],"type":"bool"}}`,
		`{"v":1,"expr":{"op":"cast","args":[{"col":"a"}],"type":"decimal(39,0)"}}`, `{"v":1,"expr":{"col":"a","args":[]}}`,
		`{"v":1,"expr":{"op":"round","args":[{"col":"a"}],"scale":39,"mode":"up"}}`, `{"v":1,"expr":{"op":"not","args":[null]}}`,
		`{"v":1,"expr":{"op":"case","args":[{"col":"a"},{"col":"a"},{"col":"a"},{"col":"a"}]}}`, `{"v":1,"expr":{"lit":{"type":"null","value":"x"}}}`,
		`{"v":1,"expr":` + strings.Repeat(`{"op":"not","args":[`, 600) + `{"col":"a"}` + strings.Repeat(`]}`, 600) + `}`,
	}
	for _, text := range bad {
		var e Expr
		if err := json.Unmarshal([]byte(text), &e); err == nil {
			t.Errorf("%.80s was taken as %s", text, e)
		}
	}
	var e Expr
	if err := json.Unmarshal([]byte("null"), &e); err != nil || e != nil {
		t.Errorf("null = %v, %v", e, err)
	}
}

func TestBadLiteralsAreReported(t *testing.T) {
	t.Parallel()
	shared := Col("a")
	for range 60 {
		shared = shared.Add(shared)
	}
	for _, e := range []Expr{shared, Lit(struct{}{}), Lit("\xff"), Col("a").Eq(Expr(nil)), Col("a").Cast(DecimalType(0, 0)), Col("a").Round(2, 0),
		Lit(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), Col("\xff"), Case().When(nil, 1).End()} {
		if data, err := json.Marshal(e); err == nil || fault.Of(errors.Unwrap(err)) != fault.Usage && fault.Of(err) != fault.Usage {
			t.Errorf("%s encodes as %s, %v: want a mistake of the user", e.op, data, err)
		}
		if _, err := Bind(e, bankSchema); fault.Of(err) != fault.Usage {
			t.Errorf("%s binds: %v", e.op, err)
		}
	}
}

func TestAndOrLeaveOutNil(t *testing.T) {
	t.Parallel()
	var none Expr
	a := Col("a")
	if got := none.And(nil, a); got != a {
		t.Errorf("nil and nil and a = %s", got)
	}
	if got := none.Or(); got != nil {
		t.Errorf("nil or nothing = %s", got)
	}
	if got := a.And(a.And(a)).String(); got != "a and a and a" {
		t.Errorf("chains are not flat: %s", got)
	}
	if got := none.String(); got != "" {
		t.Errorf("nil is %q", got)
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	e, err := Parse("b = 1 and (a + b > 2 or case when c then d else a end = 1)")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(e.Columns(), " "); got != "b a c d" {
		t.Errorf("columns %s", got)
	}
}

// FuzzParse checks that the parser never panics and that what it takes prints as what it was read from.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"amount > 10.00 and channel = 'card'", "case when a then b else -(5) end", `"x""y" in (1, x'ff', null)`,
		"cast(a as decimal(18,2)) not between date '2026-01-01' and timestamp '2026-01-01'", "not not a like '%\\_'", "round(a,2,'up')/-1e5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		back, err := Parse(e.String())
		if err != nil || !back.Equal(e) {
			t.Fatalf("%q prints as %q, which reads as %s, %v", text, e, back, err)
		}
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("%q does not encode: %v", text, err)
		}
		var decoded Expr
		if err := json.Unmarshal(data, &decoded); err != nil || !decoded.Equal(e) {
			t.Fatalf("%s reads as %s, %v", data, decoded, err)
		}
	})
}

// FuzzUnmarshalJSON checks that the decoder never panics and that what it takes survives a round trip.
func FuzzUnmarshalJSON(f *testing.F) {
	for _, s := range []string{`{"v":1,"expr":{"col":"a"}}`, `{"v":1,"expr":{"op":"and","args":[{"col":"a"},{"op":"or","args":[{"col":"b"},{"lit":{"type":"bool","value":"true"}}]}]}}`,
		`{"v":1,"expr":{"op":"cast","args":[{"lit":{"type":"timestamp","value":"2026-01-01T00:00:00Z"}}],"type":"timestamptz(ns)"}}`,
		`{"v":1,"expr":{"op":"like","args":[{"col":"a"}],"pattern":"x%"}}`, `{"v":1,"expr":{"op":"round","args":[{"col":"a"}],"scale":2,"mode":"floor"}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Node
		if err := e.UnmarshalJSON(data); err != nil {
			return
		}
		out, err := json.Marshal(&e)
		if err != nil {
			t.Fatalf("%s was taken but does not encode: %v", data, err)
		}
		var back Node
		if err := json.Unmarshal(out, &back); err != nil || !back.Equal(&e) {
			t.Fatalf("%s = %s, %v", out, &back, err)
		}
		if parsed, err := Parse(e.String()); err != nil || !parsed.Equal(&e) {
			t.Fatalf("%s prints as %q, which reads as %s, %v", data, &e, parsed, err)
		}
	})
}
