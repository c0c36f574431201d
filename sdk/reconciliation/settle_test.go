package reconciliation

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/money"
)

var settleSchema = Schema{Texts: []string{"reference", "status"}}

func amountOf(cents int64) money.Decimal {
	d, err := money.New(cents, 2)
	if err != nil {
		panic(err)
	}
	return d
}

// sideOf makes a side of rows, whose places become their refs unless they have one.
func sideOf(t testing.TB, name string, rows []Movement) *Side {
	s := NewSide(name, settleSchema)
	for _, r := range rows {
		if err := s.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// said is what a settlement says, in words that do not depend on the rows' places: an outcome a line, sorted.
func said(s *Settlement) []string {
	refs := func(side *Side, rows []int32) string {
		var out []string
		for _, r := range rows {
			out = append(out, side.Ref(int(r)))
		}
		slices.Sort(out)
		return strings.Join(out, "+")
	}
	var out []string
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		out = append(out, fmt.Sprintf("%s by %q: %s | %s", o.Class, o.Pass, refs(s.Left, o.Left), refs(s.Right, o.Right)))
	}
	slices.Sort(out)
	return out
}

// mirrorOf is what said says of the sides the other way round.
func mirrorOf(lines []string) []string {
	var out []string
	for _, l := range lines {
		head, rows, _ := strings.Cut(l, ": ")
		left, right, _ := strings.Cut(rows, " | ")
		switch {
		case strings.HasPrefix(head, string(MissingLeft)):
			head = strings.Replace(head, string(MissingLeft), string(MissingRight), 1)
		case strings.HasPrefix(head, string(MissingRight)):
			head = strings.Replace(head, string(MissingRight), string(MissingLeft), 1)
		}
		out = append(out, head+": "+right+" | "+left)
	}
	slices.Sort(out)
	return out
}

// drawRows makes rows of so few values that they collide.
func drawRows(t *rapid.T, label string) []Movement {
	n := rapid.IntRange(0, 14).Draw(t, label)
	rows := make([]Movement, n)
	for i := range rows {
		rows[i] = Movement{
			Ref: fmt.Sprintf("%s%d", label, i), Amount: amountOf(rapid.SampledFrom([]int64{100, 101, 110, 200, 300, -100, 1000, 0}).Draw(t, "amount")),
			NoAmount: rapid.IntRange(0, 19).Draw(t, "blank amount") == 0,
			Currency: rapid.SampledFrom([]string{"EUR", "EUR", "USD"}).Draw(t, "currency"),
			Date:     rapid.SampledFrom([]int32{20000, 20001, 20003, 20010, NoDate}).Draw(t, "date"),
			Texts:    []string{rapid.SampledFrom([]string{"A", "B", "C", ""}).Draw(t, "reference"), rapid.SampledFrom([]string{"ok", "held"}).Draw(t, "status")},
		}
	}
	return rows
}

// drawRules makes up to four passes of all methods.
func drawRules(t *rapid.T) Rules {
	r := Rules{Name: "drawn"}
	pool := []Pass{
		{Keys: []string{"reference"}, Windows: []Window{{Column: ColumnDate}}},
		{Keys: []string{"reference"}, Tolerance: Tolerance{Absolute: amountOf(1)}, Windows: []Window{{Column: ColumnDate, Before: 1, After: 3}}, Near: true},
		{Keys: []string{"reference"}, Equal: []string{"status"}, InOrder: true, Near: true},
		{Windows: []Window{{Column: ColumnDate, After: 2, Business: true}}, Weights: &Weights{Amount: 1, Day: 3}},
		{Method: Sums, Cardinality: OneToMany, Keys: []string{"reference"}},
		{Method: Sums, Cardinality: ManyToMany, Keys: []string{"reference"}, Tolerance: Tolerance{Percent: amountOf(100)}},
		{Method: Subset, Cardinality: ManyToOne, Keys: []string{"reference"}},
		{Method: Subset, Cardinality: OneToMany},
		{Method: Fuzzy, Texts: []string{"reference"}, Similarity: 900},
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "passes") {
		p := rapid.SampledFrom(pool).Draw(t, "pass")
		p.Name = fmt.Sprintf("p%d", i)
		r.Passes = append(r.Passes, p)
	}
	if rapid.Bool().Draw(t, "timing") {
		r.Timing = &Timing{Left: 2, Right: 5}
	}
	if rapid.Bool().Draw(t, "residual") {
		r.Residual = &Tolerance{Absolute: amountOf(15)}
	}
	return r
}

// TestSettlementsAgree: the order of rows changes nothing, the sides swapped mirror it, every row is in one outcome and nothing stays
// unexplained, for any rules over rows that collide.
func TestSettlementsAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		left, right, rules := drawRows(rt, "l"), drawRows(rt, "r"), drawRules(rt)
		settle := func(a, b []Movement, r Rules) *Settlement {
			s, err := Settle(sideOf(t, "a", a), sideOf(t, "b", b), r)
			if err != nil {
				rt.Fatal(err)
			}
			if _, err := s.Controls(); err != nil {
				rt.Fatal(err)
			}
			return s
		}
		want := said(settle(left, right, rules))
		shuffled := settle(rapid.Permutation(left).Draw(rt, "left"), rapid.Permutation(right).Draw(rt, "right"), rules)
		if got := said(shuffled); !slices.Equal(got, want) && len(repeated(left)) == 0 && len(repeated(right)) == 0 {
			rt.Fatalf("in another order:\n%s\nwas\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got := classesOf(said(shuffled)); !slices.Equal(got, classesOf(want)) {
			rt.Fatalf("in another order: %v, was %v", got, classesOf(want))
		}
		mirrored := said(settle(right, left, rules.Mirrored()))
		if want := mirrorOf(want); !slices.Equal(mirrored, want) && len(repeated(left)) == 0 && len(repeated(right)) == 0 {
			rt.Fatalf("the other way round:\n%s\nwant\n%s", strings.Join(mirrored, "\n"), strings.Join(want, "\n"))
		}
		if got := classesOf(mirrored); !slices.Equal(got, classesOf(mirrorOf(want))) {
			rt.Fatalf("the other way round: %v, want %v", got, classesOf(mirrorOf(want)))
		}
	})
}

// classesOf drops the rows: rows that say the same stand for one another.
func classesOf(lines []string) []string {
	var out []string
	for _, l := range lines {
		head, rows, _ := strings.Cut(l, ": ")
		left, right, _ := strings.Cut(rows, " | ")
		out = append(out, fmt.Sprintf("%s %d:%d", head, len(strings.Split(left, "+")), len(strings.Split(right, "+"))))
	}
	slices.Sort(out)
	return out
}

// repeated lists rows that say the same as another: which of them is taken is not said.
func repeated(rows []Movement) (out []string) {
	seen := map[string]bool{}
	for _, r := range rows {
		k := fmt.Sprint(r.Amount, r.NoAmount, r.Currency, r.Date, r.Texts)
		if seen[k] {
			out = append(out, k)
		}
		seen[k] = true
	}
	return out
}

// TestPlantedBreaksAreFound plants breaks of each class into clean books: exactly these are found, each by its class.
func TestPlantedBreaksAreFound(t *testing.T) {
	t.Parallel()
	plants := []struct {
		class Class
		plant func(r *Movement) (drop bool)
	}{
		{MissingRight, func(*Movement) bool { return true }},
		{Amount, func(r *Movement) bool { r.Amount = amountOf(int64(r.Amount.Coefficient().Lo) + 7); return false }},
		{Currency, func(r *Movement) bool { r.Currency = "USD"; return false }},
		{Date, func(r *Movement) bool { r.Date += 40; return false }},
		{Status, func(r *Movement) bool { r.Texts[1] = "held"; return false }},
		{SignFlip, func(r *Movement) bool { r.Amount = amountOf(-int64(r.Amount.Coefficient().Lo)); return false }},
		{Transposition, func(r *Movement) bool {
			r.Amount = amountOf(int64(r.Amount.Coefficient().Lo) - 31200 + 13200)
			return false
		}},
		{DecimalShift, func(r *Movement) bool { r.Amount = amountOf(10 * int64(r.Amount.Coefficient().Lo)); return false }},
	}
	rules := Rules{Name: "planted", Passes: []Pass{{Name: "exact", Keys: []string{"reference"}, Equal: []string{"status"},
		Windows: []Window{{Column: ColumnDate, Before: 2, After: 2}}, Near: true}}}
	rapid.Check(t, func(rt *rapid.T) {
		var left, right []Movement
		want := map[Class]int{}
		for i := range rapid.IntRange(0, 60).Draw(rt, "rows") {
			r := Movement{Ref: fmt.Sprint(i), Amount: amountOf(31200 + int64(i%7)), Currency: "EUR", Date: 20000 + int32(i), Texts: []string{fmt.Sprintf("R%03d", i), "ok"}}
			left = append(left, r)
			r.Texts = slices.Clone(r.Texts)
			k := rapid.IntRange(-len(plants), len(plants)-1).Draw(rt, "plant")
			if k >= 0 {
				want[plants[k].class]++
				if plants[k].plant(&r) {
					continue
				}
			}
			right = append(right, r)
		}
		s, err := Settle(sideOf(t, "left", left), sideOf(t, "right", right), rules)
		if err != nil {
			rt.Fatal(err)
		}
		got := map[Class]int{}
		for _, b := range s.Breaks() {
			got[b.Class]++
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			rt.Fatalf("found %v, planted %v", got, want)
		}
	})
}

// FuzzParseDay holds what is read against how it is written.
func FuzzParseDay(f *testing.F) {
	for _, s := range []string{"2026-01-31", "1969-12-31", "", "2026-02-30", "9999-12-31", "2026-1-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		day, err := ParseDay(text)
		if err == nil && day != NoDate && FormatDay(day) != text {
			t.Errorf("%q is read as %d, which is written %q", text, day, FormatDay(day))
		}
	})
}

// TestPlantedSumsAreNeverWronglyConfirmed plants rows that are split on the other side, among rows that belong to nothing: each is found
// as planted, or stays open, or is ambiguous; never is it given other rows.
func TestPlantedSumsAreNeverWronglyConfirmed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var left, right []Movement
		planted := map[string]string{}
		row := func(ref string, cents int64, group string) Movement {
			return Movement{Ref: ref, Amount: amountOf(cents), Currency: "EUR", Date: 20000, Texts: []string{group, ""}}
		}
		for i := range rapid.IntRange(1, 4).Draw(rt, "targets") {
			var sum int64
			var parts []string
			for k := range rapid.IntRange(2, 4).Draw(rt, "parts") {
				cents := rapid.Int64Range(1, 400).Draw(rt, "cents")
				ref := fmt.Sprintf("r%d.%d", i, k)
				right, parts, sum = append(right, row(ref, cents, "G")), append(parts, ref), sum+cents
			}
			left = append(left, row(fmt.Sprintf("l%d", i), sum, "G"))
			planted[fmt.Sprintf("l%d", i)] = strings.Join(parts, "+")
		}
		for i := range rapid.IntRange(0, 4).Draw(rt, "noise") {
			right = append(right, row(fmt.Sprintf("n%d", i), rapid.Int64Range(1, 400).Draw(rt, "cents"), "G"))
		}
		s, err := Settle(sideOf(t, "left", left), sideOf(t, "right", right), Rules{Name: "sums", Passes: []Pass{
			{Name: "subset", Method: Subset, Cardinality: OneToMany, Keys: []string{"reference"}, MaxRows: 24}}})
		if err != nil {
			rt.Fatal(err)
		}
		cents := map[string]int64{}
		for _, r := range right {
			cents[r.Ref] = int64(r.Amount.Coefficient().Lo)
		}
		values := func(refs string) string { // rows of one amount stand for one another
			var out []int64
			for _, r := range strings.Split(refs, "+") {
				out = append(out, cents[r])
			}
			slices.Sort(out)
			return fmt.Sprint(out)
		}
		for _, m := range s.Matches() {
			var refs []string
			for _, r := range m.Right {
				refs = append(refs, s.Right.Ref(int(r)))
			}
			target := s.Left.Ref(int(m.Left[0]))
			if got := strings.Join(refs, "+"); values(got) != values(planted[target]) {
				rt.Fatalf("%s is matched with %s, planted was %s", target, got, planted[target])
			}
		}
		for _, b := range s.Breaks() {
			if len(b.Left) > 0 && b.Class != Ambiguous {
				rt.Fatalf("a planted sum is %s, and not said to be ambiguous", b.Class)
			}
		}
	})
}

// TestPlantedGroupsAreFound plants groups of N and M rows by a key: those whose sums agree match whole, the others are one break each.
func TestPlantedGroupsAreFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var left, right []Movement
		want := map[string]Class{}
		for g := range rapid.IntRange(1, 6).Draw(rt, "groups") {
			key := fmt.Sprintf("G%d", g)
			var sum int64
			for k := range rapid.IntRange(1, 5).Draw(rt, "left") {
				c := rapid.Int64Range(1, 100000).Draw(rt, "cents")
				sum += c
				left = append(left, Movement{Ref: fmt.Sprintf("l%d.%d", g, k), Amount: amountOf(c), Currency: "EUR", Date: 20000, Texts: []string{key, ""}})
			}
			n := rapid.IntRange(1, 5).Draw(rt, "right")
			want[key] = Matched
			if rapid.Bool().Draw(rt, "broken") {
				sum += 1 // a cent: neither a slip nor within the tolerance
				want[key] = Amount
			}
			for k := range n {
				c := sum
				if k < n-1 {
					c = rapid.Int64Range(-50000, 50000).Draw(rt, "part")
				}
				sum -= c
				right = append(right, Movement{Ref: fmt.Sprintf("r%d.%d", g, k), Amount: amountOf(c), Currency: "EUR", Date: 20000, Texts: []string{key, ""}})
			}
		}
		s, err := Settle(sideOf(t, "left", left), sideOf(t, "right", rapid.Permutation(right).Draw(rt, "order")), Rules{Name: "groups", Passes: []Pass{
			{Name: "batch", Method: Sums, Cardinality: ManyToMany, Keys: []string{"reference"}, Near: true}}})
		if err != nil {
			rt.Fatal(err)
		}
		got := map[string]Class{}
		for i := range s.Outcomes {
			o := &s.Outcomes[i]
			got[o.Key] = o.Class
			if o.Class == Transposition || o.Class == DecimalShift { // 10 and 11 cents may look like one
				got[o.Key] = Amount
			}
		}
		if len(s.Outcomes) != len(want) || fmt.Sprint(got) != fmt.Sprint(want) {
			rt.Fatalf("found %v, planted %v", got, want)
		}
	})
}
