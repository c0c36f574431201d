package cut

import (
	"math"
	"slices"
	"time"
)

// Role is what a shard holds.
type Role uint8

// The roles of shards.
const (
	Data Role = iota
	Markers
	Heartbeats
)

// Shard describes an ordered log.
type Shard struct {
	Name string
	Role Role
	// Collection is the name under which markers count the shard's events; several shards may share one. Only for Data.
	Collection string
	// Next is the offset from which the shard is read.
	Next int64
	// Mark is what lies before Next.
	Mark Mark
}

// Options alter a tracker. The zero value is a stream without markers.
type Options struct {
	// Markers says that the stream has shards of markers. Every transaction then waits for its END.
	Markers bool
	// Grace is how long a malformed event of unknown transaction, or a duplicate whose
	// markers are not in sight, waits where nothing follows it. 0: 2 s.
	Grace time.Duration
	// HeartbeatGap: a heartbeat closes the transactions before it if it is younger than
	// their last event by at least this much, because connectors also send heartbeats
	// in the middle of a transaction. A second heartbeat closes them in any case. 0: 100 ms.
	HeartbeatGap time.Duration
}

// Event is one record of a data shard.
type Event struct {
	Offset int64
	Bytes  int64
	Tx     string // the transaction's id; "" if it is in none
	Order  int64  // number within the transaction, from 1; 0 where unknown
	Key    Key
	At     int64 // the source's commit time, microseconds UTC; 0 where unknown
	Sent   int64 // the stream's time stamp, microseconds UTC; compared with heartbeats' only
	// Rejected says that it could not be decoded; Unknown that not even its transaction could be read.
	Rejected, Unknown bool
}

// numbered reports whether the event's number tells it from the others of its transaction.
func (e *Event) numbered() bool { return e.Order > 0 && e.Order < maxOrder }

// Marker is one record of a marker shard.
type Marker struct {
	Offset int64
	Bytes  int64
	Tx     string
	End    bool    // END; else BEGIN
	Counts []Count // of END: only of collections that are followed
	At     int64   // microseconds UTC; 0 where unknown
}

// Count is how many events a transaction has in a collection.
type Count struct {
	Collection string
	Events     int64
}

// special values of run.tx
const (
	single  int32 = -1 - iota // in no transaction: complete at once
	held                      // malformed, transaction unknown
	barrier                   // must not be passed
)

// run is a piece of a shard whose events share their fate.
type run struct {
	first, next int64 // offsets; next is behind trailing bookkeeping
	bytes       int64
	minAt       int64 // of events; 0 where unknown
	maxAt       int64 // of events; 0 where unknown
	mark        Mark  // behind the run
	tx          int32
	events      uint32 // decoded, no duplicates
	rejected    uint32
	dups        uint32
	tombs       uint32
	keyed       bool // an event has a key
}

// plain reports whether the run is nothing but decoded events without keys at
// consecutive offsets, so that it can be cut anywhere.
func (r *run) plain() bool {
	return r.tx == single && !r.keyed && r.events > 0 && r.rejected == 0 && r.dups == 0 && int64(r.events) == r.next-r.first
}

func (r *run) yields() bool { return r.events+r.rejected > 0 }

type shard struct {
	Shard
	collection int32 // -1: none
	runs       []run // the window, from head
	head       int
	dropped    int64 // runs dropped: absolute number of runs[0]
	next       int64 // behind everything that was told
	mark       Mark  // behind everything that was told
	bytes      int64 // of the window
	touch      int   // index of the last run's touch in its transaction
	open       int32 // without markers: the transaction of the last event that was no duplicate, -1: none
	sampled    int64 // the end offset that Sampled gave last; -1: none
	begun      bool  // of markers: the stream does not begin in the middle of a transaction, or not here, so that each END has its BEGIN
}

func (s *shard) window() []run { return s.runs[s.head:] }

// abs is the absolute number of the first run of the window.
func (s *shard) abs() int64 { return s.dropped + int64(s.head) }

func (s *shard) last() *run {
	if s.head == len(s.runs) {
		return nil
	}
	return &s.runs[len(s.runs)-1]
}

// Tracker is told of records and finds cuts.
type Tracker struct {
	opts        Options
	shards      []shard
	byName      map[string]int
	txs         txList
	free        []int32
	ids         idTable
	stragglers  map[string]struct{}
	collections map[string]int32
	holds       []hold
	now         int64    // microseconds, by Tick
	ready       int64    // events and rejects of transactions known complete, and singles, in the window
	pending     int64    // all events and rejects in the window
	bytes       int64    // in the window
	names       []string // of collections
	contests    []bool   // scratch of resolve, by collection
	taken       int64    // samples of ends taken
	waiting     bool     // a redelivered transaction waits for events: an end may decide it
	beats       [2]int64 // time stamps of the last two heartbeats
	top         Key      // the highest key seen, of transaction topTx
	topTx       string
	topID       int32       // its record; -1: it has none
	late        lateClosing // transactions that wait for the next sample of ends
	front       [2]frontier // refreshed by Cut and Oldest
	zone        *time.Location
	today       bounds  // of the event told of last
	dates       []dated // seen, each later than the one before
	newDate     bool    // since the last sample of ends
	visit       uint32
}

// New makes an empty tracker.
func New(o Options) *Tracker {
	if o.Grace == 0 {
		o.Grace = 2 * time.Second
	}
	if o.HeartbeatGap == 0 {
		o.HeartbeatGap = 100 * time.Millisecond
	}
	return &Tracker{opts: o, byName: map[string]int{}, ids: newIDTable(), stragglers: map[string]struct{}{}, collections: map[string]int32{}, topID: -1}
}

// AddShard makes a shard known and returns its number, which counts from 0. A
// shard that is known already keeps its state.
func (t *Tracker) AddShard(s Shard) int {
	if i, ok := t.byName[s.Name]; ok {
		return i
	}
	i := len(t.shards)
	t.byName[s.Name] = i
	c := int32(-1)
	if s.Role == Data {
		c = t.collection(s.Collection)
	}
	t.shards = append(t.shards, shard{Shard: s, collection: c, next: s.Next, mark: s.Mark, sampled: -1, open: -1, begun: !s.Mark.IsZero() || s.Next == 0})
	return i
}

// Shard returns what is known of shard i: Next and Mark are the window's start.
func (t *Tracker) Shard(i int) Shard { return t.shards[i].Shard }

// Shards is the number of shards.
func (t *Tracker) Shards() int { return len(t.shards) }

// Read is the offset behind the last record of shard i that the tracker was told of.
func (t *Tracker) Read(i int) int64 { return t.shards[i].next }

// Ready is about how many events a cut would hold now, without looking for one.
func (t *Tracker) Ready() int64 { return t.ready }

// Pending is how many events and rejects the window holds, Bytes their size.
func (t *Tracker) Pending() int64 { return t.pending }

// Bytes is the size of all records in the window.
func (t *Tracker) Bytes() int64 { return t.bytes }

// ShardBytes is the size of all records of shard i in the window.
func (t *Tracker) ShardBytes(i int) int64 { return t.shards[i].bytes }

// Reached is how far shard i has been read, as the number of a transaction in the order of their markers: that of its last
// record in the window. It is 0 where the window has none of the shard, or a stream no markers, and the highest number for
// a shard that is ahead of the markers.
func (t *Tracker) Reached(i int) int64 {
	r := t.shards[i].last()
	if r == nil || r.tx < 0 || !t.opts.Markers {
		return 0
	}
	if x := t.txs.at(r.tx); x.marker >= 0 {
		return x.seq + 1
	}
	return math.MaxInt64
}

// Tick tells the time. Grace counts by it.
func (t *Tracker) Tick(now time.Time) { t.now = now.UnixMicro() }

func (t *Tracker) collection(name string) int32 {
	c, ok := t.collections[name]
	if !ok {
		c = int32(len(t.collections))
		t.collections[name] = c
		t.names = append(t.names, name)
	}
	return c
}

// Event tells of the next record of data shard i and reports whether it is a
// duplicate: then the cut's ranges leave it out. Offsets below what was told already are ignored, as duplicates.
func (t *Tracker) Event(i int, e *Event) (duplicate bool) {
	s := &t.shards[i]
	if e.Offset < s.next {
		return true
	}
	repeats := s.mark.repeats(e.Key, e.At) && !e.Unknown && (!e.Rejected || e.Tx != "")
	// In the window a number that its transaction has not had yet is new, even behind higher ones: a producer wrote out of order.
	late := repeats && t.opts.Markers && e.Tx != "" && e.numbered() && !s.Mark.repeats(e.Key, e.At)
	duplicate = repeats && !late
	id, inTx := single, e.Tx != ""
	switch {
	case e.Unknown && t.opts.Markers:
		id = held
	case inTx && (t.opts.Markers || !duplicate):
		var again bool
		id, again = t.joinTx(s, e, repeats, duplicate)
		duplicate = duplicate || again
	}
	date := int64(0)
	if !duplicate && !e.Rejected {
		date = t.date(e.At)
	}
	r := t.extend(i, s, id, e, duplicate, date)
	r.bytes += e.Bytes
	s.bytes += e.Bytes
	t.bytes += e.Bytes
	r.next, s.next = e.Offset+1, e.Offset+1
	if id >= 0 {
		t.number(s, id, e, duplicate)
	}
	if duplicate {
		r.dups++
		return true
	}
	if !t.opts.Markers {
		t.order(s, id, e)
	}
	if e.Rejected {
		r.rejected++
	} else {
		r.events++
	}
	if !e.Rejected || inTx { // what else a malformed event says is not to be trusted
		s.mark = s.mark.past(e.Key, e.At)
		r.keyed = r.keyed || !e.Key.IsZero()
	}
	r.mark = s.mark
	if e.At != 0 && !e.Rejected {
		if r.minAt == 0 || e.At < r.minAt {
			r.minAt = e.At
		}
		r.maxAt = max(r.maxAt, e.At)
	}
	t.pending++
	if id == single {
		t.ready++
	}
	return false
}

// extend returns the run that takes e: the last one, or a new one. Events of two dates share a run only within a transaction.
func (t *Tracker) extend(i int, s *shard, id int32, e *Event, dup bool, date int64) *run {
	if r := s.last(); r != nil && r.tx == id && (r.dups > 0) == dup && r.events+r.rejected+r.dups > 0 {
		switch {
		case id >= 0 || dup:
			return r
		case id == single && e.Key.IsZero() && !e.Rejected && r.next == e.Offset && r.plain() && (date == 0 || r.minAt >= date && r.maxAt < t.today.to):
			return r
		}
	}
	return t.push(i, s, id, e.Offset)
}

// push starts a run.
func (t *Tracker) push(i int, s *shard, id int32, offset int64) *run {
	if n := len(s.runs); n == cap(s.runs) {
		if s.head > n/4 {
			s.slide()
		} else {
			s.runs = slices.Grow(s.runs, max(64, n))
		}
	}
	s.runs = append(s.runs, run{first: offset, next: offset, tx: id, mark: s.mark})
	n := s.dropped + int64(len(s.runs)-1)
	switch {
	case id >= 0:
		s.touch = t.txs.at(id).touchRun(int32(i), n)
	case id == held:
		t.holds = append(t.holds, hold{shard: i, run: n, since: t.now})
	}
	return &s.runs[len(s.runs)-1]
}

// Skip tells of a record of shard i that carries no event: a tombstone, a
// control record, a heartbeat that is not one.
func (t *Tracker) Skip(i int, offset, bytes int64, tombstone bool) {
	s := &t.shards[i]
	if offset < s.next {
		return
	}
	r := s.last()
	if r == nil || r.tx == barrier || r.plain() && r.events > 1 {
		r = t.push(i, s, single, offset)
	}
	r.next, s.next = offset+1, offset+1
	r.bytes += bytes
	s.bytes += bytes
	t.bytes += bytes
	if tombstone {
		r.tombs++
	}
}

// Barrier says that nothing from offset on in shard i may be in a cut, because the
// reader cannot go on there.
func (t *Tracker) Barrier(i int, offset int64) {
	s := &t.shards[i]
	if offset < s.next {
		return
	}
	t.push(i, s, barrier, offset).next = offset + 1
	s.next = offset + 1
}
