package cut

import (
	"cmp"
	"math"
	"slices"
)

// hold is a malformed event whose transaction is unknown.
type hold struct {
	shard int
	run   int64 // absolute number
	since int64
}

// resolve decides what is known about malformed events of unknown transaction,
// and about transactions that lack events which will not come.
func (t *Tracker) resolve() {
	if !t.opts.Markers {
		return
	}
	t.waiting = false
	t.contests = append(t.contests[:0], make([]bool, len(t.names))...)
	for i := range t.shards {
		if t.shards[i].Role != Markers {
			continue
		}
		for _, r := range t.shards[i].window() {
			if r.tx < 0 {
				continue
			}
			x := t.txs.at(r.tx)
			if !x.end || x.whole {
				continue
			}
			if !slices.ContainsFunc(x.want, t.contested) {
				t.explain(r.tx)
			}
			t.contest(x)
		}
	}
	t.holds = slices.DeleteFunc(t.holds, func(h hold) bool {
		r := t.run(h.shard, h.run)
		if r == nil || r.tx != held {
			return true
		}
		if !t.ownerless(h) {
			return false
		}
		r.tx = single
		t.ready += int64(r.rejected)
		return true
	})
}

// contest notes the collections in which a transaction lacks events: malformed
// events there are not given to later transactions before it has been decided.
func (t *Tracker) contest(x *tx) {
	for _, w := range x.want {
		if !x.whole && t.lacks(x, w) > 0 {
			t.contests[w.collection] = true
		}
	}
}

func (t *Tracker) contested(w want) bool { return t.contests[w.collection] }

// run is the run of an absolute number, nil if it has left the window.
func (t *Tracker) run(shard int, n int64) *run {
	s := &t.shards[shard]
	if k := n - s.abs(); k >= 0 && k < int64(len(s.window())) {
		return &s.window()[k]
	}
	return nil
}

// explain completes a transaction that has ended by what is known besides its events.
func (t *Tracker) explain(id int32) {
	x := t.txs.at(id)
	start := t.shards[x.marker].Mark.At
	suspect := x.fresh == 0 && x.at <= start
	if len(t.holds) > 0 && (!suspect || start == 0) {
		t.takeHolds(id)
	}
	if x.whole || !suspect {
		return
	}
	// It looks like a redelivery whose (duplicate) events have left the window: then it was complete before the window's start.
	grace := t.opts.Grace.Microseconds()
	t.waiting = true
	if waited := t.now - x.since; waited >= grace && t.lost(x) || waited >= 30*grace && t.allAtEnd(x) {
		t.setWhole(id)
	}
}

// allAtEnd reports whether the shards of all collections in which x lacks events have been read to their ends.
func (t *Tracker) allAtEnd(x *tx) bool {
	for _, w := range x.want {
		if t.lacks(x, w) > 0 && !t.collectionAtEnd(x, w.collection) {
			return false
		}
	}
	return true
}

// lost reports whether later transactions have gone past in every shard where x lacks events.
func (t *Tracker) lost(x *tx) bool {
	for _, w := range x.want {
		if t.lacks(x, w) > 0 && !t.passedBy(x, w.collection) {
			return false
		}
	}
	return true
}

// takeHolds gives a transaction the malformed events that must be its own.
func (t *Tracker) takeHolds(id int32) {
	x := t.txs.at(id)
	var take []hold
	for _, w := range x.want {
		n := t.lacks(x, w)
		if n <= 0 {
			continue
		}
		certain := t.passedBy(x, w.collection)
		if !certain && !t.collectionAtEnd(x, w.collection) {
			return
		}
		own := t.candidates(x, w.collection, certain)
		if int64(len(own)) < n {
			return
		}
		take = append(take, own[:n]...)
	}
	for _, h := range take {
		t.bind(id, h)
	}
	t.checkWhole(id)
}

// candidates are the held events of a collection that may be x's, those first
// that fewest later transactions could own instead.
func (t *Tracker) candidates(x *tx, collection int32, certain bool) []hold {
	type candidate struct {
		hold
		deadline int64 // the last transaction that could own it
	}
	var found []candidate
	for _, h := range t.holds {
		if t.shards[h.shard].collection != collection {
			continue
		}
		if r := t.run(h.shard, h.run); r == nil || r.tx != held {
			continue
		}
		if deadline, ok := t.owns(x, h, certain); ok {
			found = append(found, candidate{h, deadline})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(a.deadline, b.deadline) })
	out := make([]hold, len(found))
	for i, c := range found {
		out[i] = c.hold
	}
	return out
}

// owns reports whether a held event may be x's: it lies behind no later
// transaction and before no earlier one, and either it is certain that x's other events will not come, or
// what follows it is x or complete, or nothing has followed it for a while.
func (t *Tracker) owns(x *tx, h hold, certain bool) (deadline int64, ok bool) {
	before, behind := t.neighbours(h)
	if before != nil && before.marker == x.marker && before.seq > x.seq {
		return 0, false
	}
	deadline = math.MaxInt64
	if behind != nil && behind.marker == x.marker {
		if deadline = behind.seq; deadline < x.seq {
			return 0, false
		}
	}
	return deadline, certain || behind != nil && (behind == x || behind.whole) || t.now-h.since >= t.opts.Grace.Microseconds()
}

// neighbours are the nearest transactions around a held event in its shard whose markers have been seen.
func (t *Tracker) neighbours(h hold) (before, behind *tx) {
	s := &t.shards[h.shard]
	w := s.window()
	k := int(h.run - s.abs())
	for i := k - 1; i >= 0 && before == nil; i-- {
		before = t.marked(&w[i])
	}
	for i := k + 1; i < len(w) && behind == nil; i++ {
		behind = t.marked(&w[i])
	}
	return before, behind
}

// marked is the transaction of a run if its markers have been seen and the
// run was not delivered before: only such runs tell the order of transactions.
func (t *Tracker) marked(r *run) *tx {
	if r.tx >= 0 && r.yields() && t.txs.at(r.tx).marker >= 0 {
		return t.txs.at(r.tx)
	}
	return nil
}

// passedBy reports whether events of later transactions follow in every shard
// of a collection, so that no more events of x can come there.
func (t *Tracker) passedBy(x *tx, collection int32) bool {
	any := false
	for i := range t.shards {
		s := &t.shards[i]
		if s.Role != Data || s.collection != collection {
			continue
		}
		any = true
		w := s.window()
		passed := false
		for k := len(w) - 1; k >= 0; k-- {
			if y := t.marked(&w[k]); y != nil {
				passed = y.marker == x.marker && y.seq > x.seq
				break
			}
		}
		if !passed {
			return false
		}
	}
	return any
}

func (t *Tracker) collectionAtEnd(x *tx, collection int32) bool {
	for i := range t.shards {
		if s := &t.shards[i]; s.Role == Data && s.collection == collection && !t.atEnd(s, x) {
			return false
		}
	}
	return true
}

// bind makes a held event one of the transaction's.
func (t *Tracker) bind(id int32, h hold) {
	r := t.run(h.shard, h.run)
	r.tx = id
	x := t.txs.at(id)
	i := slices.IndexFunc(x.touches, func(c touch) bool { return c.shard == int32(h.shard) })
	if i < 0 {
		i = x.touchRun(int32(h.shard), h.run)
	}
	c := &x.touches[i]
	c.first, c.last = min(c.first, h.run), max(c.last, h.run)
	c.n++
	x.got++
	x.fresh += int64(r.rejected)
	if s := &t.shards[h.shard]; r == s.last() {
		s.touch = i
	}
}

// ownerless reports whether no transaction can lack the held event.
func (t *Tracker) ownerless(h hold) bool {
	_, behind := t.neighbours(h)
	until := int64(-1)
	switch {
	case behind != nil && behind.end && t.markerShards() == 1:
		until = behind.seq
	case t.now-h.since < t.opts.Grace.Microseconds():
		return false
	}
	for i := range t.shards {
		s := &t.shards[i]
		if s.Role != Markers {
			continue
		}
		for k, r := range s.window() {
			if until >= 0 && s.abs()+int64(k) > until {
				break
			}
			if r.tx < 0 || t.txs.at(r.tx).whole || until < 0 && t.txs.at(r.tx).since > h.since+t.opts.Grace.Microseconds() {
				continue
			}
			if x := t.txs.at(r.tx); !x.end || t.lacksAny(x, t.shards[h.shard].collection) {
				return false
			}
		}
	}
	return true
}

func (t *Tracker) lacksAny(x *tx, collection int32) bool {
	for _, w := range x.want {
		if w.collection == collection && t.lacks(x, w) > 0 {
			return true
		}
	}
	return false
}

func (t *Tracker) markerShards() int {
	n := 0
	for i := range t.shards {
		if t.shards[i].Role == Markers {
			n++
		}
	}
	return n
}
