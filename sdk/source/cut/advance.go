package cut

import (
	"slices"

	"github.com/millrace/millrace/sdk/change"
)

// describe fills in what a cut holds.
func (t *Tracker) describe(c *Cut) {
	n := len(t.shards)
	c.Next, c.Marks, c.tails = make([]int64, n), make([]Mark, n), make([]bool, n)
	t.visit++
	for i := range t.shards {
		s := &t.shards[i]
		c.Next[i], c.Marks[i], c.parted = s.Next, s.Mark, false
		w := s.window()
		for k := range w[:c.take[i]] {
			r := &w[k]
			c.Next[i], c.Marks[i] = r.next, r.mark
			c.add(i, r)
			if r.tx >= 0 && t.txs.at(r.tx).visit != t.visit && t.txs.at(r.tx).fresh > 0 {
				t.txs.at(r.tx).visit = t.visit
				c.Totals.Transactions++
			}
		}
		if c.part[i] > 0 {
			head := w[c.take[i]].head(c.part[i])
			c.Next[i] = head.next
			c.add(i, &head)
		}
		c.tails[i] = c.parted
	}
}

// head is the first n events of a plain run.
func (r run) head(n int64) run {
	r.bytes = r.bytes * n / int64(r.events)
	r.next, r.events = r.first+n, uint32(n)
	return r
}

// add counts a run and adds it to the ranges.
func (c *Cut) add(shard int, r *run) {
	c.Totals.Events += int64(r.events)
	c.Totals.Rejected += int64(r.rejected)
	c.Totals.Duplicates += int64(r.dups)
	c.Totals.Tombstones += int64(r.tombs)
	c.Totals.Bytes += r.bytes
	if r.dups > 0 {
		c.parted = true // what follows is a range of its own
	}
	if !r.yields() {
		return
	}
	if r.minAt != 0 {
		if c.FirstAt == 0 || r.minAt < c.FirstAt {
			c.FirstAt = r.minAt
		}
		c.LastAt = max(c.LastAt, r.mark.At)
	}
	n := int64(r.events) + int64(r.rejected)
	if k := len(c.Ranges) - 1; k >= 0 && c.Ranges[k].Shard == shard && !c.parted {
		c.Ranges[k].To = r.next
		c.Ranges[k].Events += n
		return
	}
	c.Ranges = append(c.Ranges, Range{Shard: shard, From: r.first, To: r.next, Events: n, Parted: c.parted})
	c.parted = false
}

// Join makes one cut of cuts that followed one another, the window having been advanced to each but the last. Its ranges are
// the fewest, as those of one cut are. It ends where the last one ends; what that says of later dates counts.
func Join(cuts []*Cut) *Cut {
	if len(cuts) == 1 {
		return cuts[0]
	}
	last := cuts[len(cuts)-1]
	out := &Cut{Next: last.Next, Marks: last.Marks, Later: last.Later, Closed: last.Closed, tails: make([]bool, len(last.tails))}
	byShard := make([][]Range, len(last.Next))
	for _, c := range cuts {
		out.moved = out.moved || c.Moved()
		out.Totals.add(c.Totals)
		if c.FirstAt != 0 {
			if out.FirstAt == 0 || c.FirstAt < out.FirstAt {
				out.FirstAt = c.FirstAt
			}
			out.LastAt = max(out.LastAt, c.LastAt)
		}
		for _, r := range c.Ranges {
			have := byShard[r.Shard]
			r.Parted = r.Parted || out.tails[r.Shard]
			out.tails[r.Shard] = false
			if k := len(have) - 1; k >= 0 && !r.Parted {
				have[k].To, have[k].Events = r.To, have[k].Events+r.Events
				continue
			}
			byShard[r.Shard] = append(have, r)
		}
		for i, t := range c.tails {
			out.tails[i] = out.tails[i] || t
		}
	}
	for _, ranges := range byShard {
		out.Ranges = append(out.Ranges, ranges...)
	}
	return out
}

func (t *Totals) add(o Totals) {
	t.Events += o.Events
	t.Rejected += o.Rejected
	t.Duplicates += o.Duplicates
	t.Tombstones += o.Tombstones
	t.Transactions += o.Transactions
	t.Bytes += o.Bytes
}

// Position is the cut's end as a position of the stream: Next and Marks of every shard.
func (t *Tracker) Position(c *Cut) change.Position {
	p := change.Position{Next: make(map[string]int64, len(c.Next))}
	for i, next := range c.Next {
		p.Next[t.shards[i].Name] = next
		if m := c.Marks[i]; !m.IsZero() {
			if p.Marks == nil {
				p.Marks = map[string]string{}
			}
			p.Marks[t.shards[i].Name] = m.String()
		}
	}
	return p
}

// Advance moves the window's start to a cut that was the last one found.
func (t *Tracker) Advance(c *Cut) {
	for i := range c.take {
		s := &t.shards[i]
		s.Next, s.Mark = c.Next[i], c.Marks[i]
		w := s.window()
		for k := range w[:c.take[i]] {
			t.leave(i, s.abs()+int64(k), &w[k])
		}
		s.head += c.take[i]
		if n := c.part[i]; n > 0 {
			r := &s.window()[0]
			h := r.head(n)
			r.first, r.events, r.bytes = h.next, r.events-h.events, r.bytes-h.bytes
			t.pending, t.ready, t.bytes = t.pending-n, t.ready-n, t.bytes-h.bytes
			s.bytes -= h.bytes
		}
		s.compact()
	}
}

// leave accounts for a run that leaves the window.
func (t *Tracker) leave(shard int, n int64, r *run) {
	events := int64(r.events) + int64(r.rejected)
	t.pending -= events
	t.ready -= events
	t.bytes -= r.bytes
	t.shards[shard].bytes -= r.bytes
	if r.tx < 0 {
		return
	}
	x := t.txs.at(r.tx)
	i := slices.IndexFunc(x.touches, func(h touch) bool { return h.shard == int32(shard) })
	if i >= 0 && x.touches[i].last == n {
		x.left++
	}
	if x.left == len(x.touches) {
		t.closeTx(r.tx)
	}
}

// compact gives the memory of dropped runs back.
func (s *shard) compact() {
	if s.head == len(s.runs) || s.head > 1024 && s.head > len(s.runs)/2 {
		s.slide()
	}
}

// slide moves the window to the start of its memory.
func (s *shard) slide() {
	s.dropped += int64(s.head)
	s.runs, s.head = append(s.runs[:0], s.runs[s.head:]...), 0
}
