package cut_test

import (
	"fmt"

	"github.com/millrace/millrace/sdk/source/cut"
)

// A transfer writes two entries, which Kafka holds in two partitions. The cut waits for both.
func Example() {
	t := cut.New(cut.Options{Markers: true})
	first := t.AddShard(cut.Shard{Name: "entries/0", Collection: "entries"})
	second := t.AddShard(cut.Shard{Name: "entries/1", Collection: "entries"})
	markers := t.AddShard(cut.Shard{Name: "transactions/0", Role: cut.Markers})

	t.Marker(markers, &cut.Marker{Offset: 0, Tx: "571:100"})
	t.Event(first, &cut.Event{Offset: 0, Tx: "571:100", Order: 1, Key: cut.Key{Commit: 90, LSN: 100, Order: 1}})
	t.Marker(markers, &cut.Marker{Offset: 1, Tx: "571:100", End: true, Counts: []cut.Count{{Collection: "entries", Events: 2}}})
	fmt.Println("one entry:", t.Cut(cut.Limits{}).Next)

	t.Event(second, &cut.Event{Offset: 0, Tx: "571:100", Order: 2, Key: cut.Key{Commit: 90, LSN: 101, Order: 2}})
	c := t.Cut(cut.Limits{})
	fmt.Println("both:", c.Next, c.Totals.Events, "events")
	fmt.Println(t.Position(c))
	t.Advance(c)
	// Output:
	// one entry: [0 0 0]
	// both: [1 1 2] 2 events
	// {"next":{"entries/0":1,"entries/1":1,"transactions/0":2},"marks":{"entries/0":"90/100/1/0","entries/1":"90/101/2/0"}}
}
