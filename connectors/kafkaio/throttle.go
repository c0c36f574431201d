package kafkaio

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/sdk/source/planner"
)

// aheadBytes is how much of one partition may be read and not planned while others lag behind.
const aheadBytes = 1 << 20

// throttle keeps partitions together: one that is ahead of the slowest that has more to read
// is not fetched while it holds much that cannot be planned, so that the window does not
// fill with events whose transactions lie elsewhere. Records of one time, as those of a snapshot or of a bulk load are, are
// told apart by the order of their transactions' markers. The slowest is never paused.
type throttle struct {
	ends   map[int]int64 // by shard: the last stable offset, as of its last fetch
	at     map[int]int64 // by shard: the time stamp of the last record, microseconds
	paused map[int]bool
}

// saw notes where a partition ends, and how far it was read.
func (h *throttle) saw(shard int, p *kgo.FetchPartition) {
	if p.LastStableOffset >= 0 {
		h.ends[shard] = p.LastStableOffset
	}
	if n := len(p.Records); n > 0 {
		h.at[shard] = p.Records[n-1].Timestamp.UnixMicro()
	}
}

// atEnd reports whether every partition was read to its end, as of its last fetch.
func (h *throttle) atEnd(p *planner.Planner) bool {
	for n := range p.Shards() {
		if end, known := h.ends[n]; !known || p.Fed(n) < end {
			return false
		}
	}
	return true
}

// progress is how far a partition has come.
type progress struct{ at, tx int64 }

func (a progress) before(b progress) bool { return a.at < b.at || a.at == b.at && a.tx < b.tx }

// progress tells how far a partition has come.
func (h *throttle) progress(p *planner.Planner, n int) progress {
	return progress{h.at[n], p.Reached(n)}
}

// slowest is how far the partition has come that is least far of those with more to read; false if none has.
func (h *throttle) slowest(p *planner.Planner) (least progress, ok bool) {
	for n, end := range h.ends {
		if p.Fed(n) >= end {
			continue
		}
		if have := h.progress(p, n); !ok || have.before(least) {
			least, ok = have, true
		}
	}
	return least, ok
}

// adjust pauses and resumes partitions after a feed.
func (s *Source) adjust() {
	slowest, lagging := s.throttle.slowest(s.plan)
	pause, resume := map[string][]int32{}, map[string][]int32{}
	for n := range s.throttle.ends {
		topic, partition, _ := splitShard(s.plan.ShardAt(n).Name)
		switch stop := lagging && s.plan.ShardBytes(n) >= aheadBytes && slowest.before(s.throttle.progress(s.plan, n)); {
		case stop && !s.throttle.paused[n]:
			s.throttle.paused[n] = true
			pause[topic] = append(pause[topic], partition)
		case !stop && s.throttle.paused[n]:
			delete(s.throttle.paused, n)
			resume[topic] = append(resume[topic], partition)
		}
	}
	if len(pause) > 0 {
		s.consumer.PauseFetchPartitions(pause)
	}
	if len(resume) > 0 {
		s.consumer.ResumeFetchPartitions(resume)
	}
}
