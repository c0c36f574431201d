package cut

// tx is a transaction with records in the window.
type tx struct {
	id        string
	touches   []touch
	want      []want // by followed collection, once END was seen
	seen      bitset // numbers of the events that arrived
	need      int64  // sum of want
	got       int64  // distinct events that arrived, duplicates included
	fresh     int64  // events and rejects that are no duplicates
	lastAt    int64  // latest time stamp of its events in the stream; -1 until there is one
	at        int64  // the markers' time
	committed int64  // the latest commit time of its events that are no duplicates; 0 where unknown
	since     int64  // when its first record arrived, by Tick
	marker    int32  // shard of its markers; -1: none seen
	begin     bool
	end       bool
	whole     bool  // known to be complete
	headless  bool  // the stream begins in its middle
	again     bool  // some of its records were delivered before
	delivered bool  // one of its events was, before the window
	closed    int64 // number of the sample of ends that is late enough to decide; 0: nothing later has been seen
	key       Key   // the highest
	seq       int64 // absolute number of its first run in the marker shard
	visit     uint32
	left      int // touches whose last run has left the window
}

// txList holds transactions in pages, so that they stay where they are while it grows.
type txList struct {
	pages []*[txPage]tx
	n     int32
}

const txPage = 256

func (l *txList) at(i int32) *tx { return &l.pages[i/txPage][i%txPage] }

func (l *txList) add() int32 {
	if l.n%txPage == 0 {
		l.pages = append(l.pages, new([txPage]tx))
	}
	l.n++
	return l.n - 1
}

// touch says where a transaction's runs lie in one shard.
type touch struct {
	shard       int32
	n           int32 // distinct events that arrived
	first, last int64 // absolute numbers of runs
}

type want struct {
	collection int32
	events     int64
}

// bitset is a set of small integers.
type bitset struct {
	low  uint64
	high []uint64
}

// add reports whether i was absent.
func (b *bitset) add(i int64) bool {
	w := &b.low
	if i >= 64 {
		n := int(i/64) - 1
		if n >= len(b.high) {
			b.high = append(b.high, make([]uint64, n+1-len(b.high))...)
		}
		w = &b.high[n]
	}
	bit := uint64(1) << (uint(i) % 64)
	absent := *w&bit == 0
	*w |= bit
	return absent
}

func (b *bitset) has(i int64) bool {
	if i < 64 {
		return b.low>>uint(i)&1 == 1
	}
	n := int(i/64) - 1
	return n < len(b.high) && b.high[n]>>(uint(i)%64)&1 == 1
}

// maxOrder bounds an event's number in its transaction, so that a bad message cannot ask for much memory.
const maxOrder = 1 << 32

// touchRun notes a run of the transaction and returns the index of its shard's touch.
func (x *tx) touchRun(shard int32, run int64) int {
	for i := range x.touches {
		if x.touches[i].shard == shard {
			x.touches[i].last = run
			return i
		}
	}
	x.touches = append(x.touches, touch{shard: shard, first: run, last: run})
	return len(x.touches) - 1
}

// open makes the record of a transaction.
func (t *Tracker) open(id string) int32 {
	var i int32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		i = t.txs.add()
	}
	x := t.txs.at(i)
	*x = tx{id: id, touches: x.touches[:0], want: x.want[:0], seen: bitset{high: x.seen.high[:0]}, lastAt: -1, since: t.now, marker: -1}
	t.ids.put(id, i)
	if id == t.topTx {
		t.topID = i
	}
	return i
}

// closeTx forgets a transaction whose runs have all left the window.
func (t *Tracker) closeTx(i int32) {
	x := t.txs.at(i)
	t.ids.drop(x.id, &t.txs)
	if x.again && t.opts.Markers {
		t.remember(x.id)
	}
	for _, h := range x.touches {
		if s := &t.shards[h.shard]; s.open == i {
			s.open = -1
		}
	}
	if t.topID == i {
		t.topID = -1
	}
	x.id = ""
	t.free = append(t.free, i)
}

// maxStragglers bounds how many transactions are remembered whose redelivery may not have arrived as a whole.
const maxStragglers = 1 << 16

// remember notes a complete transaction that has left the window with a part of
// its redelivery, so that the rest of the redelivery waits for nothing.
func (t *Tracker) remember(id string) {
	if len(t.stragglers) >= maxStragglers {
		clear(t.stragglers)
	}
	t.stragglers[id] = struct{}{}
}

// joinTx finds the transaction that takes event e; single for the rest of a
// redelivery. again says that the event is known to have arrived before. e repeats the shard's mark, and is a duplicate by its key.
func (t *Tracker) joinTx(s *shard, e *Event, repeats, duplicate bool) (id int32, again bool) {
	if r := s.last(); r != nil && r.tx >= 0 && t.txs.at(r.tx).id == e.Tx {
		id = r.tx
	} else if known, ok := t.ids.find(e.Tx, &t.txs); ok {
		id = known
	} else {
		if _, ok := t.stragglers[e.Tx]; ok && duplicate {
			return single, true
		}
		id = t.open(e.Tx)
	}
	x := t.txs.at(id)
	again = e.numbered() && x.seen.has(e.Order)
	if repeats && again && t.opts.Markers {
		x.again = true
		return single, true // it is not waited for, so what lies between the deliveries need not be cut with it
	}
	x.again = x.again || again || duplicate
	x.delivered = x.delivered || duplicate
	return id, again
}

// number counts e in its transaction.
func (t *Tracker) number(s *shard, id int32, e *Event, duplicate bool) {
	x := t.txs.at(id)
	if !duplicate {
		if !e.Rejected {
			x.committed = max(x.committed, e.At)
		}
		x.fresh++
		if x.whole {
			t.ready++
		}
	}
	if e.Key.Compare(x.key) > 0 {
		x.key = e.Key
		if x.closed > t.taken {
			t.late.add(x.key)
		}
	}
	if !e.numbered() || x.seen.add(e.Order) {
		x.got++
		x.touches[s.touch].n++
	}
	x.lastAt = max(x.lastAt, e.Sent)
	t.checkWhole(id)
}

// checkWhole notes that a transaction has all that its END counts, or all that there is of it: where the stream begins in its middle, and
// where it was delivered before and is sent again in part.
func (t *Tracker) checkWhole(id int32) {
	x := t.txs.at(id)
	if t.opts.Markers && !x.whole && x.end && (x.got >= x.need || x.headless || x.delivered && !x.begin) {
		t.setWhole(id)
	}
}

func (t *Tracker) setWhole(id int32) {
	x := t.txs.at(id)
	if !x.whole {
		x.whole = true
		t.ready += x.fresh
	}
}

// Marker tells of the next record of marker shard i.
func (t *Tracker) Marker(i int, m *Marker) {
	s := &t.shards[i]
	if m.Offset < s.next {
		return
	}
	id := t.joinMarker(s, m.Tx)
	if id == single {
		t.Skip(i, m.Offset, m.Bytes, false)
		return
	}
	r := s.last()
	if r == nil || r.tx != id {
		r = t.push(i, s, id, m.Offset)
	}
	r.next, s.next = m.Offset+1, m.Offset+1
	r.bytes += m.Bytes
	s.bytes += m.Bytes
	t.bytes += m.Bytes
	s.mark.At = max(s.mark.At, m.At)
	r.mark = s.mark
	x := t.txs.at(id)
	if x.marker < 0 {
		x.marker, x.seq = int32(i), s.dropped+int64(len(s.runs)-1)
	}
	x.at = m.At
	begun := s.begun
	s.begun = true
	if !m.End {
		x.again = x.again || x.begin
		x.begin = true
		return
	}
	x.headless = x.headless || !x.begin && !begun
	if x.again = x.again || x.end || !x.begin; x.end {
		return
	}
	x.end, x.closed = true, t.taken+1
	for _, c := range m.Counts {
		x.want = append(x.want, want{t.collection(c.Collection), c.Events})
		x.need += c.Events
	}
	t.checkWhole(id)
}

// joinMarker finds the transaction of a marker: mostly that of the marker before.
// It is single for the rest of a redelivery.
func (t *Tracker) joinMarker(s *shard, tx string) int32 {
	if r := s.last(); r != nil && r.tx >= 0 && t.txs.at(r.tx).id == tx {
		return r.tx
	}
	if id, ok := t.ids.find(tx, &t.txs); ok {
		if x := t.txs.at(id); x.end {
			x.again = true
			return single
		}
		return id
	}
	if _, straggles := t.stragglers[tx]; straggles {
		return single
	}
	return t.open(tx)
}

// Missing describes a transaction that holds the stream up.
type Missing struct {
	Tx      string
	Ended   bool             // its END has arrived
	Since   int64            // when its first record arrived, microseconds by Tick
	Events  map[string]int64 // by collection: events that END counts and that have not arrived
	Lost    bool             // they will not arrive: later transactions' events follow in every shard of the collection
	Shard   string           // a shard that it holds up
	Offset  int64            // there
	Arrived int64            // events that did arrive
}

// Oldest is the transaction that has been incomplete for longest among those
// at which a shard is cut, and whether there is one.
func (t *Tracker) Oldest() (Missing, bool) {
	best := int32(-1)
	t.front = t.frontiers()
	for i := range t.shards {
		for _, r := range t.shards[i].window() {
			if r.tx < 0 || t.complete(r.tx) {
				continue
			}
			if best < 0 || t.txs.at(r.tx).since < t.txs.at(best).since {
				best = r.tx
			}
			break
		}
	}
	if best < 0 {
		return Missing{}, false
	}
	return t.missing(best), true
}

func (t *Tracker) missing(id int32) Missing {
	x := t.txs.at(id)
	m := Missing{Tx: x.id, Ended: x.end, Since: x.since, Events: map[string]int64{}, Arrived: x.got}
	for _, w := range x.want {
		if n := t.lacks(x, w); n > 0 {
			m.Events[t.names[w.collection]] = n
		}
	}
	m.Lost = x.end && len(m.Events) > 0 && t.lost(x)
	for _, h := range x.touches {
		s := &t.shards[h.shard]
		if k := h.first - s.abs(); k >= 0 && k < int64(len(s.window())) && (m.Shard == "" || s.Role == Data) {
			m.Shard, m.Offset = s.Name, s.window()[k].first
		}
	}
	return m
}

// lacks is how many events of a collection have not arrived.
func (t *Tracker) lacks(x *tx, w want) int64 {
	n := w.events
	for _, h := range x.touches {
		if t.shards[h.shard].collection == w.collection {
			n -= int64(h.n)
		}
	}
	return n
}
