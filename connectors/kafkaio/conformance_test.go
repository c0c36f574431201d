package kafkaio_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/sourcetest"
)

// TestConformanceFake runs the suite of change sources on franz-go's broker in process.
func TestConformanceFake(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int32{1, 3} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			t.Parallel()
			sourcetest.Run(t, func(t testing.TB, spec sourcetest.Spec) sourcetest.Harness {
				cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(cluster.Close)
				return harness(t, cluster.ListenAddrs(), partitions, spec)
			})
		})
	}
}

var servers atomic.Int64

// harness makes a stream with topics of its own.
func harness(t testing.TB, brokers []string, partitions int32, spec sourcetest.Spec) sourcetest.Harness {
	server := fmt.Sprint("shop", servers.Add(1))
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	opts := kafkaio.Options{
		Brokers: brokers, Stream: server, HeartbeatTopic: "__debezium-heartbeat." + server,
		Grace: spec.Grace, MemoryBudget: spec.MemoryBudget,
	}
	adm := kadm.NewClient(cl)
	create := func(n int32, topics ...string) {
		forever := "-1" // the suite's messages are older than a broker keeps them by default
		resp, err := adm.CreateTopics(context.Background(), n, 1, map[string]*string{"retention.ms": &forever}, topics...)
		if err == nil {
			err = resp.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
		shown(t, adm, topics...)
	}
	for _, table := range spec.Tables {
		topic := server + ".shop." + table.Name
		create(partitions, topic)
		opts.Topics = append(opts.Topics, kafkaio.Topic{Name: topic, Config: table.Config})
	}
	create(1, opts.HeartbeatTopic)
	if spec.Markers {
		opts.TransactionTopic = server + ".transaction"
		create(1, opts.TransactionTopic)
	}
	return sourcetest.Harness{
		Shards: int(partitions), Tombstones: true,
		Write: func(ctx context.Context, messages []sourcetest.Message) error {
			return cl.ProduceSync(ctx, records(messages, server, opts)...).FirstErr()
		},
		Open: func(ctx context.Context) (source.Source, error) { return kafkaio.Open(ctx, opts) },
		Truncate: func(ctx context.Context, table string) error {
			topic := server + ".shop." + table
			ends, err := adm.ListEndOffsets(ctx, topic)
			if err == nil {
				_, err = adm.DeleteRecords(ctx, ends.Offsets())
			}
			return err
		},
	}
}

// shown waits until topics that were just created are listed.
func shown(t testing.TB, adm *kadm.Client, topics ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		listed, err := adm.ListTopics(ctx, topics...)
		if err == nil && listed.Error() == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("topics %v do not show: %v %v", topics, err, listed.Error())
		}
	}
}

func records(messages []sourcetest.Message, server string, o kafkaio.Options) []*kgo.Record {
	var out []*kgo.Record
	for _, m := range messages {
		r := &kgo.Record{Key: m.Key, Value: m.Value, Timestamp: m.At, Partition: int32(m.Shard)}
		switch m.Kind {
		case sourcetest.Marker:
			r.Topic = o.TransactionTopic
		case sourcetest.Heartbeat:
			r.Topic = o.HeartbeatTopic
		default:
			r.Topic = server + ".shop." + m.Table
		}
		out = append(out, r)
	}
	return out
}

// TestConformanceKafka runs the suite on a broker of Apache Kafka.
func TestConformanceKafka(t *testing.T) {
	t.Parallel()
	k := testservers.StartKafka(t)
	sourcetest.Run(t, func(t testing.TB, spec sourcetest.Spec) sourcetest.Harness {
		return harness(t, []string{k.Addr()}, 2, spec)
	})
}

// TestKafkaRestarts: a broker that is killed and comes back delays a running source, and loses nothing.
func TestKafkaRestarts(t *testing.T) {
	t.Parallel()
	k := testservers.StartKafka(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	spec := sourcetest.Spec{Markers: true, Grace: time.Second, Tables: []sourcetest.Table{{Name: "orders"}, {Name: "lines"}, {Name: "payments"}}}
	h := harness(t, []string{k.Addr()}, 1, spec)
	stream := sourcetest.NewStream(1, 1, true)
	src, err := h.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	got := &collect{rows: map[string]int{}, txs: map[string]map[string]int{}}
	var pos change.Position
	for round := range 2 {
		if round == 1 {
			k.Restart(t)
		}
		if err := h.Write(ctx, stream.Tx(50)); err != nil {
			t.Fatal(err)
		}
		for n := int64(0); n < 50; {
			e, err := src.Plan(ctx, pos, source.Limits{MaxWait: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			for _, split := range e.Splits {
				if err := src.Read(ctx, split, got); err != nil {
					t.Fatal(err)
				}
			}
			n += e.Counts.Events
			pos = e.To
		}
	}
	if n := got.rows["orders"] + got.rows["lines"] + got.rows["payments"]; n != len(stream.Facts) {
		t.Errorf("%d events, want %d", n, len(stream.Facts))
	}
}
