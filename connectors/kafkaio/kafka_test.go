package kafkaio_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a broker in process with topics s.shop.orders, s.transaction and __debezium-heartbeat.s.
type stage struct {
	t       *testing.T
	ctx     context.Context
	cluster *kfake.Cluster
	cl      *kgo.Client
	opts    kafkaio.Options
}

func newStage(t *testing.T, more ...kfake.Opt) *stage {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, "s.shop.orders", "s.transaction", "__debezium-heartbeat.s")}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	st := &stage{t: t, ctx: ctx, cluster: cluster, opts: kafkaio.Options{
		Brokers: cluster.ListenAddrs(), Server: "s", TransactionTopic: "s.transaction", HeartbeatTopic: "__debezium-heartbeat.s",
		Refresh: 20 * time.Millisecond, Timeout: 5 * time.Second,
	}}
	return st
}

// client is a producer.
func (s *stage) client(more ...kgo.Opt) *kgo.Client {
	s.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(s.cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, more...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(cl.Close)
	return cl
}

func (s *stage) produce(records ...*kgo.Record) {
	s.t.Helper()
	if s.cl == nil {
		s.cl = s.client()
	}
	if err := s.cl.ProduceSync(s.ctx, records...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// order is an event of s.shop.orders, or of the table whose topic is given.
func order(topic string, partition int32, tx string, n, id int) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Appendf(nil,
		`{"before":null,"after":{"id":%d},"source":{"connector":"mysql","file":"bin.000001","pos":%d,"ts_ms":%d},"op":"c","transaction":{"id":"%s","total_order":%d,"data_collection_order":%d}}`,
		id, 100+id, 1000+id, tx, n, n)}
}

func begin(tx string) *kgo.Record {
	return &kgo.Record{Topic: "s.transaction", Value: fmt.Appendf(nil, `{"status":"BEGIN","id":"%s","event_count":null,"data_collections":null,"ts_ms":1}`, tx)}
}

// end ends a transaction; counts are pairs of a collection and a number.
func end(tx string, counts ...any) *kgo.Record {
	total, list := 0, []string{}
	for i := 0; i < len(counts); i += 2 {
		total += counts[i+1].(int)
		list = append(list, fmt.Sprintf(`{"data_collection":"%s","event_count":%d}`, counts[i], counts[i+1]))
	}
	return &kgo.Record{Topic: "s.transaction", Value: fmt.Appendf(nil, `{"status":"END","id":"%s","event_count":%d,"data_collections":[%s],"ts_ms":1}`, tx, total, strings.Join(list, ","))}
}

const orders = "s.shop.orders"

func (s *stage) open() *kafkaio.Source {
	s.t.Helper()
	src, err := kafkaio.Open(s.ctx, s.opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { src.Close() })
	return src
}

// follow plans and reads until so many events have come, and once more.
func (s *stage) follow(src *kafkaio.Source, from change.Position, want int64) (change.Position, *collect) {
	s.t.Helper()
	got := &collect{rows: map[string]int{}, txs: map[string]map[string]int{}}
	var n int64
	for deadline, last := time.Now().Add(20*time.Second), false; !last; {
		last = n >= want
		e, err := src.Plan(s.ctx, from, source.Limits{MaxWait: 50 * time.Millisecond})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, split := range e.Splits {
			if err := src.Read(s.ctx, split, got); err != nil {
				s.t.Fatal(err)
			}
		}
		n += e.Counts.Events
		from = e.To
		if time.Now().After(deadline) {
			s.t.Fatalf("%d of %d events", n, want)
		}
	}
	if n != want {
		s.t.Fatalf("%d events, want %d", n, want)
	}
	return from, got
}

// planError plans until there is an error.
func (s *stage) planError(src *kafkaio.Source, from change.Position) error {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		e, err := src.Plan(s.ctx, from, source.Limits{MaxWait: 20 * time.Millisecond})
		if err != nil {
			return err
		}
		from = e.To
	}
	s.t.Fatal("plan goes on")
	return nil
}

// TestAborted: records of an aborted Kafka transaction do not exist, and do not keep a position back.
func TestAborted(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	cl := s.client(kgo.TransactionalID("connector"))
	for i, commit := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		tx := fmt.Sprint("t", i)
		if err := cl.ProduceSync(s.ctx, begin(tx), order(orders, 0, tx, 1, i), order(orders, 0, tx, 2, 10+i), end(tx, "shop.orders", 2)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(s.ctx, commit); err != nil {
			t.Fatal(err)
		}
	}
	src := s.open()
	pos, got := s.follow(src, change.Position{}, 2)
	if got.txs["t1"]["orders"] != 2 || len(got.txs) != 1 {
		t.Errorf("transactions %v, want t1 with two events", got.txs)
	}
	if n := pos.Next[orders+"/0"]; n != 9 { // three times two records and a control record
		t.Errorf("position is at %d, want 9, behind the aborted records", n)
	}
	again := s.open()
	if lag, err := again.Lag(s.ctx, pos); err != nil || lag.Events != 0 {
		t.Errorf("lag %+v, %v", lag, err)
	}
}

// TestMissingTopics: a wrong server name, and a transaction topic that is not there, are the user's mistakes.
func TestMissingTopics(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	wrong := s.opts
	wrong.Server = "other"
	if _, err := kafkaio.Open(s.ctx, wrong); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "other.<schema>.<table>") {
		t.Errorf("wrong server: %v", err)
	}
	wrong = s.opts
	wrong.Server, wrong.Topics = "", []kafkaio.Topic{{Name: "nope"}}
	if _, err := kafkaio.Open(s.ctx, wrong); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "nope") {
		t.Errorf("wrong topic: %v", err)
	}
	wrong = s.opts
	wrong.TransactionTopic = "s.transactions"
	src, err := kafkaio.Open(s.ctx, wrong)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, err := src.Plan(s.ctx, change.Position{}, source.Limits{}); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "provide.transaction.metadata") {
		t.Errorf("wrong transaction topic: %v", err)
	}
}

// TestBrokerFails: connections that break and brokers that answer with errors for a while delay the stream, no more.
func TestBrokerFails(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for i := range 20 {
		tx := fmt.Sprint("t", i)
		s.produce(begin(tx), order(orders, 0, tx, 1, i), end(tx, "shop.orders", 1))
	}
	faults := 3
	s.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		s.cluster.KeepControl()
		if faults--; faults < 0 {
			return nil, nil, false
		}
		if faults%2 == 0 {
			return nil, errors.New("connection cut"), true
		}
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ErrorCode = kerr.UnknownServerError.Code
		return resp, nil, true
	})
	s.follow(s.open(), change.Position{}, 20)
}

// TestClusterGone: when the cluster does not come back within the limit, Plan says so.
func TestClusterGone(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opts.DownLimit, s.opts.Timeout = 500*time.Millisecond, 300*time.Millisecond
	src := s.open()
	pos, _ := s.follow(src, change.Position{}, 0)
	s.cluster.Close()
	if err := s.planError(src, pos); !fault.IsRetryable(err) || !strings.Contains(err.Error(), s.opts.Brokers[0]) {
		t.Errorf("cluster gone: %v (%v)", err, fault.Of(err))
	}
}

// TestNewPartitionsAndTopics: both are followed from their beginning when they appear.
func TestNewPartitionsAndTopics(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.produce(begin("a"), order(orders, 0, "a", 1, 1), end("a", "shop.orders", 1))
	src := s.open()
	pos, _ := s.follow(src, change.Position{}, 1)
	adm := kadm.NewClient(s.cl)
	if _, err := adm.CreatePartitions(s.ctx, 2, orders); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.CreateTopic(s.ctx, 1, 1, nil, "s.shop.lines"); err != nil {
		t.Fatal(err)
	}
	s.cl.ForceMetadataRefresh()
	fresh := s.client()
	if err := fresh.ProduceSync(s.ctx, begin("b"), order(orders, 1, "b", 1, 2), order("s.shop.lines", 0, "b", 2, 3), end("b", "shop.orders", 1, "shop.lines", 1)).FirstErr(); err != nil {
		t.Fatal(err)
	}
	pos, got := s.follow(src, pos, 2)
	if got.txs["b"]["orders"] != 1 || got.txs["b"]["lines"] != 1 {
		t.Errorf("transactions %v", got.txs)
	}
	if pos.Next[orders+"/1"] != 1 || pos.Next["s.shop.lines/0"] != 1 {
		t.Errorf("position %v", pos)
	}
}

// TestUnfollowedTables: events of tables that are not followed do not count.
func TestUnfollowedTables(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opts.Configure = func(_, table string) (debezium.Config, bool) { return debezium.Config{}, table == "orders" }
	s.produce(begin("a"), order(orders, 0, "a", 1, 1), end("a", "shop.orders", 1, "shop.audit", 7), begin("b"), end("b", "shop.audit", 2))
	pos, _ := s.follow(s.open(), change.Position{}, 1)
	if pos.Next["s.transaction/0"] != 4 {
		t.Errorf("position %v, want all markers behind it", pos)
	}
}

// TestLatest: what the topics hold at the start is skipped, what follows is not, and a restart keeps to that.
func TestLatest(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opts.Start = kafkaio.Latest
	s.produce(begin("a"), order(orders, 0, "a", 1, 1), end("a", "shop.orders", 1))
	src := s.open()
	pos, _ := s.follow(src, change.Position{}, 0)
	if pos.Next[orders+"/0"] != 1 {
		t.Errorf("position %v, want the topic's end", pos)
	}
	s.produce(begin("b"), order(orders, 0, "b", 1, 2), end("b", "shop.orders", 1))
	s.follow(s.open(), pos, 1)
}

// TestGroup: Confirm publishes progress where it is asked to.
func TestGroup(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opts.Group = "lake"
	s.produce(begin("a"), order(orders, 0, "a", 1, 1), end("a", "shop.orders", 1))
	src := s.open()
	pos, _ := s.follow(src, change.Position{}, 1)
	if err := src.Confirm(s.ctx, pos); err != nil {
		t.Fatal(err)
	}
	got, err := kadm.NewClient(s.cl).FetchOffsets(s.ctx, "lake")
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := got.Lookup(orders, 0); !ok || o.At != 1 {
		t.Errorf("committed %+v, want 1", o)
	}
}

// TestAmbiguousTables: two topics whose last parts are equal need names of their own.
func TestAmbiguousTables(t *testing.T) {
	t.Parallel()
	s := newStage(t, kfake.SeedTopics(1, "s.archive.orders"))
	if _, err := kafkaio.Open(s.ctx, s.opts); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "table orders") {
		t.Errorf("error %v", err)
	}
}
