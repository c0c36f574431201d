package cut

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLargestCut compares with the naive model after each arrival, for random interleavings of shards.
func TestLargestCut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t, historyOptions{})
		tr := h.tracker(Options{Markers: true}, nil, nil)
		arrived := make([]int64, len(h.logs))
		for {
			s := drawShard(t, h, arrived)
			if s < 0 {
				break
			}
			h.feed(tr, s, int(arrived[s]))
			arrived[s]++
			c := tr.Cut(Limits{})
			if want := h.best(arrived); !slices.Equal(c.Next, want) {
				t.Fatalf("arrived %v: cut at %v, want %v", arrived, c.Next, want)
			}
			if rapid.IntRange(0, 3).Draw(t, "advance") == 0 {
				tr.Advance(c)
			}
		}
	})
}

// drawShard picks a shard that has more to arrive; -1 if none has.
func drawShard(t *rapid.T, h *history, arrived []int64) int {
	var open []int
	for s, log := range h.logs {
		if arrived[s] < int64(len(log)) {
			open = append(open, s)
		}
	}
	if len(open) == 0 {
		return -1
	}
	return rapid.SampledFrom(open).Draw(t, "arrives")
}

// TestWholeOnce follows histories with restarts and garbage, through random limits and restarts
// of the reader: each event is yielded once, transactions whole, and nothing stays behind.
func TestWholeOnce(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]historyOptions{
		"restarts":             {restarts: true},
		"interleaved LSN":      {restarts: true, interleavedLSN: true},
		"garbage":              {garbage: true},
		"garbage and restarts": {garbage: true, restarts: true},
		"disorder":             {disorder: true},
		"interleaved disorder": {disorder: true, interleavedLSN: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { wholeOnce(t, drawHistory(t, o), true) })
		})
	}
}

func wholeOnce(t *rapid.T, h *history, markers bool) {
	o := Options{Markers: markers}
	var trail strings.Builder
	defer func() {
		if t.Failed() {
			t.Log(trail.String())
		}
	}()
	tr := h.tracker(o, nil, nil)
	l := &ledger{h: h, got: map[string]int{}, epoch: map[int]int{}}
	arrived := make([]int64, len(h.logs))
	now := time.UnixMicro(1_000_000)
	var parts []*Cut // not yet joined
	step := func(reopen bool) bool {
		lim := Limits{Events: rapid.Int64Range(0, 5).Draw(t, "limit"), Bytes: rapid.Int64Range(0, 900).Draw(t, "bytes")}
		if tr.WantSample() {
			ends := make([]int64, len(h.logs))
			for s := range ends {
				ends[s] = int64(len(h.logs[s]))
			}
			tr.Sampled(ends)
		}
		c := tr.Cut(lim)
		checkLimit(t, h, c, lim)
		tr.Advance(c)
		fmt.Fprintf(&trail, "arrived %v cut %v\n", arrived, c.Next)
		if parts = append(parts, c); rapid.IntRange(0, 2).Draw(t, "more parts") > 0 {
			return c.Moved()
		}
		joined := Join(parts)
		checkFewest(t, h, joined)
		l.add(t, joined)
		parts = nil
		if reopen && rapid.IntRange(0, 7).Draw(t, "reopen") == 0 {
			tr = h.tracker(o, c.Next, c.Marks)
			tr.Tick(now)
			trail.WriteString("reopen ")
			arrived = slices.Clone(c.Next)
		}
		return c.Moved()
	}
	for {
		s := drawShard(t, h, arrived)
		if s < 0 {
			break
		}
		h.feed(tr, s, int(arrived[s]))
		arrived[s]++
		if rapid.IntRange(0, 3).Draw(t, "cut") == 0 {
			step(true)
		}
	}
	for quiet := 0; quiet < 4; {
		if s := drawShard(t, h, arrived); s >= 0 { // reopened
			h.feed(tr, s, int(arrived[s]))
			arrived[s]++
			continue
		}
		quiet++
		now = now.Add(time.Duration(1+29*(quiet/2)) * 3 * time.Second)
		tr.Tick(now)
		if step(false) {
			quiet = 0
		}
	}
	if len(parts) > 0 {
		l.add(t, Join(parts))
	}
	if !maps.Equal(l.got, h.want) {
		oldest, stuck := tr.Oldest()
		t.Fatalf("missing %v, too many %v, stuck %v %+v%v", minus(h.want, l.got), minus(l.got, h.want), stuck, oldest, h)
	}
	for i := range tr.Shards() {
		if n := tr.ShardBytes(i); n != 0 {
			t.Fatalf("left behind: %d bytes in shard %d", n, i)
		}
	}
	if tr.Pending() != 0 || tr.Ready() != 0 || tr.Bytes() != 0 || tr.ids.n != 0 {
		t.Fatalf("left behind: %d pending, %d ready, %d bytes, %d transactions%v", tr.Pending(), tr.Ready(), tr.Bytes(), tr.ids.n, h)
	}
}

// checkLimit allows a cut over its limit only where it holds one transaction, and what cannot be parted from it.
func checkLimit(t *rapid.T, h *history, c *Cut, lim Limits) {
	if lim.Events == 0 || c.Totals.Events+c.Totals.Rejected <= lim.Events {
		return
	}
	txs := map[string]bool{}
	for _, r := range c.Ranges {
		for o := r.From; o < r.To; o++ {
			txs[fmt.Sprint(h.logs[r.Shard][o].tx)] = true
		}
	}
	again := slices.ContainsFunc(h.logs, func(log []record) bool {
		return slices.ContainsFunc(log, func(r record) bool { return r.again || r.garbage })
	})
	if len(txs) > 1 && !again {
		t.Fatalf("limit of %d events: %d events of %d transactions", lim.Events, c.Totals.Events, len(txs))
	}
}

// checkFewest: two ranges of a shard have a duplicate between them.
func checkFewest(t *rapid.T, h *history, c *Cut) {
	for i := 1; i < len(c.Ranges); i++ {
		a, b := c.Ranges[i-1], c.Ranges[i]
		if a.Shard != b.Shard {
			continue
		}
		between := h.logs[a.Shard][a.To:b.From]
		if !slices.ContainsFunc(between, func(r record) bool { return r.again }) {
			t.Fatalf("shard %d is parted between %d and %d for nothing", a.Shard, a.To, b.From)
		}
	}
}

func minus(a, b map[string]int) []string {
	var out []string
	for k, n := range a {
		if n != b[k] {
			out = append(out, fmt.Sprintf("%s×%d", k, n-b[k]))
		}
	}
	slices.Sort(out)
	return out
}
