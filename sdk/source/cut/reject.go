package cut

import "slices"

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
	for i := range t.shards {
		if t.shards[i].Role != Markers {
			continue
		}
		for _, r := range t.shards[i].window() {
			if r.tx < 0 {
				continue
			}
			if x := &t.txs[r.tx]; x.end && !x.whole {
				t.explain(r.tx)
			}
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
	x := &t.txs[id]
	if len(t.holds) > 0 && t.takeHolds(id) {
		return
	}
	// A redelivery whose (duplicate) events have left the window: it was complete before the window's start.
	if x.fresh == 0 && t.now-x.since >= t.opts.Grace.Microseconds() && x.at <= t.shards[x.marker].Mark.At && t.lost(x) {
		t.setWhole(id)
	}
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
func (t *Tracker) takeHolds(id int32) bool {
	x := &t.txs[id]
	var take []hold
	for _, w := range x.want {
		n := t.lacks(x, w)
		if n <= 0 {
			continue
		}
		certain := t.passedBy(x, w.collection)
		for _, h := range t.holds {
			if n > 0 && t.shards[h.shard].collection == w.collection && t.owns(x, h, certain) && !slices.Contains(take, h) {
				take = append(take, h)
				n--
			}
		}
		if n > 0 || !certain && !t.collectionAtEnd(x, w.collection) {
			return false
		}
	}
	for _, h := range take {
		t.bind(id, h)
	}
	t.checkWhole(id)
	return x.whole
}

// owns reports whether a held event may be x's: it lies behind no later
// transaction and before no earlier one, and unless that x's other events will not
// come is certain, a complete later one follows it, or nothing did for a while.
func (t *Tracker) owns(x *tx, h hold, certain bool) bool {
	r := t.run(h.shard, h.run)
	if r == nil || r.tx != held {
		return false
	}
	before, behind := t.neighbours(h)
	if before != nil && before.marker == x.marker && before.seq > x.seq || behind != nil && behind.marker == x.marker && behind.seq < x.seq {
		return false
	}
	if certain || behind != nil && behind.whole && behind.seq > x.seq {
		return true
	}
	return t.now-h.since >= t.opts.Grace.Microseconds()
}

// neighbours are the nearest transactions around a held event in its shard whose markers have been seen.
func (t *Tracker) neighbours(h hold) (before, behind *tx) {
	s := &t.shards[h.shard]
	w := s.window()
	k := int(h.run - s.abs())
	for i := k - 1; i >= 0 && before == nil; i-- {
		before = t.marked(w[i].tx)
	}
	for i := k + 1; i < len(w) && behind == nil; i++ {
		behind = t.marked(w[i].tx)
	}
	return before, behind
}

func (t *Tracker) marked(id int32) *tx {
	if id >= 0 && t.txs[id].marker >= 0 {
		return &t.txs[id]
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
			if y := t.marked(w[k].tx); y != nil {
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
	x := &t.txs[id]
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
			if r.tx < 0 || t.txs[r.tx].whole || until < 0 && t.txs[r.tx].since > h.since+t.opts.Grace.Microseconds() {
				continue
			}
			if x := &t.txs[r.tx]; !x.end || t.lacksAny(x, t.shards[h.shard].collection) {
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
