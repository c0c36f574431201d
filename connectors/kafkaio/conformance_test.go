package kafkaio_test

import (
	"context"
	"flag"
	"fmt"
	"reflect"
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

// kafkaKills is how often TestKafkaRestarts kills the broker.
var kafkaKills = flag.Int("kafka.kills", 1, "how often a broker is killed while transactions are written")

// TestKafkaRestarts: a broker that is killed while transactions are written to it, and comes back, delays a running source. Nothing is
// lost, doubled or torn, whatever its producer, which has several requests under way, writes again and in which order.
func TestKafkaRestarts(t *testing.T) {
	t.Parallel()
	k := testservers.StartKafka(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Duration(*kafkaKills)*time.Minute)
	defer cancel()
	spec := sourcetest.Spec{Markers: true, Grace: time.Second, Tables: []sourcetest.Table{{Name: "orders"}, {Name: "lines"}, {Name: "payments"}}}
	h := harness(t, []string{k.Addr()}, 2, spec)
	src, err := h.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	stream := sourcetest.NewStream(1, 2, true)
	wrote := make(chan error, 1)
	next := make(chan struct{})
	go func() { wrote <- writeTransactions(ctx, h, stream, next) }()
	got := &collect{rows: map[string]int{}, txs: map[string]map[string]int{}}
	r := &restarted{src: src, got: got}
	for range *kafkaKills {
		for range 20 {
			next <- struct{}{}
			r.step(ctx, t)
		}
		k.Restart(t) // the writer is in the middle of a transaction
	}
	close(next)
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	for r.events < len(stream.Facts) {
		r.step(ctx, t)
	}
	want := map[string]map[string]int{}
	for _, f := range stream.Facts {
		if want[f.Tx] == nil {
			want[f.Tx] = map[string]int{}
		}
		want[f.Tx][f.Table]++
	}
	if !reflect.DeepEqual(got.txs, want) {
		t.Errorf("by transaction and table the source gave %v, want %v", got.txs, want)
	}
}

// writeTransactions writes one transaction after another while it is told to, the next while the one before is read.
func writeTransactions(ctx context.Context, h sourcetest.Harness, stream *sourcetest.Stream, next <-chan struct{}) error {
	for range next {
		if err := h.Write(ctx, stream.Tx(50)); err != nil {
			return err
		}
	}
	return nil
}

// restarted follows a source and checks that its epochs hold whole transactions.
type restarted struct {
	src    source.Source
	got    *collect
	pos    change.Position
	events int
}

func (r *restarted) step(ctx context.Context, t *testing.T) {
	t.Helper()
	e, err := r.src.Plan(ctx, r.pos, source.Limits{MaxWait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	before := r.got
	r.got = &collect{rows: map[string]int{}, txs: map[string]map[string]int{}}
	for _, split := range e.Splits {
		if err := r.src.Read(ctx, split, r.got); err != nil {
			t.Fatal(err)
		}
	}
	for tx, tables := range r.got.txs {
		if before.txs[tx] != nil {
			t.Errorf("transaction %s is in two epochs", tx)
		}
		before.txs[tx] = tables
	}
	r.got = before
	r.events += int(e.Counts.Events)
	r.pos = e.To
}
