package kafkaio_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// drop is a handler that keeps nothing.
type drop struct{}

func (drop) Batch(_ context.Context, b *source.Batch) error { b.Release(); return nil }
func (drop) Reject(context.Context, source.Rejected) error  { return nil }

// BenchmarkPlanAndRead reads a generated bank's backlog from the broker in process, which shares
// the processors: fetch, decode, cut, and hand over. The figure is for each event.
func BenchmarkPlanAndRead(b *testing.B) {
	cfg := ledgergen.Config{Seed: 1, Accounts: 2000, Days: 90, Clean: true}
	bank, err := ledgergen.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	enc, err := ledgergen.NewEncoder(cfg)
	if err != nil {
		b.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, bank.Config().Topics()...))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	prod, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.MaxBufferedRecords(1<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		b.Fatal(err)
	}
	defer prod.Close()
	ctx := context.Background()
	events, bytes := int64(0), int64(0)
	for tx := range bank.Transactions() {
		for m := range enc.Messages(tx) {
			prod.Produce(ctx, &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Timestamp: time.UnixMicro(m.At)}, nil)
			bytes += int64(len(m.Value) + len(m.Key))
			if m.Kind == ledgergen.Data {
				events++
			}
		}
	}
	if err := prod.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	total, epochs := int64(0), 0
	for b.Loop() {
		src, err := kafkaio.Open(ctx, kafkaio.Options{Brokers: cluster.ListenAddrs(), Server: "bank", TransactionTopic: "bank.transaction"})
		if err != nil {
			b.Fatal(err)
		}
		var pos change.Position
		for n := int64(0); n < events; {
			e, err := src.Plan(ctx, pos, source.Limits{MaxEvents: 200_000})
			if err != nil {
				b.Fatal(err)
			}
			for _, s := range e.Splits {
				if err := src.Read(ctx, s, drop{}); err != nil {
					b.Fatal(err)
				}
			}
			if err := src.Confirm(ctx, e.To); err != nil {
				b.Fatal(err)
			}
			pos = e.To
			n += e.Counts.Events
			total += e.Counts.Events
			epochs++
		}
		src.Close()
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds()/1e6, "Mevents/s")
	b.ReportMetric(float64(bytes)/float64(events), "B/event")
	b.ReportMetric(float64(epochs)/float64(b.N), "epochs")
	b.ReportMetric(float64(events), "events")
}
