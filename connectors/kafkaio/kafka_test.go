package kafkaio_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
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

// TestUnreachable: a broker that is not there is reported soon, and says what to look at.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	l.Close()
	for _, c := range []struct {
		name, broker string
		kind         fault.Kind
		says         string
	}{
		{"nobody listens", dead, fault.Retryable, "refused"},
		{"no such host", "kafka.invalid:9092", fault.Usage, "no such host"},
		{"no port", "localhost", fault.Usage, "host:port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := kafkaio.Open(t.Context(), kafkaio.Options{Brokers: []string{c.broker}, Server: "s", Timeout: 2 * time.Second})
			if err == nil || fault.Of(err) != c.kind || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.broker) {
				t.Errorf("%v error %v, want a %v error that says %q and %q", fault.Of(err), err, c.kind, c.says, c.broker)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestCredentials: a wrong password is the user's mistake, the right one works.
func TestCredentials(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, kfake.EnableSASL(), kfake.Superuser(mechanism, "admin", "right"))
			s.opts.SASL = kafkaio.SASL{Mechanism: mechanism, User: "admin", Password: "right"}
			s.open()
			s.opts.SASL.Password = "wrong"
			if _, err := kafkaio.Open(s.ctx, s.opts); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "password") {
				t.Errorf("wrong password: %v (%v)", err, fault.Of(err))
			}
			s.opts.SASL = kafkaio.SASL{}
			if _, err := kafkaio.Open(s.ctx, s.opts); err == nil {
				t.Error("opened without credentials")
			}
		})
	}
	s := newStage(t)
	s.opts.SASL = kafkaio.SASL{Mechanism: "KERBEROS", User: "u"}
	if _, err := kafkaio.Open(s.ctx, s.opts); fault.Of(err) != fault.Usage {
		t.Errorf("unknown mechanism: %v", err)
	}
}

// certificate is a certificate of 127.0.0.1 that vouches for itself.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestTLS: the right authority works; an unknown one, and plain text towards TLS, are the user's mistakes.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	s := newStage(t, kfake.TLS(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}))
	s.opts.Timeout = 2 * time.Second
	s.opts.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	s.open()
	for name, cfg := range map[string]*tls.Config{"unknown authority": {MinVersion: tls.VersionTLS12}, "plain text": nil} {
		s.opts.TLS = cfg
		if _, err := kafkaio.Open(s.ctx, s.opts); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "tls") {
			t.Errorf("%s: %v (%v)", name, err, fault.Of(err))
		}
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

// TestGaps: positions that the log no longer holds, or does not hold yet, and a topic that was
// created again are gaps, with the command that mends them.
func TestGaps(t *testing.T) {
	t.Parallel()
	read := func(t *testing.T) (*stage, change.Position) {
		s := newStage(t)
		for i := range 4 {
			tx := fmt.Sprint("t", i)
			s.produce(begin(tx), order(orders, 0, tx, 1, i), end(tx, "shop.orders", 1))
		}
		pos, _ := s.follow(s.open(), change.Position{}, 4)
		return s, pos
	}
	check := func(t *testing.T, err error, says string) {
		t.Helper()
		if !errors.Is(err, source.ErrGap) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "millrace ingest --resnapshot orders") || !strings.Contains(err.Error(), orders) {
			t.Errorf("error %v, want a gap that says %q, the topic and the command", err, says)
		}
	}
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		s, pos := read(t)
		pos.Next[orders+"/0"] = 1
		var cut kadm.Offsets
		cut.AddOffset(orders, 0, 3, -1)
		if _, err := kadm.NewClient(s.cl).DeleteRecords(s.ctx, cut); err != nil {
			t.Fatal(err)
		}
		_, err := s.open().Plan(s.ctx, pos, source.Limits{})
		check(t, err, "begins at offset 3")
	})
	t.Run("beyond the end", func(t *testing.T) {
		t.Parallel()
		s, pos := read(t)
		pos.Next[orders+"/0"] = 1000
		_, err := s.open().Plan(s.ctx, pos, source.Limits{})
		check(t, err, "ends at offset 4")
	})
	t.Run("created again", func(t *testing.T) {
		t.Parallel()
		s, pos := read(t)
		adm := kadm.NewClient(s.cl)
		if _, err := adm.DeleteTopic(s.ctx, orders); err != nil {
			t.Fatal(err)
		}
		if _, err := adm.CreateTopic(s.ctx, 1, 1, nil, orders); err != nil {
			t.Fatal(err)
		}
		fresh := s.client()
		for i := range 10 { // so that the position lies within the new log
			if err := fresh.ProduceSync(s.ctx, order(orders, 0, "x", 1, i)).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.open().Plan(s.ctx, pos, source.Limits{})
		check(t, err, "created again")
	})
	t.Run("expired while it runs", func(t *testing.T) {
		t.Parallel()
		s, pos := read(t)
		src := s.open()
		pos, _ = s.follow(src, pos, 0)
		s.cluster.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			s.cluster.KeepControl()
			resp := req.ResponseKind().(*kmsg.FetchResponse)
			for _, t := range req.(*kmsg.FetchRequest).Topics {
				rt := kmsg.NewFetchResponseTopic()
				rt.Topic, rt.TopicID = t.Topic, t.TopicID
				for _, p := range t.Partitions {
					rp := kmsg.NewFetchResponseTopicPartition()
					rp.Partition, rp.ErrorCode = p.Partition, kerr.OffsetOutOfRange.Code
					rt.Partitions = append(rt.Partitions, rp)
				}
				resp.Topics = append(resp.Topics, rt)
			}
			return resp, nil, true
		})
		if err := s.planError(src, pos); !errors.Is(err, source.ErrGap) {
			t.Errorf("error %v, want a gap", err)
		}
	})
}

// TestLostEvent: a transaction of which the topic no longer holds all events stops the
// stream with what it lacks; a smaller transaction is never made of it.
func TestLostEvent(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opts.StaleLimit = 200 * time.Millisecond
	s.produce(begin("a"), order(orders, 0, "a", 1, 1), end("a", "shop.orders", 2),
		begin("b"), order(orders, 0, "b", 1, 2), end("b", "shop.orders", 1))
	err := s.planError(s.open(), change.Position{})
	for _, says := range []string{"transaction a", "orders:1", "compacted"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("error %q does not say %q", err, says)
		}
	}
}

// TestOpenTransaction: a transaction whose END does not come is reported after a while.
func TestOpenTransaction(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opts.StaleLimit = 200 * time.Millisecond
	s.produce(begin("a"), order(orders, 0, "a", 1, 1))
	if err := s.planError(s.open(), change.Position{}); !strings.Contains(err.Error(), "transaction a") || !strings.Contains(err.Error(), "END has not arrived") {
		t.Errorf("error %v", err)
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
