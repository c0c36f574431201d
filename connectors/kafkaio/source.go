package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/planner"
)

// Source follows topics. It implements source.Source.
type Source struct {
	opts     Options
	dials    dials
	admin    *kgo.Client // metadata and offsets
	consumer *kgo.Client // fetches for Plan; nil before the first
	prefetch *prefetch   // polls the consumer
	plan     *planner.Planner
	live     atomic.Pointer[planner.Planner] // plan, for Read
	follow   follower
	throttle throttle
	records  map[int][]planner.Record // by shard: room that each poll uses again
	sampled  time.Time
	closed   bool
}

var _ source.Source = (*Source)(nil)

// Open connects to the cluster and checks credentials and that at least one topic exists. It reads nothing yet.
// Mistakes are usage errors; a cluster that cannot be reached within o.Timeout is retryable.
func Open(ctx context.Context, o Options) (*Source, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Source{opts: o, records: map[int][]planner.Record{}}
	var err error
	if s.admin, err = o.client(&s.dials); err != nil {
		return nil, err
	}
	if err := s.check(ctx); err != nil {
		s.admin.Close()
		return nil, err
	}
	return s, nil
}

// check connects once.
func (s *Source) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	err := s.admin.Ping(ctx)
	if errors.Is(err, io.EOF) { // it may just have been stopping
		err = s.admin.Ping(ctx)
	}
	if errors.Is(err, io.EOF) && s.opts.SASL.User != "" {
		return fault.Usagef("kafka %s: connect: the broker hung up while user %q logged in: the user, the password or the mechanism is wrong: %w", strings.Join(s.opts.Brokers, ","), s.opts.SASL.User, err)
	}
	if err != nil {
		return s.explain(err, "connect")
	}
	topics, err := s.topics(ctx)
	if err != nil {
		return err
	}
	for _, t := range topics {
		if t.data {
			return nil
		}
	}
	if len(s.opts.Topics) > 0 {
		return fault.Usagef("kafka %s: topic %s does not exist, nor any other that is listed; has the connector taken its snapshot?", s.opts.Brokers[0], s.opts.Topics[0].Name)
	}
	return fault.Usagef("kafka %s: there is no topic %s.<schema>.<table>; is the server (Debezium's topic.prefix) right, and has the connector taken its snapshot?", s.opts.Brokers[0], s.opts.Server)
}

// Stream implements source.Source.
func (s *Source) Stream() string { return s.opts.Stream }

// Plan implements source.Source. From one call to the next it keeps what it has
// fetched, so a caller should go on from the last To; any other position starts over.
func (s *Source) Plan(ctx context.Context, from change.Position, lim source.Limits) (source.Epoch, error) {
	if s.plan == nil || from.Compare(s.plan.From()) != change.Equal {
		if err := s.restart(ctx, from); err != nil {
			return source.Epoch{}, err
		}
	}
	e, err := s.plan.Fill(ctx, lim, func(ctx context.Context, wait time.Duration) (int, error) {
		if err := s.upkeep(ctx); err != nil {
			return 0, err
		}
		return s.poll(ctx, wait)
	})
	if err != nil {
		if ctx.Err() == nil {
			s.stop() // a partition that failed is not fetched again; the next Plan starts over
		}
		return source.Epoch{}, err
	}
	s.follow.mark(&e.To)
	return e, nil
}

// upkeep looks after what is not fetching: new topics, sampled ends.
func (s *Source) upkeep(ctx context.Context) error {
	if err := s.refresh(ctx); err != nil {
		return err
	}
	now := s.opts.Clock()
	if now.Sub(s.sampled) < planner.Poll || !s.plan.WantSample() {
		return nil
	}
	s.sampled = now
	return s.sample(ctx)
}

// sample tells the planner where the partitions end.
func (s *Source) sample(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	ends, err := kadm.NewClient(s.admin).ListCommittedOffsets(ctx, s.follow.names()...)
	if err != nil {
		s.opts.Logger.Warn("kafka: end offsets cannot be read; will be tried again", "error", err)
		return nil
	}
	all := make([]int64, s.plan.Shards())
	for n := range all {
		topic, partition, _ := splitShard(s.plan.ShardAt(n).Name)
		all[n] = -1
		if end, ok := ends.Lookup(topic, partition); ok && end.Err == nil {
			all[n] = end.Offset
		}
	}
	s.plan.Sampled(all)
	return nil
}

// poll fetches what is there, waiting at most so long, and returns the number of records as planner.Fill wants it.
func (s *Source) poll(ctx context.Context, wait time.Duration) (int, error) {
	fetches := s.prefetch.next(ctx, wait)
	var failed error
	fetches.EachError(func(topic string, partition int32, err error) {
		if failed == nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			failed = s.fetchFailed(topic, partition, err)
		}
	})
	if failed != nil {
		return 0, failed
	}
	var feeds []planner.Feed
	n := 0
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		shard, ok := s.follow.shards[shardName(p.Topic, p.Partition)]
		if !ok {
			return
		}
		s.throttle.saw(shard, &p.FetchPartition)
		if len(p.Records) == 0 {
			return
		}
		recs, bytes := convert(s.records[shard][:0], p.Records)
		s.records[shard] = recs
		feeds = append(feeds, planner.Feed{Shard: shard, Records: recs})
		n += len(recs)
		if s.opts.OnFetch != nil {
			s.opts.OnFetch(p.Topic, p.Partition, len(recs), bytes)
		}
	})
	if n == 0 {
		s.adjust()
		if s.throttle.atEnd(s.plan) {
			return planner.AtEnd, nil
		}
		return 0, nil
	}
	s.follow.alive(s.opts.Clock())
	err := s.plan.Feed(feeds)
	for _, f := range feeds {
		clear(f.Records) // each holds on to the whole response that it came in
	}
	s.adjust()
	return n, err
}

// maxPoll bounds the records of one poll.
const maxPoll = 50_000

// convert turns Kafka's records into the planner's.
func convert(into []planner.Record, records []*kgo.Record) (out []planner.Record, bytes int64) {
	for _, r := range records {
		into = append(into, planner.Record{
			Offset: r.Offset, Key: r.Key, Value: r.Value, At: r.Timestamp.UnixMicro(), Control: r.Attrs.IsControl(),
		})
		bytes += int64(len(r.Key) + len(r.Value))
	}
	return into, bytes
}

// fetchFailed explains an error that ends the fetching of a partition.
func (s *Source) fetchFailed(topic string, partition int32, err error) error {
	n := s.follow.shards[shardName(topic, partition)]
	return s.fetchError(topic, partition, s.plan.Fed(n), err)
}

// fetchError explains an error of fetching at an offset.
func (s *Source) fetchError(topic string, partition int32, at int64, err error) error {
	var lost *kgo.ErrDataLoss
	switch {
	case errors.As(err, &lost):
		return s.gap(topic, partition, fmt.Sprintf("the log was truncated to offset %d, below what was read, %d", lost.ResetTo, lost.ConsumedTo))
	case errors.Is(err, kerr.OffsetOutOfRange):
		return s.gap(topic, partition, fmt.Sprintf("offset %d is outside of the log", at))
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		return s.gap(topic, partition, "the topic was deleted, or deleted and created again")
	}
	return s.explain(err, fmt.Sprintf("fetch %s partition %d", topic, partition))
}

// gap is an error that says how to take a new snapshot.
func (s *Source) gap(topic string, partition int32, what string) error {
	table := topic
	if t, ok := s.opts.topic(topic); ok {
		table = t.Table
	}
	return fmt.Errorf("kafka topic %s partition %d: %w: %s; let the connector snapshot %s again, and all other tables with it, and once it has, run: millrace resnapshot --from TIME, when that snapshot began", topic, partition, source.ErrGap, what, table)
}

// Close implements source.Source.
func (s *Source) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.stop()
	s.admin.Close()
	return nil
}

// stop gives up what Plan holds.
func (s *Source) stop() {
	if s.prefetch != nil {
		s.prefetch.stop()
		s.prefetch = nil
	}
	if s.consumer != nil {
		s.consumer.Close()
		s.consumer = nil
	}
	s.live.Store(nil)
	if s.plan != nil {
		s.plan.Close()
		s.plan = nil
	}
}

func shardName(topic string, partition int32) string {
	return topic + "/" + strconv.Itoa(int(partition))
}

// splitShard takes a shard's name apart.
func splitShard(name string) (topic string, partition int32, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(name[i+1:], 10, 32)
	return name[:i], int32(n), err == nil && n >= 0
}
