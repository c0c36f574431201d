package change_test

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/sdk/change"
	"pgregory.net/rapid"
)

func at(pairs ...any) change.Position {
	p := change.Position{Next: map[string]int64{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		p.Next[pairs[i].(string)] = int64(pairs[i+1].(int))
	}
	return p
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p, q change.Position
		want change.Order
	}{
		{at(), at(), change.Equal},
		{at("a", 0), at(), change.Equal},
		{at("a", 1), at(), change.After},
		{at(), at("a", 1), change.Before},
		{at("a", 1, "b", 2), at("a", 2, "b", 1), change.Concurrent},
		{at("a", 1), at("b", 1), change.Concurrent},
		{at("a", 2, "b", 2), at("a", 2, "b", 3), change.Before},
	} {
		if got := c.p.Compare(c.q); got != c.want {
			t.Errorf("%v against %v: %d, want %d", c.p, c.q, got, c.want)
		}
	}
}

func draw(t *rapid.T, label string) change.Position {
	return change.Position{
		Next:  rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.Int64Range(0, 2)).Draw(t, label),
		Marks: rapid.MapOf(rapid.SampledFrom([]string{"a", "b"}), rapid.String()).Draw(t, label+" marks"),
	}
}

func TestEqualPositionsStartTheSameEpoch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := draw(t, "p"), draw(t, "q")
		same := change.EpochID("s", p) == change.EpochID("s", q)
		if equal := p.Compare(q) == change.Equal; equal != same {
			t.Fatalf("%v and %v: equal %v, same epoch %v", p, q, equal, same)
		}
		if change.EpochID("s", p) == change.EpochID("t", p) {
			t.Fatal("two streams share an epoch")
		}
		if a, b := p.Compare(q), q.Compare(p); a != -b && !(a == change.Concurrent && b == change.Concurrent) {
			t.Fatalf("%v against %v: %d one way, %d the other", p, q, a, b)
		}
	})
}

func TestTextRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t, "p")
		q, err := change.ParsePosition(p.String())
		if err != nil || q.String() != p.String() {
			t.Fatalf("%v: %v became %v", err, p, q)
		}
		c := p.Clone()
		if len(c.Next) > 0 {
			c.Next["a"] = 99
			if p.Next["a"] == 99 {
				t.Fatal("a clone shares memory")
			}
		}
	})
}

func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{"", "{}", `{"next":{"t/0":7},"marks":{"t/0":"x"}}`, `{"next":{"a":-1}}`, "null", "7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := change.ParsePosition(text)
		if err != nil {
			return
		}
		for s, n := range p.Next {
			if n < 0 {
				t.Fatalf("%q: shard %s at %d", text, s, n)
			}
		}
		if q, err := change.ParsePosition(p.String()); err != nil || q.String() != p.String() {
			t.Fatalf("%q does not read back: %v", p, err)
		}
	})
}

func TestOps(t *testing.T) {
	t.Parallel()
	for _, op := range []change.Op{change.Read, change.Create, change.Update, change.Delete, change.Truncate} {
		if !op.Valid() {
			t.Errorf("%s is not valid", op)
		}
	}
	if change.Op('z').Valid() {
		t.Error("z is valid")
	}
}

func ExamplePosition_Compare() {
	p := change.Position{Next: map[string]int64{"entries/0": 10, "entries/1": 4}}
	q := change.Position{Next: map[string]int64{"entries/0": 12, "entries/1": 4}}
	fmt.Println(p.Compare(q) == change.Before, change.EpochID("core", p) == change.EpochID("core", q))
	// Output: true false
}
