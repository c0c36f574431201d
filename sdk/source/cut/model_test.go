package cut

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// record is one record of a shard in a generated history.
type record struct {
	tx      int   // transaction's number; -1: an event outside any
	order   int64 // of events
	begin   bool  // marker
	end     bool
	again   bool // delivered before
	garbage bool // malformed, transaction unknown
	lsn     int64
	commit  int64
	at      int64
}

// history is what a connector wrote: one log a shard; the last shard holds markers.
type history struct {
	logs   [][]record
	want   map[string]int // fresh events and garbage: "shard/offset"
	counts []map[string]int64
	shards int   // data shards
	order  []int // the shards in the order in which their records were written
}

const shardsPerCollection = 2

func collectionOf(shard int) string { return fmt.Sprint("c", shard/shardsPerCollection) }

type historyOptions struct {
	restarts, garbage bool
	interleavedLSN    bool
	// disorder: a producer writes a batch before the one that it failed to write, and then both; of data and of markers, not of both.
	disorder bool
}

// drawHistory writes transactions one after the other, as connectors do, with restarts in between.
func drawHistory(t *rapid.T, o historyOptions) *history {
	h := &history{shards: rapid.IntRange(1, 5).Draw(t, "shards"), want: map[string]int{}}
	h.logs = make([][]record, h.shards+1)
	var sent []sending
	n := rapid.IntRange(1, 12).Draw(t, "transactions")
	lsn := int64(100)
	for tx := range n {
		commit := int64(1000 * tx)
		at := int64(1_000_000 + 1000*tx)
		if !o.disorder && rapid.IntRange(0, 9).Draw(t, "single") == 0 {
			shard := rapid.IntRange(0, h.shards-1).Draw(t, "shard")
			for range rapid.IntRange(0, 4).Draw(t, "snapshot rows") { // without keys: sent again, they are new rows
				sent = append(sent, sending{shard, record{tx: -1, at: at}})
			}
			lsn++
			sent = append(sent, sending{shard, record{tx: -1, lsn: lsn, commit: commit, at: at}})
			h.counts = append(h.counts, nil)
			continue
		}
		counts := map[string]int64{}
		sent = append(sent, sending{h.shards, record{tx: tx, begin: true, at: at}})
		for k := range rapid.IntRange(0, 6).Draw(t, "events") {
			shard := rapid.IntRange(0, h.shards-1).Draw(t, "shard")
			lsn++
			l := lsn
			if o.interleavedLSN { // a PostgreSQL transaction that began early
				l = int64(100*(n-tx) + k)
			}
			r := record{tx: tx, order: int64(k + 1), lsn: l, commit: commit, at: at}
			if o.garbage && rapid.IntRange(0, 7).Draw(t, "garbage") == 0 {
				r.garbage = true
			}
			counts[collectionOf(shard)]++
			sent = append(sent, sending{shard, r})
		}
		h.counts = append(h.counts, counts)
		sent = append(sent, sending{h.shards, record{tx: tx, end: true, at: at}})
	}
	h.write(t, sent, o)
	if o.disorder {
		h.disorder(t)
	}
	return h
}

// disorder writes pieces of logs before what they should follow, and then again where they belong.
func (h *history) disorder(t *rapid.T) {
	from, to := 0, h.shards
	if rapid.Bool().Draw(t, "markers") {
		from, to = h.shards, h.shards+1
	}
	h.want = map[string]int{}
	for s := range h.logs {
		var out []record
		log := h.logs[s]
		for from <= s && s < to && len(log) > 1 && rapid.Bool().Draw(t, "disorder") {
			late := rapid.IntRange(1, len(log)-1).Draw(t, "late")
			early := rapid.IntRange(1, len(log)-late).Draw(t, "early")
			kept := rapid.IntRange(0, late-1).Draw(t, "kept")
			out = append(append(out, log[:kept]...), log[late:late+early]...)
			out = append(out, log[kept:late]...)
			for _, r := range log[late : late+early] {
				r.again = true
				out = append(out, r)
			}
			log = log[late+early:]
		}
		h.logs[s] = append(out, log...)
		for o, r := range h.logs[s] {
			if s < h.shards && !r.again {
				h.want[fmt.Sprintf("%d/%d", s, o)]++
			}
		}
	}
}

type sending struct {
	shard int
	record
}

// write appends what is sent to the logs. A restart goes back to some event and sends again from
// there; the BEGIN of a transaction in whose middle it starts is not repeated.
func (h *history) write(t *rapid.T, sent []sending, o historyOptions) {
	done, restarts := 0, 0
	for i := 0; i < len(sent); i++ {
		s := sent[i]
		s.again = i < done
		if s.garbage && s.again && s.shard < h.shards {
			s.again = false // nobody can tell
		}
		if s.tx < 0 && s.key().IsZero() {
			s.again = false
		}
		if s.tx < 0 && s.again && highest(h.logs[s.shard]) == s.key() {
			s.again = false // without a number of its own it could be another row of the same statement
		}
		h.logs[s.shard] = append(h.logs[s.shard], s.record)
		h.order = append(h.order, s.shard)
		if s.shard < h.shards && !s.again {
			h.want[fmt.Sprintf("%d/%d", s.shard, len(h.logs[s.shard])-1)]++
		}
		done = max(done, i+1)
		if o.restarts && restarts < 3 && rapid.IntRange(0, 14).Draw(t, "restart") == 0 {
			restarts++
			i -= rapid.IntRange(1, i+1).Draw(t, "back")
		}
	}
}

func (r record) key() Key { return Key{r.commit, r.lsn, r.order} }

// highest is the highest key in a log.
func highest(log []record) (best Key) {
	for _, r := range log {
		if !r.garbage && r.key().Compare(best) > 0 {
			best = r.key()
		}
	}
	return best
}

// feed tells the tracker of the record at an offset of a shard.
func (h *history) feed(tr *Tracker, shard int, offset int) {
	r := h.logs[shard][offset]
	if shard == h.shards {
		m := &Marker{Offset: int64(offset), Bytes: 10, Tx: fmt.Sprint("t", r.tx), End: r.end, At: r.at}
		if r.end {
			for c, n := range h.counts[r.tx] {
				m.Counts = append(m.Counts, Count{c, n})
			}
			slices.SortFunc(m.Counts, func(a, b Count) int { return len(a.Collection) - len(b.Collection) })
		}
		tr.Marker(shard, m)
		return
	}
	e := &Event{Offset: int64(offset), Bytes: 100, Order: r.order, Key: r.key(), At: r.at, Sent: r.at}
	if r.tx >= 0 {
		e.Tx = fmt.Sprint("t", r.tx)
	}
	if r.garbage {
		*e = Event{Offset: int64(offset), Bytes: 100, Rejected: true, Unknown: true, Sent: r.at}
	}
	tr.Event(shard, e)
}

func (h *history) tracker(o Options, next []int64, marks []Mark) *Tracker {
	tr := New(o)
	for s := range h.logs {
		sh := Shard{Name: fmt.Sprint("s", s), Collection: collectionOf(s)}
		if s == h.shards {
			sh = Shard{Name: "tx", Role: Markers}
		}
		if next != nil {
			sh.Next, sh.Mark = next[s], marks[s]
		}
		tr.AddShard(sh)
	}
	return tr
}

// best is the naive answer for a history without redelivery and garbage: the
// largest prefixes of what has arrived such that each transaction is whole.
func (h *history) best(arrived []int64) []int64 {
	cut := slices.Clone(arrived)
	for changed := true; changed; {
		changed = false
		inside := map[int]int64{}
		ended := map[int]bool{}
		for s, log := range h.logs {
			for _, r := range log[:cut[s]] {
				if r.tx >= 0 && s < h.shards {
					inside[r.tx]++
				}
				ended[r.tx] = ended[r.tx] || r.end
			}
		}
		for s, log := range h.logs {
			for k, r := range log[:cut[s]] {
				if r.tx < 0 {
					continue
				}
				var all int64
				for _, n := range h.counts[r.tx] {
					all += n
				}
				if !ended[r.tx] || inside[r.tx] < all {
					cut[s], changed = int64(k), true
					break
				}
			}
		}
	}
	return cut
}

// ledger collects what the cuts yield and checks that transactions stay whole.
type ledger struct {
	h     *history
	got   map[string]int
	epoch map[int]int // transaction → the cut that holds it
	n     int
	dups  int64
}

func (l *ledger) add(t *rapid.T, c *Cut) {
	l.n++
	var events int64
	for _, r := range c.Ranges {
		for o := r.From; o < r.To; o++ {
			rec := l.h.logs[r.Shard][o]
			l.got[fmt.Sprintf("%d/%d", r.Shard, o)]++
			events++
			if rec.tx < 0 || rec.garbage {
				continue
			}
			if e, ok := l.epoch[rec.tx]; ok && e != l.n {
				t.Fatalf("transaction %d is in cuts %d and %d (now %v)%v", rec.tx, e, l.n, c.Next, l.h)
			}
			l.epoch[rec.tx] = l.n
		}
	}
	if events != c.Totals.Events+c.Totals.Rejected {
		t.Fatalf("ranges hold %d events, totals say %+v", events, c.Totals)
	}
	l.dups += c.Totals.Duplicates
}

// String draws the logs, for failures: t3#2 is the second event of transaction 3, * was sent before, ? is garbage.
func (h *history) String() string {
	var b strings.Builder
	for s, log := range h.logs {
		fmt.Fprintf(&b, "\n  shard %d:", s)
		for _, r := range log {
			name := fmt.Sprintf("t%d#%d", r.tx, r.order)
			switch {
			case r.begin:
				name = fmt.Sprintf("BEGIN%d", r.tx)
			case r.end:
				name = fmt.Sprintf("END%d", r.tx)
			case r.tx < 0:
				name = "single"
			}
			if r.again {
				name += "*"
			}
			if r.garbage {
				name += "?"
			}
			b.WriteString(" " + name)
		}
	}
	return b.String()
}
