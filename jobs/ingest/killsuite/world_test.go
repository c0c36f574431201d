package killsuite

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/faults"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/internal/s3gateway"
	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/sdk/storage"
)

// partitions is how many partitions a data topic has.
const partitions = 3

// Keys of the worlds' S3 services, which listen on loopback.
const accessKey, secretKey = "killsuite", "killsuite-secret"

// setup says what a world is made of.
type setup struct {
	files    bool // the stream is in files, else in Kafka
	postgres *testservers.PostgreSQL
	s3       bool
	dir      string // of the lake; "": one of the test's
}

func (s setup) String() string {
	names := []string{"kafka", "sqlite", "folder"}
	if s.files {
		names[0] = "files"
	}
	if s.postgres != nil {
		names[1] = "postgres"
	}
	if s.s3 {
		names[2] = "s3"
	}
	return strings.Join(names, "-")
}

// world is a bank, its stream and a lake.
type world struct {
	t     testing.TB
	setup setup
	seed  uint64
	rnd   *rand.Rand            // of the source only, so that what it sends does not depend on the lives
	job   job                   // of a life that nothing happens to
	proxy *faults.Proxy         // nil without S3
	pg    *faults.PostgresProxy // nil without PostgreSQL
	s3    *s3gateway.Gateway
	root  string // of the gateway

	bank    ledgergen.Config
	enc     *ledgergen.Encoder
	pull    func() (ledgergen.Tx, bool)
	waiting []pending
	sent    int // messages
	kafka   *kfake.Cluster
	client  *kgo.Client
	files   *fileWriter

	book  *book
	audit *audit
	stats stats
}

// newWorld builds a world. Everything in it ends with the test.
func newWorld(t testing.TB, seed uint64, s setup) *world {
	t.Helper()
	w := &world{t: t, setup: s, seed: seed, rnd: rand.New(rand.NewPCG(seed, 0x776f726c64)), book: newBook()}
	w.stats.start = time.Now()
	w.openBank()
	w.openLake(s)
	if s.files {
		w.openFiles()
	} else {
		w.openKafka()
	}
	return w
}

// openBank begins the bank's life, which has no end here.
func (w *world) openBank() {
	cfg := ledgergen.Config{Seed: w.seed, Accounts: 30, Days: 100_000, PerAccountDay: 2000, NewColumnDay: 3 + int(w.seed%5)}
	bank, err := ledgergen.New(cfg)
	w.check(err)
	w.bank = bank.Config()
	w.enc, err = ledgergen.NewEncoder(w.bank)
	w.check(err)
	next, stop := iter.Pull(bank.Transactions())
	w.t.Cleanup(stop)
	w.pull = next
	w.job.Bank, w.job.MaxEvents, w.job.MaxWait = w.bank, 120, 40*time.Millisecond
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// openLake makes the lake's storage and catalog, and the audit's own way to it, which no fault is on.
func (w *world) openLake(s setup) {
	dir := s.dir
	if dir == "" {
		dir = w.t.TempDir()
	}
	w.job.Catalog, w.job.Warehouse = "sqlite://"+filepath.Join(dir, "catalog.db"), "file://"+filepath.Join(dir, "warehouse")
	direct := w.job.Catalog
	if s.postgres != nil {
		direct = s.postgres.NewDatabase(w.t)
		w.proxyPostgres(direct)
	}
	cfg := catalog.Config{Catalog: direct, Storage: storage.Resolver{"file": localio.Opener(localio.Options{})}.Open, Logger: slog.New(slog.DiscardHandler)}
	if s.s3 {
		w.root, w.job.Warehouse = filepath.Join(dir, "s3"), "s3://lake/warehouse"
		w.serveS3("", secretKey)
		w.check(w.s3.CreateBucket(w.t.Context(), "lake"))
		var err error
		w.proxy, err = faults.StartProxy(w.s3.Endpoint(), w.seed)
		w.check(err)
		w.t.Cleanup(func() { w.check(w.proxy.Close()) })
		w.job.S3, w.job.Secret = w.proxy.Endpoint(), secretKey
		cfg.Storage = project.FolderOfBuckets(w.root).Open
	}
	cfg.Warehouse = w.job.Warehouse
	lake, err := catalog.Open(w.t.Context(), cfg)
	w.check(err)
	w.t.Cleanup(func() { w.check(lake.Close()) })
	w.audit = newAudit(lake, w.book)
}

// proxyPostgres lets the lives reach a database through a proxy. A session that holds a
// transaction open and does nothing, as a stopped process does, is ended by the server.
func (w *world) proxyPostgres(direct string) {
	u, err := url.Parse(direct)
	w.check(err)
	w.pg, err = faults.StartPostgresProxy(u.Host, w.seed)
	w.check(err)
	w.t.Cleanup(func() { w.check(w.pg.Close()) })
	u.Host = w.pg.Addr()
	q := u.Query()
	q.Set("idle_in_transaction_session_timeout", "1000") // milliseconds
	u.RawQuery = q.Encode()
	w.job.Catalog = u.String()
}

// serveS3 starts the S3 service, at an address if one is given.
func (w *world) serveS3(addr, secret string) {
	g, err := s3gateway.Start(s3gateway.Config{Root: w.root, Addr: addr, AccessKey: accessKey, SecretKey: secret, NoSync: true, Log: slog.New(slog.DiscardHandler)})
	w.check(err)
	w.s3 = g
	w.t.Cleanup(func() { _ = g.Close() }) // a test may have closed it
}

func (w *world) openKafka() {
	var data []string
	for _, t := range ledgergen.TableNames() {
		data = append(data, w.bank.Topic(t))
	}
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, data...), kfake.SeedTopics(1, w.bank.TransactionTopic(), w.bank.HeartbeatTopic()))
	w.check(err)
	w.t.Cleanup(k.Close)
	w.client, err = kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	w.check(err)
	w.t.Cleanup(w.client.Close)
	w.kafka, w.job.Brokers = k, k.ListenAddrs()
}

// produce sends the stream's next n messages. Transactions may be cut in two.
func (w *world) produce(n int) {
	w.t.Helper()
	for len(w.waiting) < n {
		w.pullOne()
	}
	w.send(w.waiting[:n])
	w.waiting = w.waiting[n:]
}

// produceRest sends the rest of what was begun, so that every transaction is whole.
func (w *world) produceRest() {
	w.t.Helper()
	w.send(w.waiting)
	w.waiting = nil
}

func (w *world) pullOne() {
	tx, ok := w.pull()
	if !ok {
		w.t.Fatal("the bank's life has ended")
	}
	var messages []ledgergen.Message
	for m := range w.enc.Messages(tx) {
		messages = append(messages, m)
	}
	w.waiting = append(w.waiting, w.book.next(tx, messages)...)
}

func (w *world) send(messages []pending) {
	w.t.Helper()
	w.sent += len(messages)
	if w.files != nil {
		w.files.send(messages)
		return
	}
	records := make([]*kgo.Record, len(messages))
	for i, m := range messages {
		records[i] = &kgo.Record{Topic: m.Topic, Key: m.Key, Value: m.Value, Timestamp: time.UnixMicro(m.At), Partition: w.partition(m)}
	}
	w.check(w.client.ProduceSync(w.t.Context(), records...).FirstErr())
	for i, r := range records {
		w.book.placed(messages[i], fmt.Sprintf("%s/%d", r.Topic, r.Partition), r.Offset)
	}
}

// partition is a message's partition, by its key.
func (w *world) partition(m pending) int32 {
	if m.Topic == w.bank.TransactionTopic() || m.Topic == w.bank.HeartbeatTopic() {
		return 0
	}
	if m.Key == nil {
		return int32(w.rnd.IntN(partitions))
	}
	h := fnv.New32a()
	h.Write(m.Key)
	return int32(h.Sum32() % partitions)
}

// fileWriter sends messages as files, one a table and chunk.
type fileWriter struct {
	w      *world
	store  storage.Store
	chunks int
	files  map[string]int64 // by family
}

func (w *world) openFiles() {
	root := w.t.TempDir()
	w.job.Events = "file://" + root
	store, err := localio.Opener(localio.Options{})(w.t.Context(), w.job.Events)
	w.check(err)
	w.files = &fileWriter{w: w, store: store, files: map[string]int64{}}
}

// fileOrdinal is where the number of a file stands in the offsets of fileio.
const fileOrdinal = 36

func (f *fileWriter) send(messages []pending) {
	f.w.t.Helper()
	texts := map[string][]byte{}
	var order []string
	for _, m := range messages {
		folder, shard := f.place(m.Topic)
		if _, ok := texts[folder]; !ok {
			order = append(order, folder)
		}
		f.w.book.placed(m, shard, f.files[folder]<<fileOrdinal|int64(len(texts[folder])))
		line := m.Value
		if line == nil {
			line = []byte("null")
		}
		texts[folder] = append(append(texts[folder], line...), '\n')
	}
	f.w.rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, folder := range order {
		name := fmt.Sprintf("%s%08d.ndjson", folder, f.chunks)
		f.w.check(f.store.Put(context.WithoutCancel(f.w.t.Context()), name, texts[folder], storage.PutOptions{IfAbsent: true}))
		f.files[folder]++
	}
	f.chunks++
}

func (f *fileWriter) place(topic string) (folder, shard string) {
	switch topic {
	case f.w.bank.TransactionTopic():
		return "transactions/", ""
	case f.w.bank.HeartbeatTopic():
		return "heartbeats/", ""
	}
	table := topic[strings.LastIndexByte(topic, '.')+1:]
	return "table-" + table + "/", table
}
