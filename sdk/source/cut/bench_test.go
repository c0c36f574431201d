package cut

import (
	"fmt"
	"testing"
)

// BenchmarkTracker is the whole bookkeeping of a bank's stream: transactions of
// five events over three shards and two markers, shards arriving in polls of 20,000 transactions,
// one cut for each poll. The figure is for each event.
func BenchmarkTracker(b *testing.B) {
	for _, markers := range []bool{true, false} {
		b.Run(fmt.Sprintf("markers=%v", markers), func(b *testing.B) {
			const poll = 20_000
			ids := make([]string, poll)
			tr := New(Options{Markers: markers})
			for _, name := range []string{"entries", "accounts", "transactions"} {
				tr.AddShard(Shard{Name: name, Collection: name})
			}
			tr.AddShard(Shard{Name: "tx", Role: Markers})
			counts := []Count{{"entries", 2}, {"accounts", 2}, {"transactions", 1}}
			var next [4]int64
			events := int64(0)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%(5*poll) != 0 {
					continue
				}
				b.StopTimer()
				for k := range ids {
					ids[k] = fmt.Sprintf("%d:%d", 1_000_000+n+k, 24_000_000+n+k)
				}
				b.StartTimer()
				for shard, orders := range [][]int64{{1, 2}, {3, 4}, {5}} {
					for k, id := range ids {
						for _, o := range orders {
							e := Event{Offset: next[shard], Bytes: 600, Tx: id, Order: o, Key: Key{int64(n + k + 1), int64(n+k)*10 + o, o}, At: int64(n + k + 1), Sent: 1}
							tr.Event(shard, &e)
							next[shard]++
						}
					}
				}
				if markers {
					for _, id := range ids {
						for _, end := range []bool{false, true} {
							m := Marker{Offset: next[3], Tx: id, End: end}
							if end {
								m.Counts = counts
							}
							tr.Marker(3, &m)
							next[3]++
						}
					}
				} else if tr.WantSample() {
					tr.Sampled(next[:])
				}
				c := tr.Cut(Limits{})
				events += c.Totals.Events
				tr.Advance(c)
			}
			if events == 0 && b.N > 5*poll {
				b.Fatal("nothing was cut")
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Mevents/s")
		})
	}
}
