package proof

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/money"
)

func dec(text string) money.Decimal {
	d, err := money.Parse(text)
	if err != nil {
		panic(err)
	}
	return d
}

func TestAgreement(t *testing.T) {
	t.Parallel()
	hundred := Materiality{Amount: map[string]money.Decimal{"EUR": dec("100")}, Count: 2}
	for name, c := range map[string]struct {
		expect, find [][3]string // group, currency, amount
		m            Materiality
		want         Verdict
		items        int
	}{
		"nothing":                             {want: Pass},
		"a journal nets to zero":              {find: [][3]string{{"J1", "EUR", "10.00"}, {"J1", "EUR", "-10.00"}}, want: Pass},
		"a journal is a cent off":             {find: [][3]string{{"J1", "EUR", "10.01"}, {"J1", "EUR", "-10.00"}}, want: Fail, items: 1},
		"two currencies do not net":           {find: [][3]string{{"J1", "EUR", "10"}, {"J1", "USD", "-10"}}, want: Fail, items: 2},
		"two journals do not net":             {find: [][3]string{{"J1", "EUR", "10"}, {"J2", "EUR", "-10"}}, want: Fail, items: 2},
		"sub-ledger agrees":                   {expect: [][3]string{{"1200", "EUR", "30.0"}}, find: [][3]string{{"1200", "EUR", "10"}, {"1200", "EUR", "20"}}, want: Pass},
		"no control account":                  {find: [][3]string{{"1200", "EUR", "30"}}, want: Fail, items: 1},
		"no sub-ledger":                       {expect: [][3]string{{"1200", "EUR", "30"}}, want: Fail, items: 1},
		"immaterial":                          {find: [][3]string{{"J1", "EUR", "-100"}}, m: hundred, want: Warn, items: 1},
		"a cent more than immaterial":         {find: [][3]string{{"J1", "EUR", "-100.01"}}, m: hundred, want: Fail, items: 1},
		"differences of both signs are gross": {find: [][3]string{{"J1", "EUR", "100"}, {"J2", "EUR", "-100"}}, m: hundred, want: Fail, items: 2},
		"currency without a threshold":        {find: [][3]string{{"J1", "USD", "1"}}, m: hundred, want: Fail, items: 1},
		"too many items":                      {find: [][3]string{{"J1", "EUR", "1"}, {"J2", "EUR", "1"}, {"J3", "EUR", "1"}}, m: hundred, want: Fail, items: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var a Agreement
			for i, rows := range [2][][3]string{c.expect, c.find} {
				put := [2]func([]string, string, money.Decimal) error{a.Expect, a.Find}[i]
				for _, r := range rows {
					if err := put([]string{r[0]}, r[1], dec(r[2])); err != nil {
						t.Fatal(err)
					}
				}
			}
			r, err := a.Prove(c.m)
			if err != nil || r.Verdict != c.want || len(r.Items) != c.items {
				t.Fatalf("got %+v, %v; want %s with %d items", r, err, c.want, c.items)
			}
		})
	}
}

func TestSequence(t *testing.T) {
	t.Parallel()
	var s Sequence
	for _, n := range []int64{7, 1, 2, 2, 4} {
		s.Take([]string{"A"}, n)
	}
	s.Take([]string{"B"}, 9)
	r, err := s.Prove(Materiality{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range r.Items {
		got = append(got, fmt.Sprint(it.What, " ", it.Expected, " ", it.Found))
	}
	want := []string{"duplicate 2 2", "gap 3 3", "gap 5 6"}
	if r.Verdict != Fail || r.Checked != 6 || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %s of %d rows: %q, want %q", r.Verdict, r.Checked, got, want)
	}
}

func TestOrderOfRowsDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOf(rapid.Int64Range(-9, 9)).Draw(t, "rows")
		prove := func(rows []int64) (out [2]Result) {
			var a Agreement
			var s Sequence
			for _, n := range rows {
				group := []string{fmt.Sprint(n & 3)}
				if err := a.Find(group, "EUR", money.FromInt64(n)); err != nil {
					t.Fatal(err)
				}
				s.Take(group, n)
			}
			var err [2]error
			out[0], err[0] = a.Prove(Materiality{})
			out[1], err[1] = s.Prove(Materiality{})
			if err[0] != nil || err[1] != nil {
				t.Fatal(err)
			}
			return out
		}
		other := rapid.Permutation(rows).Draw(t, "permutation")
		if a, b := prove(rows), prove(other); !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v\n%+v", a, b)
		}
	})
}
