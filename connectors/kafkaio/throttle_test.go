package kafkaio

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source/cut"
	"github.com/millrace/millrace/sdk/source/debezium"
	"github.com/millrace/millrace/sdk/source/planner"
)

// TestTheSlowestOfOneTime reads two partitions whose records are all of one time, as a bulk load's are: the one whose transactions
// come first by their markers is the slowest, and one that is ahead of the markers is ahead of all.
func TestTheSlowestOfOneTime(t *testing.T) {
	t.Parallel()
	p := planner.New("test", change.Position{}, planner.Options{Markers: true})
	defer p.Close()
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
	shards := map[string]int{}
	for _, name := range []string{"a/0", "b/0", "tx/0"} {
		s := planner.Shard{Name: name, Table: name[:1], Collection: "ledger." + name[:1], Config: debezium.Config{Schema: schema, Key: []string{"id"}}}
		if name == "tx/0" {
			s.Role = cut.Markers
		}
		n, _, err := p.AddShard(s)
		if err != nil {
			t.Fatal(err)
		}
		shards[name] = n
	}
	next := map[string]int64{}
	feed := func(shard, value string) {
		t.Helper()
		r := planner.Record{Offset: next[shard], Value: []byte(value), At: 1}
		next[shard]++
		if err := p.Feed([]planner.Feed{{Shard: shards[shard], Records: []planner.Record{r}}}); err != nil {
			t.Fatal(err)
		}
	}
	event := func(shard string, tx int) {
		feed(shard, fmt.Sprintf(`{"before":null,"after":{"id":%d},"source":{"connector":"postgresql","ts_ms":1,"lsn":%d},"transaction":{"id":"%d","total_order":1,"data_collection_order":1},"op":"c","ts_ms":1}`, tx, tx, tx))
	}
	begin := func(tx int) {
		feed("tx/0", fmt.Sprintf(`{"status":"BEGIN","id":"%d","event_count":null,"data_collections":null,"ts_ms":1}`, tx))
	}
	h := throttle{ends: map[int]int64{}, at: map[int]int64{}, paused: map[int]bool{}}
	for _, n := range shards {
		h.ends[n], h.at[n] = 100, 1
	}
	slowest := func(want string) {
		t.Helper()
		least, ok := h.slowest(p)
		if !ok {
			t.Fatal("no partition has more to read")
		}
		for name, n := range shards {
			if behind := least.before(h.progress(p, n)); behind == (name == want) {
				t.Errorf("%s is the slowest or not: ahead %v; want %s", name, behind, want)
			}
		}
	}
	begin(1)
	begin(2)
	begin(3)
	event("a/0", 1)
	event("b/0", 2)
	slowest("a/0")
	event("a/0", 4) // its marker has not come
	slowest("b/0")
	event("b/0", 5)
	slowest("tx/0")
	for _, n := range shards {
		h.ends[n] = next["a/0"]
	}
	h.ends[shards["b/0"]], h.ends[shards["tx/0"]] = next["b/0"], next["tx/0"]
	if _, ok := h.slowest(p); ok {
		t.Error("all are read, and one has more to read")
	}
}
