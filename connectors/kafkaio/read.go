package kafkaio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/cut"
	"github.com/millrace/millrace/sdk/source/planner"
)

// Read implements source.Source. What is not held in memory is fetched from Kafka by a consumer of its own.
func (s *Source) Read(ctx context.Context, split source.Split, h source.Handler) error {
	if p := s.live.Load(); p != nil {
		if ok, err := p.Read(ctx, split, h); ok || err != nil {
			return err
		}
	}
	return s.readAgain(ctx, split, h)
}

// readAgain fetches a split from Kafka.
func (s *Source) readAgain(ctx context.Context, split source.Split, h source.Handler) error {
	topic, partition, ok := splitShard(split.Shard)
	t, follows := s.opts.topic(topic)
	if !ok || !follows {
		return fault.Usagef("kafka: split of shard %q: no topic of that name is followed", split.Shard)
	}
	split.Table = t.Table
	replay, err := planner.NewReplay(split, t.Config)
	if err != nil {
		return err
	}
	cl, err := s.opts.client(&s.dials,
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(s.opts.FetchBytes), kgo.FetchMaxPartitionBytes(s.opts.partitionBytes(1)),
		kgo.DisableFetchSessions(), // one partition has no use for one, and Close would end it beside a fetch that is under way
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(split.From)}}))
	if err != nil {
		return err
	}
	defer cl.Close()
	last := s.opts.Clock()
	var records []planner.Record
	for !replay.Done() {
		fetches, err := pollOnce(ctx, cl)
		if err != nil {
			return err
		}
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) {
				return s.readFailed(topic, partition, split, e.Err)
			}
		}
		now := s.opts.Clock()
		if fetches.NumRecords() > 0 {
			last = now
		} else if now.Sub(last) > s.opts.DownLimit {
			return fault.Retryablef("kafka: read %s [%d, %d): nothing came for %v", split.Shard, split.From, split.To, s.opts.DownLimit)
		}
		var failed error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if failed == nil {
				records, _ = convert(records[:0], p.Records)
				failed = replay.Feed(ctx, records, h)
			}
		})
		if failed != nil {
			return failed
		}
	}
	return replay.Flush(ctx, h)
}

// pollOnce waits at most half a second.
func pollOnce(ctx context.Context, cl *kgo.Client) (kgo.Fetches, error) {
	wait, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	fetches := cl.PollRecords(wait, maxPoll)
	return fetches, ctx.Err()
}

func (s *Source) readFailed(topic string, partition int32, split source.Split, err error) error {
	return fmt.Errorf("read [%d, %d): %w", split.From, split.To, s.fetchError(topic, partition, split.From, err))
}

// Confirm implements source.Source. With Options.Group it also commits the offsets there; a
// failure to do so is logged only, since nothing depends on them. Like Lag, it may be called while Plan runs.
func (s *Source) Confirm(ctx context.Context, pos change.Position) error {
	if p := s.live.Load(); p != nil {
		p.Confirm(pos)
	}
	if s.opts.Group == "" {
		return nil
	}
	var offsets kadm.Offsets
	for name, next := range pos.Next {
		if topic, partition, ok := splitShard(name); ok {
			offsets.AddOffset(topic, partition, next, -1)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	resp, err := kadm.NewClient(s.admin).CommitOffsets(ctx, s.opts.Group, offsets)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		s.opts.Logger.Warn("kafka: progress cannot be published", "group", s.opts.Group, "error", err)
	}
	return nil
}

// Lag implements source.Source. Events counts records of the tables' topics, tombstones
// included. Age goes by the time stamp of the record read last, so it is an upper bound while reading.
func (s *Source) Lag(ctx context.Context, pos change.Position) (source.Lag, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	topics, err := s.topics(ctx)
	if err != nil {
		return source.Lag{}, err
	}
	data := topics[:0]
	for _, t := range topics {
		if t.role == cut.Data {
			data = append(data, t)
		}
	}
	if len(data) == 0 {
		return source.Lag{Bytes: -1}, nil
	}
	starts, ends, err := s.bounds(ctx, pos, data)
	if err != nil {
		return source.Lag{}, err
	}
	lag := source.Lag{Bytes: -1}
	ends.Each(func(end kadm.ListedOffset) {
		next := pos.Next[shardName(end.Topic, end.Partition)]
		if start, ok := starts.Lookup(end.Topic, end.Partition); ok {
			next = max(next, start.Offset)
		}
		lag.Events += max(0, end.Offset-next)
	})
	if p := s.live.Load(); p != nil && lag.Events > 0 {
		if at := p.Latest(); !at.IsZero() {
			lag.Age = max(0, s.opts.Clock().Sub(at))
		}
	}
	return lag, nil
}
