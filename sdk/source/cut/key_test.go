package cut

import (
	"testing"

	"pgregory.net/rapid"
)

// TestMarkText: a mark survives its text.
func TestMarkText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64()
		m := Mark{Key: Key{n.Draw(t, "commit"), n.Draw(t, "lsn"), n.Draw(t, "order")}, At: n.Draw(t, "at")}
		if got, err := ParseMark(m.String()); err != nil || got != m {
			t.Fatalf("%v became %v, %v", m, got, err)
		}
	})
}

// FuzzParseMark: no text makes it panic, and what it takes it gives back.
func FuzzParseMark(f *testing.F) {
	for _, s := range []string{"", "1/2/3/4", "1/2/3", "-1/0/0/9223372036854775807", "a/b/c/d", "1/2/3/4/5", "1//3/4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMark(s)
		if err != nil {
			return
		}
		if back, err := ParseMark(m.String()); err != nil || back != m {
			t.Errorf("%q became %v, then %v, %v", s, m, back, err)
		}
	})
}

// TestRepeats: what counts as delivered before.
func TestRepeats(t *testing.T) {
	t.Parallel()
	mark := Mark{Key: Key{Commit: 100, LSN: 110, Order: 2}, At: 50}
	for _, c := range []struct {
		name string
		mark Mark
		key  Key
		at   int64
		want bool
	}{
		{"later commit", mark, Key{120, 90, 1}, 60, false},
		{"earlier commit, higher LSN", mark, Key{90, 500, 1}, 40, true},
		{"the same event", mark, Key{100, 110, 2}, 50, true},
		{"next of the transaction, same LSN", mark, Key{100, 110, 3}, 50, false},
		{"earlier, but committed later: the log started again", mark, Key{1, 1, 1}, 60, false},
		{"unknown key", mark, Key{}, 40, false},
		{"nothing before", Mark{}, Key{1, 1, 1}, 0, false},
		{"same place without a number", Mark{Key: Key{LSN: 5}}, Key{LSN: 5}, 0, false},
		{"lower place without a number", Mark{Key: Key{LSN: 5}}, Key{LSN: 4}, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.mark.repeats(c.key, c.at); got != c.want {
				t.Errorf("repeats = %v, want %v", got, c.want)
			}
		})
	}
}
