package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/internal/s3gateway"
)

// Keys of the demo's own S3 service, which listens on loopback and ends with the demo.
const accessKey, secretKey = "millrace-demo", "millrace-demo-secret"

// host is what the ingest talks to.
type host struct {
	kafka *kfake.Cluster
	s3    *s3gateway.Gateway
}

func startHost(ctx context.Context, root string, cfg ledgergen.Config) (*host, error) {
	var data []string
	for _, t := range ledgergen.TableNames() {
		data = append(data, cfg.Topic(t))
	}
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, data...), kfake.SeedTopics(1, cfg.TransactionTopic(), cfg.HeartbeatTopic()))
	if err != nil {
		return nil, fmt.Errorf("demo: start the in-process Kafka: %w", err)
	}
	g, err := s3gateway.Start(s3gateway.Config{Root: root, AccessKey: accessKey, SecretKey: secretKey})
	if err != nil {
		k.Close()
		return nil, fmt.Errorf("demo: start the in-process S3: %w", err)
	}
	h := &host{k, g}
	if err := g.CreateBucket(ctx, "lake"); err != nil {
		h.close()
		return nil, fmt.Errorf("demo: %w", err)
	}
	return h, nil
}

func (h *host) close() {
	h.kafka.Close()
	_ = h.s3.Close() // nothing is written any more
}

// produced counts what was sent, by kind, and keeps the truth.
type produced struct {
	truth    *ledgergen.Truth
	messages map[ledgergen.MessageKind]int64
}

// produce sends the bank's life to Kafka, a business day at a time with a pause
// between days; onDay is told of each day that is over.
func (h *host) produce(ctx context.Context, cfg ledgergen.Config, pause time.Duration, onDay func(day int)) (*produced, error) {
	bank, err := ledgergen.New(cfg)
	if err != nil {
		return nil, err
	}
	enc, err := ledgergen.NewEncoder(bank.Config())
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(h.kafka.ListenAddrs()...), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(50_000))
	if err != nil {
		return nil, fmt.Errorf("demo: connect to Kafka: %w", err)
	}
	defer cl.Close()
	p := &produced{truth: ledgergen.NewTruth(), messages: map[ledgergen.MessageKind]int64{}}
	day := 0
	tick := time.NewTicker(max(pause, time.Millisecond))
	defer tick.Stop()
	for tx := range bank.Transactions() {
		if tx.Day != day {
			if err := cl.Flush(ctx); err != nil {
				return nil, fmt.Errorf("demo: send to Kafka: %w", err)
			}
			onDay(day)
			day = tx.Day
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		p.truth.Apply(tx)
		for m := range enc.Messages(tx) {
			p.messages[m.Kind]++
			cl.Produce(ctx, &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Timestamp: time.UnixMicro(m.At)}, nil)
		}
	}
	if err := cl.Flush(ctx); err != nil {
		return nil, fmt.Errorf("demo: send to Kafka: %w", err)
	}
	onDay(day)
	return p, nil
}
