package reconciliation

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// sifted is what a sieve says of rows, as said says it, and the breaks' identities.
func sifted(t *rapid.T, left, right []Movement, rules Rules, o SieveOptions, parted bool) (lines, ids []string, controls []Control) {
	s, err := NewSieve("a", "b", settleSchema, rules, o)
	if err != nil {
		t.Fatal(err)
	}
	s.cached = rapid.SampledFrom([]int{1, 2, cachedRows}).Draw(t, "cached")
	defer func() {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}()
	var sides sync.WaitGroup
	for side, rows := range [2][]Movement{left, right} {
		sides.Go(func() {
			for i := range rows {
				if err := s.Append(side, &rows[i]); err != nil {
					panic(err)
				}
			}
		})
	}
	sides.Wait()
	pairs := 0
	t2 := Takers{Pairs: func(p *PairRows) error {
		for i := 0; i < p.Len(); i += 2 {
			lines = append(lines, fmt.Sprintf("%s by %q: %s | %s", Matched, rules.Passes[p.Passes[i]].Name, p.Refs.At(i), p.Refs.At(i+1)))
		}
		pairs += p.Len() / 2
		return nil
	}}
	if parted {
		t2.Part = func(s *Settlement) (any, error) { return s, nil }
		t2.Take = func(made any) error {
			s := made.(*Settlement)
			lines, ids = append(lines, said(s)...), append(ids, breakIDs(s)...)
			return nil
		}
	}
	out, err := s.Settle(t2)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, n := range out.Pairs {
		sum += int(n)
	}
	if sum != pairs {
		t.Fatalf("%d pairs, %d were handed over", out.Pairs, pairs)
	}
	lines = append(lines, said(out.Settlement)...)
	slices.Sort(lines)
	if controls, err = out.Controls(); err != nil {
		t.Fatal(err)
	}
	ids = append(ids, breakIDs(out.Settlement)...)
	slices.Sort(ids)
	return lines, ids, controls
}

func breakIDs(s *Settlement) (out []string) {
	for _, o := range s.Breaks() {
		out = append(out, fmt.Sprint(s.ID(o), o.Key, o.Days, o.Over, o.Suggested))
	}
	for i := range out {
		out[i] = out[i][:32]
	}
	slices.Sort(out)
	return out
}

// drawSieved draws rows, of which most keys have one a side, and rules whose first pass pairs rows by key.
func drawSieved(rt *rapid.T) (left, right []Movement, rules Rules) {
	left, right, rules = drawRows(rt, "l"), drawRows(rt, "r"), drawRules(rt)
	for _, rows := range [][]Movement{left, right} {
		for i := range rows { // keys that most rows have for themselves
			if rows[i].Texts[0] != "" && rapid.IntRange(0, 3).Draw(rt, "own key") > 0 {
				rows[i].Texts[0] = fmt.Sprint("K", rapid.IntRange(0, 9).Draw(rt, "key"))
			}
			if d, err := rows[i].Amount.RescaleExact(4); err == nil && rapid.IntRange(0, 5).Draw(rt, "digits") == 0 {
				rows[i].Amount = d
			}
		}
	}
	rules.Passes[0] = Pass{Name: "p0", Keys: []string{"reference"}, Windows: []Window{{Column: ColumnDate, After: rapid.IntRange(0, 3).Draw(rt, "after")}}, Near: rapid.Bool().Draw(rt, "near")}
	if rapid.Bool().Draw(rt, "equal") {
		rules.Passes[0].Equal = []string{"status"}
	}
	if rapid.Bool().Draw(rt, "again") { // by the same keys
		rules.Passes = slices.Insert(rules.Passes, 1, Pass{Name: "again", Keys: []string{"reference"}, Tolerance: Tolerance{Absolute: amountOf(rapid.Int64Range(0, 300).Draw(rt, "tolerance"))},
			Windows: []Window{{Column: ColumnDate, Before: 1, After: rapid.IntRange(0, 9).Draw(rt, "later")}}})
	}
	return left, right, rules
}

// settledWhole is what Settle says of all rows at once.
func settledWhole(rt *rapid.T, t *testing.T, left, right []Movement, rules Rules) (*Settlement, []Control) {
	whole, err := Settle(sideOf(t, "a", left), sideOf(t, "b", right), rules)
	if err != nil {
		rt.Fatal(err)
	}
	controls, err := whole.Controls()
	if err != nil {
		rt.Fatal(err)
	}
	return whole, controls
}

// TestSievesAgree: what a sieve says, with next to no memory and in any order of rows, is what Settle says of all rows at once.
func TestSievesAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		left, right, rules := drawSieved(rt)
		if !rules.Sifts() {
			rt.Skip("they need all rows at once")
		}
		whole, want := settledWhole(rt, t, left, right, rules)
		o := SieveOptions{Memory: rapid.SampledFrom([]int64{0, 1, 4 * sieveParts * 60}).Draw(rt, "memory"), Dir: t.TempDir(), Workers: rapid.IntRange(1, 3).Draw(rt, "workers")}
		got, ids, controls := sifted(rt, rapid.Permutation(left).Draw(rt, "left"), rapid.Permutation(right).Draw(rt, "right"), rules, o, rapid.Bool().Draw(rt, "parted"))
		if w := said(whole); !slices.Equal(got, w) && len(repeated(left)) == 0 && len(repeated(right)) == 0 {
			rt.Fatalf("a sieve says\n%s\nall rows at once say\n%s", strings.Join(got, "\n"), strings.Join(w, "\n"))
		}
		if !slices.Equal(classesOf(got), classesOf(said(whole))) {
			rt.Fatalf("a sieve says %v, all rows at once %v", classesOf(got), classesOf(said(whole)))
		}
		if w := breakIDs(whole); !slices.Equal(ids, w) {
			rt.Fatalf("identities %v, want %v", ids, w)
		}
		if fmt.Sprint(controls) != fmt.Sprint(want) {
			rt.Fatalf("totals %v, want %v", controls, want)
		}
	})
}

// matchesOf counts a settlement's matches by pass.
func matchesOf(s *Settlement) map[string]int64 {
	out := map[string]int64{}
	for _, o := range s.Matches() {
		out[o.Pass]++
	}
	return out
}

// restore gives a sieve the left side's rows that another one has screened.
func restore(rt *rapid.T, s *Sieve, rules Rules, rows []Movement) {
	before, err := NewSieve("a", "b", settleSchema, rules, SieveOptions{})
	if err != nil {
		rt.Fatal(err)
	}
	defer before.Close()
	if err := before.StartScreen(); err != nil {
		rt.Fatal(err)
	}
	for _, m := range rows {
		if err := before.Screen(0, &m); err != nil {
			rt.Fatal(err)
		}
	}
	state, err := before.ScreenState(0)
	if err != nil {
		rt.Fatal(err)
	}
	if err := s.RestoreScreen(0, state); err != nil {
		rt.Fatal(err)
	}
}

// FuzzRestoreScreen: what is no state is refused, and nothing panics.
func FuzzRestoreScreen(f *testing.F) {
	rules := Rules{Name: "r", Passes: []Pass{{Name: "p", Keys: []string{"reference"}}}}
	start := func(t testing.TB) *Sieve {
		s, err := NewSieve("a", "b", settleSchema, rules, SieveOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.StartScreen(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := start(f)
	m := Movement{Amount: amountOf(5), Currency: "EUR", Date: 3, Texts: make([]string, len(settleSchema.Texts)), Numbers: make([]money.Decimal, len(settleSchema.Numbers)), Days: make([]int32, len(settleSchema.Days))}
	if err := s.Screen(0, &m); err != nil {
		f.Fatal(err)
	}
	state, err := s.ScreenState(0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(state.Tree, state.Totals)
	f.Add(state.Tree, []byte(`{"held":[{"rows":-1}]}`))
	f.Add([]byte{}, []byte(`{"scale":99}`))
	f.Fuzz(func(t *testing.T, tree, totals []byte) {
		state := ScreenState{tree, totals}
		s := start(t)
		defer s.Close()
		if s.RestoreScreen(0, state) != nil {
			return
		}
		again, err := s.ScreenState(0)
		if err != nil {
			t.Fatal(err)
		}
		next := start(t)
		defer next.Close()
		if err := next.RestoreScreen(0, again); err != nil {
			t.Fatalf("what was kept again is refused: %v", err)
		}
	})
}

// TestScreensAgree: rows that trees find equal are matches of the first pass, and all else is as Settle says of all rows at once.
func TestScreensAgree(t *testing.T) {
	t.Parallel()
	screened := 0
	rapid.Check(t, func(rt *rapid.T) {
		left, right, rules := drawSieved(rt)
		for i := range left { // rows that are equal on both sides
			if rapid.Bool().Draw(rt, "same") {
				m := left[i].Clone()
				m.Ref = fmt.Sprint("r+", i)
				right = append(right, m)
			}
		}
		if !rules.Screens() {
			rt.Skip("they can't be screened")
		}
		whole, want := settledWhole(rt, t, left, right, rules)
		s, err := NewSieve("a", "b", settleSchema, rules, SieveOptions{Dir: t.TempDir()})
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		if err := s.StartScreen(); err != nil {
			rt.Fatal(err)
		}
		each := func(f func(int, *Movement) error) {
			for side, rows := range [2][]Movement{left, right} {
				for _, m := range rapid.Permutation(rows).Draw(rt, "order") {
					if err := f(side, &m); err != nil {
						rt.Fatal(err)
					}
				}
			}
		}
		if rapid.Bool().Draw(rt, "restored") { // a part of the left side was screened before, by another sieve
			rows := left
			seen := rapid.IntRange(0, len(rows)).Draw(rt, "seen")
			restore(rt, s, rules, rows[:seen])
			left = rows[seen:]
			each(s.Screen)
			left = rows
		} else {
			each(s.Screen)
		}
		found, err := s.Screened()
		if err != nil {
			rt.Fatal(err)
		}
		s.screen.full = rapid.IntRange(0, 4).Draw(rt, "full") == 0
		if !found.Equal() || s.screen.full {
			each(s.Append)
		}
		got := map[string]int64{}
		out, err := s.Settle(Takers{})
		if err != nil {
			rt.Fatal(err)
		}
		appended := int64(0)
		for _, h := range s.sides[0].again {
			appended += h.rows
		}
		if appended < int64(len(left)) {
			screened++
		}
		for i, n := range out.Pairs {
			if n > 0 {
				got[rules.Passes[i].Name] += n
			}
		}
		for pass, n := range matchesOf(out.Settlement) {
			got[pass] += n
		}
		if w := matchesOf(whole); !maps.Equal(got, w) {
			rt.Fatalf("matches %v, want %v", got, w)
		}
		if ids, w := breakIDs(out.Settlement), breakIDs(whole); !slices.Equal(ids, w) {
			rt.Fatalf("identities %v, want %v", ids, w)
		}
		controls, err := out.Controls()
		if err != nil {
			rt.Fatal(err)
		}
		if fmt.Sprint(controls) != fmt.Sprint(want) {
			rt.Fatalf("totals %v, want %v", controls, want)
		}
	})
	if screened == 0 {
		t.Error("no draw had rows that were found equal")
	}
}

// TestRowsComeBackAsTheyWere writes rows of all kinds of columns and reads them.
func TestRowsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	schema := Schema{Texts: []string{"key", "text"}, Numbers: []string{"number"}, Days: []string{"day"}}
	s, err := NewSieve("a", "b", schema, Rules{Name: "r", Passes: []Pass{{Name: "p", Keys: []string{"key", "day", "number", ColumnAmount, ColumnCurrency, ColumnDate}}}}, SieveOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	large, err := money.Parse("-12345678901234567890123456789012345.678")
	if err != nil {
		t.Fatal(err)
	}
	want := Movement{Ref: "file:7", Amount: large, Currency: "EUR", Date: -5, Texts: []string{"k", "a text\x00"}, Numbers: []money.Decimal{amountOf(-3)}, Days: []int32{20000}}
	for range 2 {
		if err := s.Append(0, &want); err != nil {
			t.Fatal(err)
		}
	}
	out, err := s.Settle(Takers{})
	if err != nil {
		t.Fatal(err)
	}
	if out.Left.Len() != 2 || fmt.Sprint(out.Left.Row(1)) != fmt.Sprint(want) {
		t.Errorf("%d rows came back; %v, want %v", out.Left.Len(), out.Left.Row(0), want)
	}
}

func TestSieveMistakes(t *testing.T) {
	t.Parallel()
	for name, p := range map[string][]Pass{
		"no key":      {{Name: "p"}},
		"sums":        {{Name: "p", Method: Sums, Cardinality: OneToMany, Keys: []string{"reference"}}},
		"another key": {{Name: "p", Keys: []string{"reference"}}, {Name: "q", Keys: []string{"status"}, Near: true}},
	} {
		if _, err := NewSieve("a", "b", settleSchema, Rules{Name: "r", Passes: p}, SieveOptions{Dir: t.TempDir()}); fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v is not a usage error", name, err)
		}
	}
	s, err := NewSieve("a", "b", settleSchema, Rules{Name: "r", Passes: []Pass{{Name: "p", Keys: []string{"reference"}}}}, SieveOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Append(0, &Movement{}) == nil {
		t.Error("a row without the schema's columns was taken")
	}
	_, ended := s.Screened()
	_, state := s.ScreenState(0)
	for name, err := range map[string]error{"Screen": s.Screen(0, &Movement{}), "Screened": ended, "ScreenState": state, "RestoreScreen": s.RestoreScreen(0, ScreenState{})} {
		if !errors.Is(err, errScreen) {
			t.Errorf("%s without StartScreen: %v", name, err)
		}
	}
	if err := s.StartScreen(); err != nil {
		t.Fatal(err)
	}
	m := Movement{Texts: make([]string, len(settleSchema.Texts)), Numbers: make([]money.Decimal, len(settleSchema.Numbers)), Days: make([]int32, len(settleSchema.Days))}
	if err := s.Append(0, &m); !errors.Is(err, errScreen) {
		t.Errorf("a row was appended before the screening ended: %v", err)
	}
}
