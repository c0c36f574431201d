package cut

// Heartbeat tells of a heartbeat in shard i, sent at a time in microseconds UTC.
func (t *Tracker) Heartbeat(i int, offset, bytes, sent int64) {
	if offset < t.shards[i].next {
		return
	}
	t.Skip(i, offset, bytes, false)
	if sent > t.beats[1] {
		t.beats = [2]int64{t.beats[1], sent}
	}
}

// closeBehind notes that something later than a transaction has been seen: a
// sample of the shards' ends that is taken from now on covers all of it.
func (t *Tracker) closeBehind(id int32) {
	if x := t.txs.at(id); x.closed == 0 {
		x.closed = t.taken + 1
		t.late.add(x.key)
	}
}

// lateClosing sums up the transactions that were closed after the last sample of ends.
type lateClosing struct {
	any, unplaced bool // unplaced: one of them has no key
	high          Key  // the highest of their keys
}

func (l *lateClosing) add(k Key) {
	l.any = true
	if k.IsZero() {
		l.unplaced = true
	} else if k.Compare(l.high) > 0 {
		l.high = k
	}
}

// order closes the transactions that an event, which is no duplicate, shows to be over: the one
// before it in its shard, and the earlier one in the source's log. What has no place in the log shows nothing.
func (t *Tracker) order(s *shard, id int32, e *Event) {
	if e.Tx == "" && e.Key.IsZero() {
		return
	}
	if s.open >= 0 && s.open != id {
		t.closeBehind(s.open)
		s.open = -1
	}
	if id < 0 {
		return
	}
	s.open = id
	if e.Key.IsZero() {
		return
	}
	switch c := e.Key.Compare(t.top); {
	case c > 0:
		if t.topTx != e.Tx {
			if t.topID >= 0 {
				t.closeBehind(t.topID)
			}
			t.topTx, t.topID = e.Tx, id
		}
		t.top = e.Key
	case c < 0 && t.topTx != e.Tx:
		t.closeBehind(id)
	}
}

// WantSample reports whether end offsets should be sampled: some transaction
// can only be decided once every shard has been read up to an end taken after now.
func (t *Tracker) WantSample() bool {
	if t.wantDate() {
		return true
	}
	if t.opts.Markers {
		return len(t.holds) > 0 || t.waiting
	}
	for i := range t.shards {
		if id := t.shards[i].open; id >= 0 && t.beaten(t.txs.at(id)) {
			t.closeBehind(id)
		}
	}
	if !t.late.any {
		return false
	}
	low := t.frontiers()[0].low // what all shards are past needs no sample
	return t.late.unplaced || low.IsZero() || !low.after(t.late.high)
}

// beaten reports whether heartbeats show that a transaction is over.
func (t *Tracker) beaten(x *tx) bool {
	return t.beats[1] >= x.lastAt+t.opts.HeartbeatGap.Microseconds() || t.beats[0] >= x.lastAt && t.beats[0] > 0
}

// Sampled tells of the shards' end offsets, taken after the last call of WantSample: one for each
// shard, by number; -1 where the end is unknown, so that the shard decides nothing.
func (t *Tracker) Sampled(ends []int64) {
	t.taken++
	t.late, t.newDate = lateClosing{}, false
	for i := range t.shards {
		t.shards[i].sampled = -1
		if i < len(ends) {
			t.shards[i].sampled = ends[i]
		}
	}
}

// atEnd reports whether shard s has been read up to an end sampled late enough for x.
func (t *Tracker) atEnd(s *shard, x *tx) bool {
	return x.closed > 0 && t.taken >= x.closed && s.sampled >= 0 && s.next >= s.sampled
}

// frontier is how far the shards of a stream without markers have all been read, by key.
type frontier struct {
	low  Key  // the lowest mark of the shards that count; zero where one of them has none
	none bool // no shard counts
}

// frontiers finds how far all shards were read: all[0] of every shard, all[1] of
// those that were not read to the end sampled last.
func (t *Tracker) frontiers() (all [2]frontier) {
	all = [2]frontier{{none: true}, {none: true}}
	for i := range t.shards {
		s := &t.shards[i]
		if s.Role != Data {
			continue
		}
		all[0].add(s.mark.Key)
		if s.sampled < 0 || s.next < s.sampled {
			all[1].add(s.mark.Key)
		}
	}
	return all
}

func (f *frontier) add(k Key) {
	if f.none || k.Compare(f.low) < 0 {
		f.low = k
	}
	f.none = false
}

// passed reports whether each shard that counts holds something of a later transaction than x.
func (f *frontier) passed(x *tx) bool {
	return f.none || !x.key.IsZero() && !f.low.IsZero() && f.low.after(x.key)
}

// settled decides a transaction of a stream without markers: something later
// has been seen, and each shard has gone past it or was read to its end since.
func (t *Tracker) settled(x *tx) bool {
	if x.closed == 0 {
		return false
	}
	if t.taken >= x.closed && t.front[1].passed(x) {
		return true
	}
	return t.front[0].passed(x)
}

// after reports whether k belongs to a later transaction than l, going by the log alone.
func (k Key) after(l Key) bool {
	if k.Commit != l.Commit {
		return k.Commit > l.Commit
	}
	return k.Commit == 0 && k.LSN > l.LSN
}

// complete reports whether a transaction may be cut behind.
func (t *Tracker) complete(id int32) bool {
	x := t.txs.at(id)
	if !x.whole && !t.opts.Markers && t.settled(x) {
		t.setWhole(id)
	}
	return x.whole
}
