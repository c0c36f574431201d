package proof

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/money"
)

func said(t testing.TB, r Result, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	out := []string{string(r.Verdict)}
	for _, it := range r.Items {
		out = append(out, fmt.Sprintf("%s %s %s: %s, %s", it.What, strings.Join(it.Group, "|"), it.Currency, it.Expected, it.Found))
	}
	return strings.Join(out, "\n")
}

func TestControl(t *testing.T) {
	t.Parallel()
	var c Control
	c.HashDigits = 3
	for _, r := range []struct{ currency, amount, account string }{{"EUR", "10.00", "A-700"}, {"EUR", "-4.00", "801"}, {"USD", "1.00", ""}} {
		if err := c.Take(r.currency, dec(r.amount), r.account); err != nil {
			t.Fatal(err)
		}
	}
	p := func(text string) *money.Decimal { d := dec(text); return &d }
	for name, x := range map[string]struct {
		stated map[string]Totals
		want   string
	}{
		"all rows":         {map[string]Totals{"": {Rows: p("3"), Hash: p("501")}}, "pass"},
		"one currency":     {map[string]Totals{"EUR": {Rows: p("2"), Debits: p("4.00"), Credits: p("10"), Net: p("6.00"), Hash: p("501")}, "USD": {Rows: p("1")}}, "pass"},
		"others":           {map[string]Totals{"EUR": {Net: p("6.01")}}, "fail\nnet EUR EUR: 6.01, 6.00\nunstated USD : 0, 1"},
		"a currency lacks": {map[string]Totals{"": {Rows: p("3")}, "CZK": {Rows: p("1")}}, "fail\nrows CZK : 1, 0"},
		"hash":             {map[string]Totals{"": {Hash: p("1501")}}, "fail\nhash  : 1501, 501"},
	} {
		r, err := c.Prove(x.stated, Materiality{})
		if got := said(t, r, err); got != x.want {
			t.Errorf("%s: %s\nwant %s", name, got, x.want)
		}
	}
	// a count that is off is never immaterial, an amount may be
	allowed := Materiality{Count: 9, Amount: map[string]money.Decimal{"EUR": dec("0.01")}}
	for what, want := range map[string]Verdict{"net": Warn, "rows": Fail} {
		stated := map[string]Totals{"EUR": {Net: p("6.01")}, "USD": {Rows: p("1")}}
		if what == "rows" {
			stated["EUR"] = Totals{Rows: p("3")}
		}
		if r, err := c.Prove(stated, allowed); err != nil || r.Verdict != want {
			t.Errorf("%s: %v, %v", what, r.Verdict, err)
		}
	}
}

func TestReceived(t *testing.T) {
	t.Parallel()
	files := func(names ...string) (out []File) {
		for _, n := range names {
			name, sum, _ := strings.Cut(n, "=")
			if sum == "" {
				sum = name
			}
			out = append(out, File{Name: name, SHA256: sum})
		}
		return out
	}
	for name, x := range map[string]struct {
		files []File
		want  string
	}{
		"all":        {files("cards-1.csv", "fees.csv"), "pass"},
		"one lacks":  {files("cards-1.csv"), "fail\nmissing fees.csv : 1, 0"},
		"two":        {files("cards-1.csv", "cards-2.csv", "fees.csv"), "fail\nseveral cards-*.csv : 1, 2"},
		"another":    {files("cards-1.csv", "fees.csv", "x.csv"), "fail\nunexpected x.csv : 0, 0"},
		"same twice": {files("fees.csv=s", "cards-1.csv=s"), "fail\nsame content fees.csv|cards-1.csv : 0, 0"},
		"nothing":    {nil, "fail\nmissing cards-*.csv : 1, 0\nmissing fees.csv : 1, 0"},
	} {
		r, err := Received([]string{"cards-*.csv", "fees.csv"}, x.files, Materiality{})
		if got := said(t, r, err); got != x.want {
			t.Errorf("%s: %s\nwant %s", name, got, x.want)
		}
	}
	if _, err := Received([]string{"["}, files("x"), Materiality{}); err == nil {
		t.Error("a wrong pattern was taken")
	}
}

// TestMaterialityByAccount: an account with limits of its own neither uses up the others' nor is judged by them.
func TestMaterialityByAccount(t *testing.T) {
	t.Parallel()
	one := Materiality{Count: 1, Amount: map[string]money.Decimal{"EUR": dec("1.00")}}
	m := one
	m.Accounts = map[string]Materiality{"suspense": {Count: 1, Amount: map[string]money.Decimal{"EUR": dec("500.00")}}, "cash": {}}
	item := func(account, off string) Item {
		return Item{Group: []string{account}, Currency: "EUR", Difference: dec(off)}
	}
	for name, x := range map[string]struct {
		items []Item
		want  Verdict
	}{
		"within both":          {[]Item{item("suspense", "-500.00"), item("fees", "1.00")}, Warn},
		"beyond its own":       {[]Item{item("suspense", "500.01")}, Fail},
		"others beyond theirs": {[]Item{item("suspense", "1.00"), item("fees", "-1.01")}, Fail},
		"allowed nothing":      {[]Item{item("cash", "0.01")}, Fail},
		"too many":             {[]Item{item("fees", "0.10"), item("tax", "-0.10")}, Fail},
	} {
		if r, err := Judge(9, x.items, m); err != nil || r.Verdict != x.want {
			t.Errorf("%s: %v, %v", name, r.Verdict, err)
		}
	}
}

// TestControlFindsWhatIsChanged: totals of rows hold for these rows in any order, and not when a cent, a row or a digit of a hashed text is another.
func TestControlFindsWhatIsChanged(t *testing.T) {
	t.Parallel()
	type row struct {
		cents   int64
		account int
	}
	take := func(t *rapid.T, rows []row) *Control {
		c := &Control{}
		for _, r := range rows {
			d, err := money.New(r.cents, 2)
			if err == nil {
				err = c.Take("EUR", d, fmt.Sprint(r.account))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return c
	}
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) row {
			return row{rapid.Int64Range(-1e9, 1e9).Draw(t, "cents"), rapid.IntRange(0, 1e6).Draw(t, "account")}
		}), 1, 20).Draw(t, "rows")
		var count, hash, debits, credits int64
		for _, r := range rows {
			count, hash = count+1, hash+int64(r.account)
			if r.cents < 0 {
				debits -= r.cents
			} else {
				credits += r.cents
			}
		}
		n := func(v int64, scale int) *money.Decimal {
			d, err := money.New(v, scale)
			if err != nil {
				t.Fatal(err)
			}
			return &d
		}
		stated := map[string]Totals{"EUR": {Rows: n(count, 0), Debits: n(debits, 2), Credits: n(credits, 2), Net: n(credits-debits, 2), Hash: n(hash, 0)}}
		if r, err := take(t, rapid.Permutation(rows).Draw(t, "order")).Prove(stated, Materiality{}); err != nil || r.Verdict != Pass {
			t.Fatalf("%v, %v", r, err)
		}
		at := rapid.IntRange(0, len(rows)-1).Draw(t, "at")
		switch rapid.IntRange(0, 2).Draw(t, "change") {
		case 0:
			rows[at].cents++
		case 1:
			rows = append(rows, rows[at])
		default:
			rows[at].account++
		}
		if r, err := take(t, rows).Prove(stated, Materiality{}); err != nil || r.Verdict != Fail {
			t.Fatalf("the change was not found: %v, %v", r, err)
		}
	})
}
