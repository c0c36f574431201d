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

type collect struct {
	rows    map[string]int
	txs     map[string]map[string]int // by transaction and table
	rejects int
}

func (c *collect) Batch(_ context.Context, b *source.Batch) error {
	defer b.Release()
	c.rows[b.Table] += b.Rows()
	for _, tx := range b.Tx {
		if c.txs[tx] == nil {
			c.txs[tx] = map[string]int{}
		}
		c.txs[tx][b.Table]++
	}
	return nil
}

func (c *collect) Reject(context.Context, source.Rejected) error { c.rejects++; return nil }

// TestBank follows a generated bank with its dirt: every event once, every epoch a set of whole transactions.
func TestBank(t *testing.T) {
	t.Parallel()
	cfg := ledgergen.Config{Seed: 7, Accounts: 200, Days: 10}
	bank, err := ledgergen.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := ledgergen.NewEncoder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, bank.Config().Topics()...))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	prod, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer prod.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	want := map[string]int{}
	kinds := map[ledgergen.MessageKind]int{}
	var recs []*kgo.Record
	for tx := range bank.Transactions() {
		for _, ev := range tx.Events {
			want[ev.Table]++
		}
		for m := range enc.Messages(tx) {
			kinds[m.Kind]++
			recs = append(recs, &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Timestamp: time.UnixMicro(m.At)})
		}
	}
	if err := prod.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records, kinds %v, want %v", len(recs), kinds, want)
	src, err := kafkaio.Open(ctx, kafkaio.Options{
		Brokers: cluster.ListenAddrs(), Server: "bank", TransactionTopic: "bank.transaction", HeartbeatTopic: "__debezium-heartbeat.bank",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	got := &collect{rows: map[string]int{}, txs: map[string]map[string]int{}}
	var pos change.Position
	var total source.Counts
	for idle := 0; idle < 3; {
		e, err := src.Plan(ctx, pos, source.Limits{MaxEvents: 1000, MaxWait: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if e.Empty() {
			idle++
		}
		total.Events += e.Counts.Events
		total.Rejected += e.Counts.Rejected
		total.Duplicates += e.Counts.Duplicates
		total.Tombstones += e.Counts.Tombstones
		total.Transactions += e.Counts.Transactions
		for _, s := range e.Splits {
			if err := src.Read(ctx, s, got); err != nil {
				t.Fatal(err)
			}
		}
		pos = e.To
		if err := src.Confirm(ctx, pos); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%+v %v %v", total, got.rows, pos)
	for table, n := range want {
		if got.rows[table] != n {
			t.Errorf("table %s: %d events, want %d", table, got.rows[table], n)
		}
	}
}
