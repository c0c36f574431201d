package cut

import (
	"testing"
	"time"
)

// TestRedeliveryOfYesterday sends a transaction of yesterday again behind one of today: yesterday's cut holds it all the same.
func TestRedeliveryOfYesterday(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	tr := New(Options{Markers: true})
	tr.Zone(time.UTC)
	data := tr.AddShard(Shard{Name: "entries", Collection: "entries"})
	marks := tr.AddShard(Shard{Name: "tx", Role: Markers})
	offset := [2]int64{}
	event := func(id string, commit int64, at time.Time) bool {
		e := Event{Offset: offset[data], Tx: id, Order: 1, Key: Key{Commit: commit, LSN: commit, Order: 1}, At: at.UnixMicro()}
		offset[data]++
		return tr.Event(data, &e)
	}
	markers := func(id string, at time.Time) {
		for _, end := range []bool{false, true} {
			m := Marker{Offset: offset[marks], Tx: id, End: end, At: at.UnixMicro()}
			if end {
				m.Counts = []Count{{"entries", 1}}
			}
			offset[marks]++
			tr.Marker(marks, &m)
		}
	}
	yesterday, today := midnight.Add(-time.Second), midnight.Add(time.Second)
	event("1", 10, yesterday)
	event("2", 20, today)
	if !event("1", 10, yesterday) {
		t.Error("the redelivered event is not told as a duplicate")
	}
	markers("1", yesterday)
	markers("2", today)
	markers("1", yesterday)
	c := tr.Cut(Limits{Before: midnight.UnixMicro()})
	if c.Totals.Events != 1 || c.Totals.Transactions != 1 || !c.Closed || c.Later == 0 {
		t.Errorf("yesterday's cut: %+v", c)
	}
	tr.Advance(c)
	c = tr.Cut(Limits{})
	if c.Totals.Events != 1 || c.Totals.Duplicates != 1 || c.Next[data] != 3 || c.Next[marks] != 6 {
		t.Errorf("the rest: %+v", c)
	}
}
