package cut

import (
	"slices"
	"testing"
)

// TestEveryInterleaving lets three shards and the markers of three transactions arrive in every
// possible order, cuts after each arrival, and compares with the naive model.
func TestEveryInterleaving(t *testing.T) {
	t.Parallel()
	for name, advance := range map[string]bool{"growing window": false, "cut off as it goes": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &history{shards: 2, counts: []map[string]int64{{"c0": 2}, {"c0": 1}, {"c0": 2}}}
			h.logs = [][]record{
				{{tx: 0, order: 1, commit: 1, lsn: 1, at: 1}, {tx: 1, order: 1, commit: 2, lsn: 3, at: 2}, {tx: 2, order: 1, commit: 3, lsn: 4, at: 3}},
				{{tx: 0, order: 2, commit: 1, lsn: 2, at: 1}, {tx: -1, commit: 2, lsn: 2, at: 1}, {tx: 2, order: 2, commit: 3, lsn: 5, at: 3}},
				{{tx: 0, begin: true}, {tx: 0, end: true}, {tx: 1, begin: true}, {tx: 1, end: true}, {tx: 2, begin: true}, {tx: 2, end: true}},
			}
			n := 0
			h.interleave(t, make([]int64, 3), nil, func(order []int) {
				n++
				h.follow(t, order, advance)
			})
			if n != 18480 { // 12! / (3! 3! 6!)
				t.Errorf("%d interleavings, want 18480", n)
			}
		})
	}
}

func (h *history) interleave(t *testing.T, at []int64, order []int, f func([]int)) {
	done := true
	for s := range h.logs {
		if at[s] < int64(len(h.logs[s])) {
			done = false
			at[s]++
			h.interleave(t, at, append(order, s), f)
			at[s]--
		}
	}
	if done {
		f(order)
	}
}

func (h *history) follow(t *testing.T, order []int, advance bool) {
	tr := h.tracker(Options{Markers: true}, nil, nil)
	arrived := make([]int64, len(h.logs))
	for _, s := range order {
		h.feed(tr, s, int(arrived[s]))
		arrived[s]++
		c := tr.Cut(Limits{})
		if want := h.best(arrived); !slices.Equal(c.Next, want) {
			t.Fatalf("order %v, arrived %v: cut at %v, want %v", order, arrived, c.Next, want)
		}
		if advance {
			tr.Advance(c)
		}
	}
}
