package kafkaio

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/sdk/source/planner"
)

// aheadBytes is how much of one partition may be read and not planned while others lag behind.
const aheadBytes = 2 << 20

// throttle keeps partitions together: one that is far ahead of what can be
// planned is not fetched while another has more to read, so that the window does not
// fill with events whose transactions lie elsewhere.
type throttle struct {
	ends   map[int]int64 // by shard: the last stable offset, as of its last fetch
	paused map[int]bool
}

// saw notes where a partition ends.
func (h *throttle) saw(shard int, p *kgo.FetchPartition) {
	if p.LastStableOffset >= 0 {
		h.ends[shard] = p.LastStableOffset
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

// adjust pauses and resumes partitions after a feed.
func (s *Source) adjust() {
	lagging := false
	ahead := func(n int) bool { return s.plan.ShardBytes(n) >= aheadBytes }
	for n, end := range s.throttle.ends {
		lagging = lagging || !ahead(n) && s.plan.Fed(n) < end
	}
	pause, resume := map[string][]int32{}, map[string][]int32{}
	for n := range s.throttle.ends {
		topic, partition, _ := splitShard(s.plan.ShardAt(n).Name)
		switch stop := lagging && ahead(n); {
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
