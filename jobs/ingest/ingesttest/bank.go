// Package ingesttest has what the tests of ingest share with those of what runs beside it: a generated bank
// whose change stream is in an in-process Kafka, a lake in a temporary folder, and their comparison.
//
// Nouns. A [Bank] sends its transactions when a test says so, keeps the truth of what it sent, and
// opens sources and lakes. Everything ends with the test.
//
// Errors end the test.
package ingesttest

import (
	"context"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/jobs/verify"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
	"github.com/millrace/millrace/sdk/storage"
)

// Namespace is where the tables are.
const Namespace = "ledger"

// Bank is a bank and the lake that follows it.
type Bank struct {
	T       testing.TB
	Cluster *kfake.Cluster
	Truth   *ledgergen.Truth
	// Sent counts the messages by kind.
	Sent map[ledgergen.MessageKind]int64
	// Evolve is how the source's decoders follow a changed schema.
	Evolve debezium.Evolve
	// Hook, if set before Lake, is called by the lake at each step of a commit.
	Hook func(stage string)

	cfg    ledgergen.Config
	enc    *ledgergen.Encoder
	next   func() (ledgergen.Tx, bool)
	client *kgo.Client
	dir    string
	last   ledgergen.Tx
}

// New starts a bank's Kafka, with empty topics.
func New(t testing.TB, cfg ledgergen.Config) *Bank {
	t.Helper()
	bank, err := ledgergen.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &Bank{T: t, Truth: ledgergen.NewTruth(), Sent: map[ledgergen.MessageKind]int64{}, cfg: bank.Config(), dir: t.TempDir()}
	if b.enc, err = ledgergen.NewEncoder(b.cfg); err != nil {
		t.Fatal(err)
	}
	var data []string
	for _, n := range ledgergen.TableNames() {
		data = append(data, b.cfg.Topic(n))
	}
	if b.Cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, data...), kfake.SeedTopics(1, b.cfg.TransactionTopic(), b.cfg.HeartbeatTopic())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Cluster.Close)
	if b.client, err = kgo.NewClient(kgo.SeedBrokers(b.Cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.client.Close)
	next, stop := iter.Pull(bank.Transactions())
	t.Cleanup(stop)
	b.next = next
	return b
}

// Send sends the next n transactions, all that are left where n is negative, and returns how many they were.
func (b *Bank) Send(n int) int {
	b.T.Helper()
	sent := 0
	var records []*kgo.Record
	for ; sent != n; sent++ {
		tx, ok := b.next()
		if !ok {
			break
		}
		b.Truth.Apply(tx)
		b.last = tx
		for m := range b.enc.Messages(tx) {
			b.Sent[m.Kind]++
			records = append(records, &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Timestamp: time.UnixMicro(m.At)})
		}
	}
	b.produce(records...)
	return sent
}

// Raw sends a message of the test's own to a table's topic.
func (b *Bank) Raw(table string, key, value []byte) {
	b.T.Helper()
	b.produce(&kgo.Record{Topic: b.cfg.Topic(table), Key: key, Value: value})
}

func (b *Bank) produce(records ...*kgo.Record) {
	b.T.Helper()
	if err := b.client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		b.T.Fatal(err)
	}
}

// Config is the bank's configuration.
func (b *Bank) Config() ledgergen.Config { return b.cfg }

// LakeConfig describes the lake, which lies in a temporary folder.
func (b *Bank) LakeConfig() catalog.Config {
	return catalog.Config{
		Catalog: "sqlite://" + b.dir + "/catalog.db", Warehouse: "file://" + b.dir + "/warehouse",
		Storage: storage.Resolver{"file": localio.Opener(localio.Options{})}.Open, Logger: slog.New(slog.DiscardHandler), Hook: b.Hook,
	}
}

// Lake opens the lake, as a process of its own would.
func (b *Bank) Lake() *catalog.Lake {
	b.T.Helper()
	lake, err := catalog.Open(context.Background(), b.LakeConfig())
	if err != nil {
		b.T.Fatal(err)
	}
	b.T.Cleanup(func() {
		if err := lake.Close(); err != nil {
			b.T.Error(err)
		}
	})
	return lake
}

// SourceOptions are those of the bank's change stream.
func (b *Bank) SourceOptions() kafkaio.Options {
	o := kafkaio.Options{Brokers: b.Cluster.ListenAddrs(), Stream: "bank", TransactionTopic: b.cfg.TransactionTopic(),
		HeartbeatTopic: b.cfg.HeartbeatTopic(), Logger: slog.New(slog.DiscardHandler), Grace: 50 * time.Millisecond}
	for _, n := range ledgergen.TableNames() {
		o.Topics = append(o.Topics, kafkaio.Topic{Name: b.cfg.Topic(n), Table: n, Collection: "ledger." + n,
			Config: debezium.Config{Schema: ledgergen.Schema(n), Key: []string{ledgergen.Key(n)}, Decimals: debezium.DecimalBase64, Evolve: b.Evolve}})
	}
	return o
}

// Source opens the change stream.
func (b *Bank) Source() source.Source {
	b.T.Helper()
	s, err := kafkaio.Open(context.Background(), b.SourceOptions())
	if err != nil {
		b.T.Fatal(err)
	}
	b.T.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.T.Error(err)
		}
	})
	return s
}

// Options are those of an ingest of the whole bank that ends when it is caught up, with lake and source of its own.
func (b *Bank) Options(run ingest.Runner) ingest.Options {
	b.T.Helper()
	o := ingest.Options{Lake: b.Lake(), Source: b.Source(), Run: run, Namespace: Namespace, UntilCaughtUp: true,
		Limits: source.Limits{MaxWait: 20 * time.Millisecond}, Logger: slog.New(slog.DiscardHandler)}
	for _, n := range ledgergen.TableNames() {
		t := ingest.Table{Name: n, Schema: ledgergen.Schema(n), Key: []string{ledgergen.Key(n)}, Mirror: true, History: true,
			AppendOnly: n == ledgergen.Entries || n == ledgergen.Transactions}
		if n == ledgergen.Entries {
			t.BucketBy, t.Buckets, t.SortBy = "account_id", 2, []string{"account_id", "booked_at"}
		}
		o.Tables = append(o.Tables, t)
	}
	return o
}

// Snapshot sends every row of every table as a read event, as a connector does that takes a new snapshot. at is the messages' time stamp.
func (b *Bank) Snapshot(at time.Time) int {
	b.T.Helper()
	tx := ledgergen.Tx{ID: b.last.ID + 1, LSN: b.last.LSN + 1000, At: b.last.At + 1, Day: b.last.Day}
	for _, t := range ledgergen.TableNames() {
		for _, key := range slices.Sorted(maps.Keys(b.Truth.Tables[t])) {
			tx.Events = append(tx.Events, ledgergen.Event{Table: t, Op: change.Read, After: b.Truth.Tables[t][key]})
		}
	}
	var records []*kgo.Record
	for m := range b.enc.Messages(tx) {
		records = append(records, &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Timestamp: at})
	}
	b.produce(records...)
	return len(tx.Events)
}

// Expire deletes what the topics hold, as retention does.
func (b *Bank) Expire() {
	b.T.Helper()
	adm := kadm.NewClient(b.client)
	ends, err := adm.ListEndOffsets(context.Background(), b.cfg.Topics()...)
	if err == nil {
		_, err = adm.DeleteRecords(context.Background(), ends.Offsets())
	}
	if err != nil {
		b.T.Fatal(err)
	}
}

// CheckMirrors holds the mirrors against the truth, row by row, and every cut by its books.
func (b *Bank) CheckMirrors(lake *catalog.Lake) {
	b.T.Helper()
	ctx := context.Background()
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		b.T.Fatal(err)
	}
	for _, t := range ledgergen.TableNames() {
		if err := b.compare(ctx, lake, cut, t); err != nil {
			b.T.Errorf("table %s: %v", t, err)
		}
	}
	rep, err := verify.Cuts(ctx, lake, Namespace)
	if err != nil || len(rep.Findings) > 0 {
		b.T.Errorf("books: %v %+v", err, rep.Findings)
	}
}
