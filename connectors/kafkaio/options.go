package kafkaio

import (
	"crypto/tls"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// Topic maps a topic to a lake table.
type Topic struct {
	Name string // the Kafka topic
	// Table is the lake table's base name. "": the last dot-separated part of Name.
	Table string
	// Collection is the table's name in the transaction topic. "": Name without its first part, such as "ledger.entries".
	Collection string
	Config     debezium.Config // its Table is ignored
}

// Start says where a stream begins that has no position yet.
type Start uint8

// The starts.
const (
	// Earliest reads all that the topics hold.
	Earliest Start = iota
	// Latest skips what the topics hold. It may start in the middle of a
	// transaction, whose rest is then taken for all of it.
	Latest
)

// SASL are credentials. The zero value is none.
type SASL struct {
	Mechanism      string // "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"; "" with a user means PLAIN
	User, Password string
}

// Options describe a stream. Brokers, and Topics or Server, are required.
type Options struct {
	Brokers []string // host:port
	// Stream is the stream's stable name. "": Server, or the first topic's first part.
	Stream string
	// Topics are followed by name. One that does not exist yet is followed when it appears.
	Topics []Topic
	// Server is Debezium's topic.prefix. Where Topics is empty, every topic Server.schema.table is
	// followed, also one that appears later.
	Server string
	// Match narrows the topics that are followed by Server. nil: all of them.
	Match *regexp.Regexp
	// Configure gives the configuration of a table that is followed by Server; false: it is not followed. nil: defaults.
	Configure func(topic, table string) (debezium.Config, bool)
	// TransactionTopic is the topic of BEGIN and END markers, usually Server.transaction; "": there is none.
	TransactionTopic string
	// HeartbeatTopic is usually __debezium-heartbeat.Server; "": there is none.
	HeartbeatTopic string
	Start          Start
	// StartAt, if set, is where a stream begins that has no position yet: at the first record of each partition that
	// is not older by Kafka's own time stamps. It goes before Start. The same holds for it as for Latest.
	StartAt time.Time

	SASL SASL
	// TLS turns on TLS. nil: plain text.
	TLS *tls.Config

	// Group, if set, is the consumer group to which Confirm commits offsets, for lag monitors.
	Group string
	// MemoryBudget bounds decoded batches that wait to be read. 0: 256 MiB.
	MemoryBudget int64
	// FetchBytes bounds one fetch from a broker; one is held for each broker. 0: 16 MiB.
	FetchBytes int32
	// StaleLimit is how long a transaction may stay incomplete while nothing else can be planned. 0: 10 min.
	StaleLimit time.Duration
	// Grace is how long a malformed event at the end of a partition waits to be attributed to a transaction. 0: 2 s.
	Grace time.Duration
	// Timeout bounds each request that Open, Lag and Confirm make. 0: 10 s.
	Timeout time.Duration
	// Refresh is how often topics and partitions are looked up. 0: 10 s.
	Refresh time.Duration
	// DownLimit is how long Plan waits for a cluster that does not answer. 0: 1 min.
	DownLimit time.Duration

	Logger *slog.Logger     // nil: slog.Default()
	Clock  func() time.Time // nil: time.Now
	// OnFetch, if set, is told of each fetch of a partition, from the goroutine that plans.
	OnFetch func(topic string, partition int32, records int, bytes int64)
}

// complete reports the first mistake in o and fills in defaults.
func (o *Options) complete() error {
	if len(o.Brokers) == 0 {
		return fault.Usagef("kafka: no brokers: give at least one as host:port")
	}
	for _, b := range o.Brokers {
		if host, port, ok := strings.Cut(b, ":"); !ok || host == "" || port == "" {
			return fault.Usagef("kafka: broker %q: write host:port, such as kafka-1.bank.example:9092", b)
		}
	}
	if len(o.Topics) == 0 && o.Server == "" {
		return fault.Usagef("kafka: nothing to follow: list topics, or name the server, Debezium's topic.prefix")
	}
	seen := map[string]bool{}
	for i := range o.Topics {
		t := &o.Topics[i]
		if t.Name == "" || seen[t.Name] {
			return fault.Usagef("kafka: topic %q is listed twice or has no name", t.Name)
		}
		seen[t.Name] = true
		t.complete()
	}
	if o.Stream == "" {
		if o.Stream = o.Server; o.Stream == "" {
			o.Stream, _, _ = strings.Cut(o.Topics[0].Name, ".")
		}
	}
	o.times()
	if o.FetchBytes == 0 {
		o.FetchBytes = 16 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	_, err := o.SASL.mechanism()
	return err
}

func (o *Options) times() {
	for _, d := range []struct {
		at        *time.Duration
		otherwise time.Duration
	}{
		{&o.StaleLimit, 10 * time.Minute}, {&o.Grace, 2 * time.Second}, {&o.Timeout, 10 * time.Second},
		{&o.Refresh, 10 * time.Second}, {&o.DownLimit, time.Minute},
	} {
		if *d.at == 0 {
			*d.at = d.otherwise
		}
	}
}

func (t *Topic) complete() {
	if t.Table == "" {
		t.Table = t.Name[strings.LastIndexByte(t.Name, '.')+1:]
	}
	if t.Collection == "" {
		if _, rest, ok := strings.Cut(t.Name, "."); ok {
			t.Collection = rest
		} else {
			t.Collection = t.Name
		}
	}
}

// topic says how a topic is followed, if it is.
func (o *Options) topic(name string) (Topic, bool) {
	if name == o.TransactionTopic || name == o.HeartbeatTopic {
		return Topic{}, false
	}
	for _, t := range o.Topics {
		if t.Name == name {
			return t, true
		}
	}
	rest, ok := strings.CutPrefix(name, o.Server+".")
	if len(o.Topics) > 0 || !ok || strings.Count(rest, ".") != 1 {
		return Topic{}, false
	}
	if o.Match != nil && !o.Match.MatchString(name) {
		return Topic{}, false
	}
	t := Topic{Name: name}
	t.complete()
	if o.Configure != nil {
		cfg, ok := o.Configure(name, t.Table)
		if !ok {
			return Topic{}, false
		}
		t.Config = cfg
	}
	return t, true
}

// collection translates a table's name in the transaction topic. A topic that
// would be followed counts even before it exists.
func (o *Options) collection(name string) (string, bool) {
	for _, t := range o.Topics {
		if t.Collection == name || strings.HasSuffix(name, "."+t.Collection) {
			return t.Collection, true
		}
	}
	if len(o.Topics) > 0 {
		return "", false
	}
	t, ok := o.topic(o.Server + "." + name)
	if !ok { // database.schema.table
		if _, rest, cut := strings.Cut(name, "."); cut {
			t, ok = o.topic(o.Server + "." + rest)
		}
	}
	return t.Collection, ok
}
