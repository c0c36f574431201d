package cut

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestIDTable holds the table against a map.
func TestIDTable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table, txs, want := newIDTable(), txList{}, map[string]int32{}
		if rapid.Bool().Draw(t, "small") { // so that probes run into one another and around the end
			table.slots = make([]idSlot, 4)
		}
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			id := strconv.Itoa(rapid.IntRange(0, 60).Draw(t, "id"))
			have, ok := want[id]
			if got, found := table.find(id, &txs); found != ok || ok && got != have {
				t.Fatalf("id %s: %d %v, want %d %v", id, got, found, have, ok)
			}
			if ok {
				table.drop(id, &txs)
				delete(want, id)
				continue
			}
			n := txs.add()
			txs.at(n).id = id
			table.put(id, n)
			want[id] = n
		}
		for id, have := range want {
			if got, found := table.find(id, &txs); !found || got != have {
				t.Fatalf("id %s: %d %v, want %d", id, got, found, have)
			}
		}
		if table.n != len(want) {
			t.Fatalf("%d ids, want %d", table.n, len(want))
		}
	})
}
