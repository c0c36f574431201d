package stream_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/stream"
)

var schema = reconciliation.Schema{Texts: []string{"reference", "status"}, Numbers: []string{"fee"}}

func dec(units int64, scale int) money.Decimal {
	d, err := money.New(units, scale)
	if err != nil {
		panic(err)
	}
	return d
}

func drawRow(t *rapid.T, ref string) reconciliation.Movement {
	scale := rapid.SampledFrom([]int{2, 2, 2, 3}).Draw(t, "scale")
	units := rapid.SampledFrom([]int64{100, 101, 110, 200, 300, -100, 1000, 0}).Draw(t, "amount")
	if scale == 3 {
		units *= 10
	}
	return reconciliation.Movement{Ref: ref, Amount: dec(units, scale), NoAmount: rapid.IntRange(0, 19).Draw(t, "blank") == 0,
		Currency: rapid.SampledFrom([]string{"EUR", "EUR", "USD"}).Draw(t, "currency"),
		Date:     rapid.SampledFrom([]int32{20000, 20001, 20003, 20010, reconciliation.NoDate}).Draw(t, "date"),
		Texts:    []string{rapid.SampledFrom([]string{"A", "B", "C", "D", "E", ""}).Draw(t, "reference"), rapid.SampledFrom([]string{"ok", "held"}).Draw(t, "status")},
		Numbers:  []money.Decimal{dec(rapid.Int64Range(0, 1).Draw(t, "fee"), 1)}}
}

func drawRules(t *rapid.T) reconciliation.Rules {
	r := reconciliation.Rules{Name: "drawn"}
	ref, window := []string{"reference"}, func(before, after int, business bool) []reconciliation.Window {
		return []reconciliation.Window{{Column: "date", Before: before, After: after, Business: business}}
	}
	pool := []reconciliation.Pass{
		{Keys: ref, Windows: window(0, 0, false)},
		{Keys: ref, Windows: window(0, 0, false), Near: true},
		{Keys: ref, Tolerance: reconciliation.Tolerance{Percent: dec(15, 1)}, Windows: window(1, 3, false), Near: true},
		{Keys: ref, Equal: []string{"status"}, InOrder: true, Near: true},
		{Keys: []string{"reference", "status"}, Numbers: []reconciliation.NumberTolerance{{Column: "fee"}}, Near: true},
		{Keys: []string{"amount", "status"}},
		{Windows: window(0, 2, true), Weights: &reconciliation.Weights{Amount: 1, Day: 3}},
		{Method: reconciliation.Sums, Cardinality: reconciliation.OneToMany, Keys: ref, Near: true},
		{Method: reconciliation.Sums, Cardinality: reconciliation.ManyToMany, Keys: []string{"status"}, Tolerance: reconciliation.Tolerance{Percent: dec(1, 0)}},
		{Method: reconciliation.Subset, Cardinality: reconciliation.ManyToOne, Keys: ref},
		{Method: reconciliation.Subset, Cardinality: reconciliation.OneToMany},
		{Method: reconciliation.Fuzzy, Texts: ref, Similarity: 900, Confirm: true},
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "passes") {
		p := rapid.SampledFrom(pool).Draw(t, "pass")
		p.Name = fmt.Sprintf("p%d", i)
		r.Passes = append(r.Passes, p)
	}
	if rapid.Bool().Draw(t, "timing") {
		r.Timing = &reconciliation.Timing{Left: 2, Right: 5}
	}
	if rapid.Bool().Draw(t, "residual") {
		r.Residual = &reconciliation.Tolerance{Absolute: dec(15, 2)}
	}
	return r
}

// nightly is what the nightly run says of rows, in words.
func nightly(t *rapid.T, rules reconciliation.Rules, rows [2]map[string]reconciliation.Movement) []string {
	sides := [2]*reconciliation.Side{reconciliation.NewSide("a", schema), reconciliation.NewSide("b", schema)}
	for i := range sides {
		for _, m := range rows[i] {
			if err := sides[i].Append(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	st, err := reconciliation.Settle(sides[0], sides[1], rules)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range st.Outcomes {
		o := &st.Outcomes[i]
		refs := func(s *reconciliation.Side, rows []int32) (out []string) {
			for _, r := range rows {
				out = append(out, s.Ref(int(r)))
			}
			return out
		}
		id := ""
		if o.Class != reconciliation.Matched {
			id = st.ID(o)
		}
		out = append(out, words(o.Class, o.Pass, o.Key, id, refs(st.Left, o.Left), refs(st.Right, o.Right)))
	}
	slices.Sort(out)
	return out
}

func words(class reconciliation.Class, pass, key, id string, left, right []string) string {
	return fmt.Sprintf("%s by %q of %q %s: %s | %s", class, pass, key, id, strings.Join(left, "+"), strings.Join(right, "+"))
}

func saidBy(s *stream.Stream) (out []string) {
	for _, o := range s.Outcomes() {
		out = append(out, words(o.Class, o.Pass, o.Key, o.BreakID, o.Left, o.Right))
	}
	slices.Sort(out)
	return out
}

// books follow events as somebody who has nothing else: what they say stands at the end must stand.
type books struct {
	matches, overdue map[string]bool
	last             int64
}

func (b *books) take(t *rapid.T, events []stream.Event) {
	for _, e := range events {
		if e.Seq != b.last+1 {
			t.Fatalf("event %d after %d", e.Seq, b.last)
		}
		b.last = e.Seq
		rows := strings.Join(e.Left, "+") + "|" + strings.Join(e.Right, "+")
		match := e.Class == reconciliation.Matched
		switch {
		case e.Kind == stream.Matched && !b.matches[rows]:
			b.matches[rows] = true
		case e.Kind == stream.Revised && match && b.matches[rows]:
			delete(b.matches, rows)
		case e.Kind == stream.Overdue && !b.overdue[rows]:
			b.overdue[rows] = true
		case e.Kind == stream.Resolved && b.overdue[rows]:
			delete(b.overdue, rows)
		case e.Kind == stream.Revised && !match && b.overdue[rows]:
		default:
			t.Fatalf("%s of %s, which is not so: %+v", e.Kind, rows, b)
		}
	}
}

// TestTheStreamEndsWithTheNightlyVerdicts: whatever the rules, the rows and their order, after each step the stream says what the nightly run says of
// the rows that are there; rows may come twice, be replaced and taken away, and the stream be written and restored between any two steps.
func TestTheStreamEndsWithTheNightlyVerdicts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		o := stream.Options{Left: "a", Right: "b", Schema: schema, Rules: rules, Wait: time.Duration(rapid.IntRange(0, 3).Draw(t, "wait")) * time.Minute}
		s, err := stream.New(o)
		if err != nil {
			t.Fatal(err)
		}
		rows := [2]map[string]reconciliation.Movement{{}, {}}
		now, told := time.Unix(20000*86400, 0).UTC(), &books{matches: map[string]bool{}, overdue: map[string]bool{}}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			now = now.Add(time.Minute)
			for range rapid.IntRange(0, 4).Draw(t, "rows") {
				side := rapid.IntRange(0, 1).Draw(t, "side")
				ref := fmt.Sprintf("%c%d", "lr"[side], rapid.IntRange(0, 9).Draw(t, "ref"))
				if rapid.IntRange(0, 9).Draw(t, "remove") == 0 {
					s.Remove(side, ref)
					delete(rows[side], ref)
					continue
				}
				m := drawRow(t, ref)
				rows[side][ref] = m
				if err := s.Put(side, &m, now); err != nil {
					t.Fatal(err)
				}
			}
			events, err := s.Step(now)
			if err != nil {
				t.Fatal(err)
			}
			told.take(t, events)
			if got, want := saidBy(s), nightly(t, rules, rows); !slices.Equal(got, want) {
				t.Fatalf("the stream says\n%s\nthe night\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if rapid.IntRange(0, 3).Draw(t, "alert") == 0 {
				told.take(t, s.Alert(now))
				if next := s.Next(); !next.IsZero() && !next.After(now) {
					t.Fatalf("a deadline of %s was not told at %s", next, now)
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
				data, err := s.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				if s, err = stream.Restore(o, data); err != nil {
					t.Fatal(err)
				}
				if again, err := s.MarshalBinary(); err != nil || !bytes.Equal(again, data) {
					t.Fatalf("restored it is\n%s\nwas\n%s (%v)", again, data, err)
				}
			}
		}
		told.take(t, s.Alert(now.AddDate(100, 0, 0)))
		open := 0
		for _, o := range s.Outcomes() {
			rows := strings.Join(o.Left, "+") + "|" + strings.Join(o.Right, "+")
			if o.Class == reconciliation.Matched && !told.matches[rows] || o.Class != reconciliation.Matched && !told.overdue[rows] {
				t.Fatalf("%s was not told", rows)
			}
			open++
		}
		if open != len(told.matches)+len(told.overdue) {
			t.Fatalf("told is %+v, of %d outcomes", told, open)
		}
	})
}

// FuzzRestore reads states that may be anything.
func FuzzRestore(f *testing.F) {
	o := stream.Options{Left: "a", Right: "b", Schema: schema, Rules: reconciliation.Rules{Name: "f", Passes: []reconciliation.Pass{{Name: "p", Keys: []string{"reference"}}}}}
	s, err := stream.New(o)
	if err != nil {
		f.Fatal(err)
	}
	m := reconciliation.Movement{Ref: "1", Amount: dec(100, 2), Currency: "EUR", Date: 20000, Texts: []string{"A", ""}, Numbers: []money.Decimal{dec(0, 0)}}
	if err := s.Put(stream.Left, &m, time.Unix(0, 0)); err != nil {
		f.Fatal(err)
	}
	if _, err := s.Step(time.Unix(0, 0)); err != nil {
		f.Fatal(err)
	}
	data, err := s.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"rows":[{"s":7}]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := stream.Restore(o, data)
		if err != nil {
			return
		}
		if _, err := s.MarshalBinary(); err != nil {
			t.Fatal(err)
		}
		_ = json.Valid(data)
	})
}
