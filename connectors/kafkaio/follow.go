package kafkaio

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source/cut"
	"github.com/millrace/millrace/sdk/source/planner"
)

// follower is what Plan knows of the topics that it follows.
type follower struct {
	shards  map[string]int    // by name: the planner's number
	ids     map[string]string // topic → its id, so that a topic that was created again is recognised
	looked  time.Time
	reached time.Time // when the cluster last answered
	warned  map[string]bool
}

func (f *follower) names() []string {
	return slices.Sorted(maps.Keys(f.ids))
}

func (f *follower) alive(now time.Time) { f.reached = now }

// topicMark prefixes a topic's id among a position's marks.
const topicMark = "topic:"

// mark notes the topics' ids in a position.
func (f *follower) mark(p *change.Position) {
	for topic, id := range f.ids {
		if id == "" {
			continue
		}
		if p.Marks == nil {
			p.Marks = map[string]string{}
		}
		p.Marks[topicMark+topic] = id
	}
}

// found is a topic that the cluster has and the stream follows.
type found struct {
	Topic
	role       cut.Role
	data       bool
	id         string
	partitions []int32
}

// topics looks the followed topics up.
func (s *Source) topics(ctx context.Context) ([]found, error) {
	details, err := kadm.NewClient(s.admin).ListTopics(ctx)
	if err != nil {
		return nil, s.explain(err, "list topics")
	}
	var out []found
	tables := map[string]string{}
	for _, d := range details.Sorted() {
		f := found{Topic: Topic{Name: d.Topic}, role: cut.Data, partitions: d.Partitions.Numbers()}
		switch t, ok := s.opts.topic(d.Topic); {
		case d.Topic == s.opts.TransactionTopic:
			f.role = cut.Markers
		case d.Topic == s.opts.HeartbeatTopic:
			f.role = cut.Heartbeats
		case ok:
			f.Topic, f.data = t, true
			if other := tables[t.Table]; other != "" && len(s.opts.Topics) == 0 {
				return nil, fault.Usagef("kafka: topics %s and %s would both feed table %s: list the topics with a table each", other, d.Topic, t.Table)
			}
			tables[t.Table] = d.Topic
		default:
			continue
		}
		if d.Err != nil {
			return nil, s.explain(d.Err, "look up topic "+d.Topic)
		}
		if d.ID != (kadm.TopicID{}) {
			f.id = hex.EncodeToString(d.ID[:])
		}
		out = append(out, f)
	}
	return out, nil
}

// restart begins to fetch from a position.
func (s *Source) restart(ctx context.Context, from change.Position) error {
	s.stop()
	s.plan = planner.New(s.opts.Stream, from, planner.Options{
		Markers: s.opts.TransactionTopic != "", Collection: s.opts.collection, MemoryBudget: s.opts.MemoryBudget,
		StaleLimit: s.opts.StaleLimit, Grace: s.opts.Grace, Logger: s.opts.Logger, Clock: s.opts.Clock,
	})
	s.throttle = throttle{ends: map[int]int64{}, at: map[int]int64{}, paused: map[int]bool{}}
	s.follow = follower{shards: map[string]int{}, ids: map[string]string{}, warned: map[string]bool{}, reached: s.opts.Clock()}
	var err error
	s.consumer, err = s.opts.client(&s.dials,
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(s.opts.FetchBytes), kgo.FetchMaxPartitionBytes(s.opts.partitionBytes(1)),
		kgo.FetchMaxWait(500*time.Millisecond), kgo.ConsumePartitions(nil), kgo.MaxConcurrentFetches(4))
	if err == nil {
		err = s.refresh(ctx)
	}
	if err == nil {
		err = s.missing(ctx)
	}
	if err != nil {
		s.stop()
		return err
	}
	s.prefetch = startPrefetch(s.consumer)
	s.live.Store(s.plan)
	return nil
}

// topicSettle is how long a transaction topic may take to show after its creation: a
// broker answers the creation before its own list of topics has it.
const topicSettle = 2 * time.Second

// missing refuses a stream without its transaction topic and warns of other topics that do not exist.
func (s *Source) missing(ctx context.Context) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	if t := s.opts.TransactionTopic; t != "" && !s.known(t) {
		return fault.Usagef("kafka %s: the transaction topic %s does not exist: turn on provide.transaction.metadata in the connector, or leave the transaction topic out of the configuration", s.opts.Brokers[0], t)
	}
	for _, t := range s.opts.Topics {
		if !s.known(t.Name) {
			s.opts.Logger.Warn("kafka: a topic does not exist yet; it is followed when it appears", "topic", t.Name)
		}
	}
	return nil
}

// settle looks again until the transaction topic shows or topicSettle has passed.
func (s *Source) settle(parent context.Context) error {
	ctx, cancel := context.WithTimeout(parent, topicSettle)
	defer cancel()
	tick := time.NewTicker(topicSettle / 20)
	defer tick.Stop()
	for t := s.opts.TransactionTopic; t != "" && !s.known(t); {
		select {
		case <-ctx.Done():
			return parent.Err()
		case <-tick.C:
		}
		s.follow.looked = time.Time{}
		if err := s.refresh(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (s *Source) known(topic string) bool {
	_, ok := s.follow.ids[topic]
	return ok
}

// refresh looks for new topics and partitions when it is time.
func (s *Source) refresh(ctx context.Context) error {
	now := s.opts.Clock()
	if now.Sub(s.follow.looked) < s.opts.Refresh {
		return nil
	}
	first := s.follow.looked.IsZero()
	s.follow.looked = now
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	topics, err := s.topics(ctx)
	if err == nil {
		err = s.join(ctx, topics)
	}
	if err == nil {
		s.follow.alive(now)
		return nil
	}
	if first || !fault.IsRetryable(err) || now.Sub(s.follow.reached) >= s.opts.DownLimit {
		return err
	}
	s.opts.Logger.Warn("kafka: topics cannot be looked up; will be tried again", "error", err)
	return nil
}

// join starts to follow the partitions that are new.
func (s *Source) join(ctx context.Context, topics []found) error {
	var fresh []found
	for _, t := range topics {
		if err := s.sameTopic(t); err != nil {
			return err
		}
		t.partitions = slices.DeleteFunc(t.partitions, func(p int32) bool {
			_, ok := s.follow.shards[shardName(t.Name, p)]
			return ok
		})
		if len(t.partitions) > 0 {
			fresh = append(fresh, t)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	starts, ends, err := s.bounds(ctx, s.plan.From(), fresh)
	if err != nil {
		return err
	}
	assign := map[string]map[int32]kgo.Offset{}
	for _, t := range fresh {
		assign[t.Name] = map[int32]kgo.Offset{}
		for _, p := range t.partitions {
			from, err := s.place(t, p, starts, ends)
			if err != nil {
				return err
			}
			n, from, err := s.plan.AddShard(planner.Shard{
				Name: shardName(t.Name, p), Role: t.role, Table: t.Table, Collection: t.Collection, Config: t.Config, Next: from,
			})
			if err != nil {
				return err
			}
			s.follow.shards[shardName(t.Name, p)] = n
			assign[t.Name][p] = kgo.NewOffset().At(from)
		}
		s.follow.ids[t.Name] = t.id
	}
	s.consumer.UpdateFetchMaxBytes(s.opts.FetchBytes, s.opts.partitionBytes(len(s.follow.shards)))
	s.consumer.AddConsumePartitions(assign)
	return nil
}

// partitionBytes is how much of one partition is fetched at once: so little that a fetch has something of each, because what
// one partition is ahead of the others has to be kept until they have come as far.
func (o *Options) partitionBytes(partitions int) int32 {
	return max(64<<10, o.FetchBytes/int32(max(4, partitions)))
}

// sameTopic refuses a topic that was created again since the position was taken.
func (s *Source) sameTopic(t found) error {
	known := s.follow.ids[t.Name]
	if known == "" {
		known = s.plan.From().Marks[topicMark+t.Name]
	}
	if known == "" || t.id == "" || known == t.id {
		return nil
	}
	return s.gap(t.Name, 0, fmt.Sprintf("the topic was deleted and created again (its id was %s and is %s)", known, t.id))
}

// bounds are the first and next offsets of the topics' partitions.
func (s *Source) bounds(ctx context.Context, from change.Position, topics []found) (starts, ends kadm.ListedOffsets, err error) {
	var names []string
	for _, t := range topics {
		names = append(names, t.Name)
	}
	adm := kadm.NewClient(s.admin)
	if at := s.opts.StartAt; !at.IsZero() && from.IsZero() {
		starts, err = adm.ListOffsetsAfterMilli(ctx, at.UnixMilli(), names...)
	} else {
		starts, err = adm.ListStartOffsets(ctx, names...)
	}
	if err == nil {
		ends, err = adm.ListEndOffsets(ctx, names...)
	}
	if err == nil {
		err = starts.Error()
	}
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, nil, s.explain(err, "read the offsets of "+strings.Join(names, ", "))
	}
	return starts, ends, nil
}

// place is the offset from which a partition is read: where the position says,
// which must lie within the log; else by Options.Start for a new stream, the log's start for a new topic or partition.
func (s *Source) place(t found, partition int32, starts, ends kadm.ListedOffsets) (int64, error) {
	start, _ := starts.Lookup(t.Name, partition)
	end, _ := ends.Lookup(t.Name, partition)
	position := s.plan.From()
	next, known := position.Next[shardName(t.Name, partition)]
	switch {
	case known && next < start.Offset:
		return 0, s.gap(t.Name, partition, fmt.Sprintf("it begins at offset %d, and the lake has what is before %d: retention has deleted what lies between", start.Offset, next))
	case known && next > end.Offset:
		return 0, s.gap(t.Name, partition, fmt.Sprintf("it ends at offset %d, and the lake has what is before %d: the topic was created again or truncated", end.Offset, next))
	case known:
		return next, nil
	case position.IsZero() && s.opts.Start == Latest:
		return end.Offset, nil
	case start.Offset > 0 && s.followsTopic(t.Name, position):
		return 0, s.gap(t.Name, partition, fmt.Sprintf("the partition is new, and retention has deleted what is before offset %d", start.Offset))
	}
	return start.Offset, nil
}

// followsTopic reports whether a position has any partition of a topic.
func (s *Source) followsTopic(topic string, p change.Position) bool {
	for name := range p.Next {
		if t, _, ok := splitShard(name); ok && t == topic {
			return true
		}
	}
	return false
}
