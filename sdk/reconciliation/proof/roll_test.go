package proof

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
)

func TestRollForward(t *testing.T) {
	t.Parallel()
	type stated struct {
		day           int32
		open, closing string
	}
	type move struct {
		day    int32
		amount string
	}
	for name, c := range map[string]struct {
		stated []stated
		moves  []move
		want   []string
	}{
		"two days that hold":      {stated: []stated{{1, "5", "15.00"}, {2, "15", "12"}}, moves: []move{{2, "-3"}, {1, "4"}, {1, "6"}}},
		"quiet days between":      {stated: []stated{{1, "5", "5"}, {9, "5", "5"}}},
		"a movement is missing":   {stated: []stated{{1, "5", "15"}}, moves: []move{{1, "4"}}, want: []string{"1 movement 6"}},
		"a day was lost":          {stated: []stated{{1, "0", "10"}, {3, "12", "12"}}, moves: []move{{1, "10"}}, want: []string{"3 opening 2"}},
		"off both ways":           {stated: []stated{{1, "0", "100"}, {2, "0", "0"}}, want: []string{"1 movement 100", "2 opening -100"}},
		"movements nobody states": {stated: []stated{{1, "0", "0"}}, moves: []move{{2, "7"}}, want: []string{"2 unstated 7"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var results [2]Result
			for i := range results {
				var r RollForward
				for _, s := range c.stated {
					if err := r.State("A", "EUR", s.day, dec(s.open), dec(s.closing)); err != nil {
						t.Fatal(err)
					}
				}
				for _, m := range c.moves {
					if err := r.Move("A", "EUR", m.day, dec(m.amount)); err != nil {
						t.Fatal(err)
					}
				}
				var err error
				if results[i], err = r.Prove(Materiality{}); err != nil {
					t.Fatal(err)
				}
				c.stated, c.moves = slices.Clone(c.stated), slices.Clone(c.moves)
				slices.Reverse(c.stated)
				slices.Reverse(c.moves)
			}
			var got []string
			for _, it := range results[0].Items {
				got = append(got, fmt.Sprint(it.Day, " ", it.What, " ", it.Difference.Normalize()))
			}
			if !reflect.DeepEqual(got, c.want) || (results[0].Verdict == Pass) != (c.want == nil) {
				t.Fatalf("got %s %q, want %q", results[0].Verdict, got, c.want)
			}
			if !reflect.DeepEqual(results[0], results[1]) {
				t.Fatalf("in another order: %+v, not %+v", results[1], results[0])
			}
		})
	}
	var r RollForward
	if err := r.State("A", "EUR", 1, dec("0"), dec("0")); err != nil {
		t.Fatal(err)
	}
	if err := r.State("A", "EUR", 1, dec("0"), dec("0")); err == nil {
		t.Fatal("a day was stated twice without an error")
	}
}
