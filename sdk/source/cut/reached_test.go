package cut

import (
	"math"
	"testing"
)

// TestReached lets data run ahead of its markers and be overtaken by them.
func TestReached(t *testing.T) {
	t.Parallel()
	tr := New(Options{Markers: true})
	data := tr.AddShard(Shard{Name: "entries", Collection: "entries"})
	marks := tr.AddShard(Shard{Name: "tx", Role: Markers})
	want := func(shard int, reached int64) {
		t.Helper()
		if got := tr.Reached(shard); got != reached {
			t.Errorf("shard %d reached %d, want %d", shard, got, reached)
		}
	}
	want(data, 0)
	tr.Event(data, &Event{Offset: 0, Tx: "1", Order: 1})
	tr.Event(data, &Event{Offset: 1, Tx: "2", Order: 1})
	want(data, math.MaxInt64)
	end := []Count{{"entries", 1}}
	for i, m := range []Marker{{Tx: "1"}, {Tx: "1", End: true, Counts: end}, {Tx: "2"}} {
		m.Offset = int64(i)
		tr.Marker(marks, &m)
	}
	want(data, 2)
	want(marks, 2)
	tr.Advance(tr.Cut(Limits{}))
	want(data, 2)
	tr.Marker(marks, &Marker{Offset: 3, Tx: "2", End: true, Counts: end})
	tr.Advance(tr.Cut(Limits{}))
	want(data, 0)
}
