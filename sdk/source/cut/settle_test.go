package cut

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWithoutMarkers follows histories that have no transaction topic, while
// they are written: each event once, transactions whole, and a heartbeat lets the last one go.
func TestWithoutMarkers(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]historyOptions{
		"plain":           {},
		"restarts":        {restarts: true},
		"interleaved LSN": {restarts: true, interleavedLSN: true},
		"garbage":         {restarts: true, garbage: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { withoutMarkers(t, drawHistory(t, o)) })
		})
	}
}

// unmarked is the state of a reader of a history whose shard of markers it does not follow.
type unmarked struct {
	h                *history
	tr               *Tracker
	l                *ledger
	written, arrived []int64
}

func (u *unmarked) open(next []int64, marks []Mark) {
	u.tr = New(Options{})
	for s := range u.h.shards {
		sh := Shard{Name: fmt.Sprint("s", s), Collection: collectionOf(s)}
		if next != nil {
			sh.Next, sh.Mark = next[s], marks[s]
		}
		u.tr.AddShard(sh)
	}
	u.tr.AddShard(Shard{Name: "beats", Role: Heartbeats})
	u.arrived = make([]int64, u.h.shards)
	if next != nil {
		copy(u.arrived, next)
	}
}

// arrive lets one shard go on to what is written of it, and reports whether any could.
func (u *unmarked) arrive(t *rapid.T) bool {
	var open []int
	for s := range u.h.shards {
		if u.arrived[s] < u.written[s] {
			open = append(open, s)
		}
	}
	if len(open) == 0 {
		return false
	}
	s := rapid.SampledFrom(open).Draw(t, "arrives")
	u.h.feed(u.tr, s, int(u.arrived[s]))
	u.arrived[s]++
	return true
}

// cut samples the ends that are written by now, finds a cut, and perhaps starts the reader again.
func (u *unmarked) cut(t *rapid.T, reopen bool) bool {
	if u.tr.WantSample() {
		u.tr.Sampled(slices.Clone(u.written[:u.h.shards]))
		for rapid.Bool().Draw(t, "read on") && u.arrive(t) {
		}
	}
	c := u.tr.Cut(Limits{Events: rapid.Int64Range(0, 5).Draw(t, "limit")})
	u.l.add(t, c)
	u.tr.Advance(c)
	if reopen && rapid.IntRange(0, 7).Draw(t, "reopen") == 0 {
		u.open(c.Next, c.Marks)
	}
	return c.Moved()
}

func withoutMarkers(t *rapid.T, h *history) {
	u := &unmarked{h: h, l: &ledger{h: h, got: map[string]int{}, epoch: map[int]int{}}, written: make([]int64, h.shards+1)}
	u.open(nil, nil)
	for _, s := range h.order {
		u.written[s]++
		for rapid.IntRange(0, 2).Draw(t, "arrive") > 0 && u.arrive(t) {
		}
		if rapid.IntRange(0, 3).Draw(t, "cut") == 0 {
			u.cut(t, true)
		}
	}
	for u.arrive(t) {
	}
	u.tr.Heartbeat(h.shards, 0, 10, time.Unix(1000, 0).UnixMicro())
	for u.cut(t, false) || u.arrive(t) {
	}
	if !maps.Equal(u.l.got, h.want) {
		oldest, stuck := u.tr.Oldest()
		t.Fatalf("missing %v, too many %v, stuck %v %+v%v", minus(h.want, u.l.got), minus(u.l.got, h.want), stuck, oldest, h)
	}
}

// TestHeartbeatGap: a heartbeat closes a transaction only if it is clearly younger, or the second one.
func TestHeartbeatGap(t *testing.T) {
	t.Parallel()
	const sent = 5_000_000
	for _, c := range []struct {
		name  string
		beats []int64
		want  int64
	}{
		{"none", nil, 0},
		{"older", []int64{sent - 1}, 0},
		{"in the middle of it", []int64{sent + 50_000}, 0},
		{"younger by the gap", []int64{sent + 100_000}, 1},
		{"a second one", []int64{sent + 50_000, sent + 60_000}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tr := New(Options{})
			tr.AddShard(Shard{Name: "a"})
			tr.AddShard(Shard{Name: "beats", Role: Heartbeats})
			tr.Event(0, &Event{Offset: 0, Tx: "t", Order: 1, Sent: sent})
			for i, at := range c.beats {
				tr.Heartbeat(1, int64(i), 1, at)
			}
			if tr.WantSample() {
				tr.Sampled([]int64{1, int64(len(c.beats))})
			}
			cut := tr.Cut(Limits{})
			if cut.Next[0] != c.want {
				t.Errorf("cut at %d, want %d", cut.Next[0], c.want)
			}
			if cut.Next[1] != int64(len(c.beats)) {
				t.Errorf("heartbeats cut at %d, want %d", cut.Next[1], len(c.beats))
			}
		})
	}
}
