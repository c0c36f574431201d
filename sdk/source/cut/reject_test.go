package cut

import (
	"testing"
	"time"
)

// garbage is a malformed event whose transaction is unknown.
func garbage(offset int64) *Event {
	return &Event{Offset: offset, Bytes: 1, Rejected: true, Unknown: true}
}

// TestGarbageAttribution: a malformed event stands for one that a transaction
// lacks, as soon as what follows or the time shows that it can be no other's.
func TestGarbageAttribution(t *testing.T) {
	t.Parallel()
	const before, after = time.Second, 3 * time.Second // the grace of 2 s
	begin := func(o int64, tx string) *Marker { return &Marker{Offset: o, Tx: tx} }
	end := func(o int64, tx string, n int64) *Marker {
		return &Marker{Offset: o, Tx: tx, End: true, Counts: []Count{{"c", n}}}
	}
	event := func(o int64, tx string, n int64) *Event {
		return &Event{Offset: o, Bytes: 1, Tx: tx, Order: n, Key: Key{Commit: int64(tx[0]), LSN: o + 1, Order: n}}
	}
	for _, c := range []struct {
		name    string
		data    []*Event // of one shard; a second shard of the collection is empty
		markers []*Marker
		waited  time.Duration
		want    [2]int64 // cut of the data shard and of the markers
		tx      int64    // transactions in the cut
	}{
		{"between its transaction's events", []*Event{event(0, "a", 1), garbage(1), event(2, "a", 3)},
			[]*Marker{begin(0, "a"), end(1, "a", 3)}, before, [2]int64{3, 2}, 1},
		{"before its transaction's events", []*Event{garbage(0), event(1, "a", 2)},
			[]*Marker{begin(0, "a"), end(1, "a", 2)}, before, [2]int64{2, 2}, 1},
		{"last of its transaction, a later one follows", []*Event{event(0, "a", 1), garbage(1), event(2, "b", 1)},
			[]*Marker{begin(0, "a"), end(1, "a", 2), begin(2, "b"), end(3, "b", 1)}, before, [2]int64{3, 4}, 2},
		{"nothing follows yet", []*Event{event(0, "a", 1), garbage(1)},
			[]*Marker{begin(0, "a"), end(1, "a", 2)}, before, [2]int64{0, 0}, 0},
		{"nothing follows for the grace", []*Event{event(0, "a", 1), garbage(1)},
			[]*Marker{begin(0, "a"), end(1, "a", 2)}, after, [2]int64{2, 2}, 1},
		{"all of a transaction", []*Event{garbage(0)},
			[]*Marker{begin(0, "a"), end(1, "a", 1)}, after, [2]int64{1, 2}, 1},
		{"nobody lacks it, a complete one follows", []*Event{event(0, "a", 1), garbage(1), event(2, "b", 1)},
			[]*Marker{begin(0, "a"), end(1, "a", 1), begin(2, "b"), end(3, "b", 1)}, before, [2]int64{3, 4}, 2},
		{"nobody lacks it, nothing follows", []*Event{event(0, "a", 1), garbage(1)},
			[]*Marker{begin(0, "a"), end(1, "a", 1)}, before, [2]int64{1, 2}, 1},
		{"nobody lacks it, nothing follows for the grace", []*Event{event(0, "a", 1), garbage(1)},
			[]*Marker{begin(0, "a"), end(1, "a", 1)}, after, [2]int64{2, 2}, 1},
		{"two lack one each: in order", []*Event{garbage(0), event(1, "b", 1), garbage(2)},
			[]*Marker{begin(0, "a"), end(1, "a", 1), begin(2, "b"), end(3, "b", 2)}, after, [2]int64{3, 4}, 2},
		{"an event is on its way and the malformed one lies behind its place", []*Event{event(0, "b", 1), garbage(1)},
			[]*Marker{begin(0, "a"), end(1, "a", 1), begin(2, "b"), end(3, "b", 2)}, after, [2]int64{0, 0}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tr := New(Options{Markers: true})
			tr.AddShard(Shard{Name: "c/0", Collection: "c"})
			tr.AddShard(Shard{Name: "c/1", Collection: "c"})
			tr.AddShard(Shard{Name: "tx/0", Role: Markers})
			tr.Tick(time.Unix(100, 0))
			for _, e := range c.data {
				tr.Event(0, e)
			}
			for _, m := range c.markers {
				tr.Marker(2, m)
			}
			tr.Tick(time.Unix(100, 0).Add(c.waited))
			if tr.WantSample() {
				tr.Sampled([]int64{int64(len(c.data)), 0, int64(len(c.markers))})
			}
			cut := tr.Cut(Limits{})
			if got := [2]int64{cut.Next[0], cut.Next[2]}; got != c.want || cut.Totals.Transactions != c.tx {
				t.Errorf("cut at %v with %d transactions, want %v with %d", got, cut.Totals.Transactions, c.want, c.tx)
			}
		})
	}
}

// TestGarbageWaitsForTheOtherPartition: while a sampled end says that a partition of the
// collection holds more, the missing event may still come from there.
func TestGarbageWaitsForTheOtherPartition(t *testing.T) {
	t.Parallel()
	tr := New(Options{Markers: true})
	tr.AddShard(Shard{Name: "c/0", Collection: "c"})
	tr.AddShard(Shard{Name: "c/1", Collection: "c"})
	tr.AddShard(Shard{Name: "tx/0", Role: Markers})
	tr.Event(0, garbage(0))
	tr.Event(0, &Event{Offset: 1, Tx: "a", Order: 1, Key: Key{LSN: 1, Order: 1}})
	tr.Marker(2, &Marker{Offset: 0, Tx: "a"})
	tr.Marker(2, &Marker{Offset: 1, Tx: "a", End: true, Counts: []Count{{"c", 2}}})
	tr.Tick(time.Unix(1000, 0))
	tr.Sampled([]int64{2, 1, 2})
	if c := tr.Cut(Limits{}); c.Moved() && c.Totals.Transactions > 0 {
		t.Fatalf("cut %v before the other partition was read", c.Next)
	}
	tr.Event(1, &Event{Offset: 0, Tx: "a", Order: 2, Key: Key{LSN: 2, Order: 2}})
	c := tr.Cut(Limits{})
	if c.Totals.Events != 2 || c.Totals.Rejected != 1 {
		t.Fatalf("cut holds %+v, want 2 events and the malformed one on its own", c.Totals)
	}
}

// TestLost: a transaction whose events will not come is named, with what it lacks.
func TestLost(t *testing.T) {
	t.Parallel()
	tr := New(Options{Markers: true})
	tr.AddShard(Shard{Name: "c/0", Collection: "c"})
	tr.AddShard(Shard{Name: "tx/0", Role: Markers})
	tr.Tick(time.Unix(5, 0))
	tr.Event(0, &Event{Offset: 0, Tx: "a", Order: 2, Key: Key{LSN: 1, Order: 2}})
	tr.Event(0, &Event{Offset: 1, Tx: "b", Order: 1, Key: Key{LSN: 2, Order: 1}})
	for i, m := range []Marker{{Tx: "a"}, {Tx: "a", End: true, Counts: []Count{{"c", 2}}}, {Tx: "b"}, {Tx: "b", End: true, Counts: []Count{{"c", 1}}}} {
		m.Offset = int64(i)
		tr.Marker(1, &m)
	}
	if c := tr.Cut(Limits{}); c.Moved() {
		t.Errorf("cut at %v, want nothing", c.Next)
	}
	m, ok := tr.Oldest()
	if !ok || m.Tx != "a" || !m.Ended || !m.Lost || m.Events["c"] != 1 || m.Arrived != 1 || m.Shard != "c/0" || m.Since != 5_000_000 {
		t.Errorf("oldest is %+v, %v", m, ok)
	}
}
