package ledgergen

import (
	"iter"
	"math/rand/v2"
	"strconv"

	"github.com/millrace/millrace/sdk/change"
)

// Message is one record of a Kafka topic.
type Message struct {
	Topic string
	Key   []byte // nil for the transaction topic's and malformed messages
	Value []byte // nil for a tombstone
	At    int64  // microseconds UTC
	Kind  MessageKind
}

// MessageKind says what a message is, so that tests can count.
type MessageKind int

// The kinds of messages.
const (
	Data MessageKind = iota
	Tombstone
	Begin
	End
	Heartbeat
	Duplicate // an event or marker sent a second time
	Malformed // a message that no decoder may accept
)

// Encoder turns transactions into the messages that Debezium's PostgreSQL
// connector sends: a topic a table, and the transaction topic.
type Encoder struct {
	cfg    Config
	rnd    *rand.Rand
	recent []Message // of the last transactions, for redelivery
	sent   int64
}

// NewEncoder makes an encoder for a bank's configuration.
func NewEncoder(cfg Config) (*Encoder, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Encoder{cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 0x64697274))}, nil
}

// Topic is the topic of a table.
func (c Config) Topic(table string) string { return c.server() + ".ledger." + table }

// TransactionTopic is the topic of BEGIN and END markers.
func (c Config) TransactionTopic() string { return c.server() + ".transaction" }

// HeartbeatTopic is Debezium's heartbeat topic.
func (c Config) HeartbeatTopic() string { return "__debezium-heartbeat." + c.server() }

func (c Config) server() string {
	if c.Server == "" {
		return "bank"
	}
	return c.Server
}

// Topics lists every topic that the encoder writes to.
func (c Config) Topics() []string {
	var all []string
	for _, t := range TableNames() {
		all = append(all, c.Topic(t))
	}
	return append(all, c.TransactionTopic(), c.HeartbeatTopic())
}

// redeliverEvery and malformedEvery are how many transactions lie between two pieces of dirt.
const redeliverEvery, malformedEvery, heartbeatEvery = 997, 641, 500

// Messages yields the messages of one transaction, in the order they are sent, and the dirt that follows it.
func (e *Encoder) Messages(t Tx) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		e.sent++
		clean := e.clean(t)
		for _, m := range clean {
			if !yield(m) {
				return
			}
		}
		for _, m := range e.dirt(t, clean) {
			if !yield(m) {
				return
			}
		}
	}
}

// clean encodes one transaction: BEGIN, its events, END.
func (e *Encoder) clean(t Tx) []Message {
	id := strconv.FormatInt(t.ID, 10) + ":" + strconv.FormatInt(t.LSN, 10)
	out := make([]Message, 0, len(t.Events)+3)
	out = append(out, e.marker(Begin, t, id, nil))
	var counts [6]int64
	for i, ev := range t.Events {
		n := tableIndex(ev.Table)
		counts[n]++
		out = append(out, Message{Topic: e.cfg.Topic(ev.Table), Key: e.key(ev), Value: e.value(t, ev, id, i, counts[n]), At: t.At})
		if ev.Op == change.Delete {
			out = append(out, Message{Topic: e.cfg.Topic(ev.Table), Key: e.key(ev), At: t.At, Kind: Tombstone})
		}
	}
	return append(out, e.marker(End, t, id, counts[:]))
}

// dirt makes what a careless world adds after a transaction.
func (e *Encoder) dirt(t Tx, clean []Message) []Message {
	var out []Message
	if e.sent%heartbeatEvery == 0 {
		out = append(out, Message{Topic: e.cfg.HeartbeatTopic(), Key: []byte(`{"serverName":"` + e.cfg.Server + `"}`), Value: []byte(`{"ts_ms":` + strconv.FormatInt(t.At/1000, 10) + `}`), At: t.At, Kind: Heartbeat})
	}
	if e.cfg.Clean {
		return out
	}
	e.recent = append(e.recent, clean...)
	if len(e.recent) > 60 {
		e.recent = e.recent[len(e.recent)-60:]
	}
	if e.sent%redeliverEvery == 0 {
		out = append(out, e.redelivery()...)
	}
	if e.sent%malformedEvery == 0 {
		out = append(out, e.malformed(t))
	}
	return out
}

// redelivery is what a connector that restarted sends again: whole transactions from some BEGIN on.
func (e *Encoder) redelivery() []Message {
	from := e.rnd.IntN(len(e.recent))
	for from > 0 && e.recent[from].Kind != Begin {
		from--
	}
	for from < len(e.recent) && e.recent[from].Kind != Begin {
		from++
	}
	var out []Message
	for _, m := range e.recent[from:] {
		m.Kind = Duplicate
		out = append(out, m)
	}
	return out
}

// malformed makes a message that is broken in one of several ways.
func (e *Encoder) malformed(t Tx) Message {
	m := Message{Topic: e.cfg.Topic(Entries), At: t.At, Kind: Malformed}
	switch e.rnd.IntN(4) {
	case 0:
		m.Value = []byte(`{"before":null,"after":{"entry_id":`)
	case 1:
		m.Value = []byte(`not json at all`)
	case 2:
		m.Value = []byte(`{"before":null,"after":{"entry_id":"seven","amount":"!!"},"op":"c","source":{"ts_ms":1,"lsn":1}}`)
	default:
		m.Value = []byte(`{"op":"z","after":{}}`)
	}
	return m
}

func tableIndex(table string) int {
	for i, t := range TableNames() {
		if t == table {
			return i
		}
	}
	return len(TableNames())
}

func (e *Encoder) key(ev Event) []byte {
	b := field(nil, '{', keyColumn(ev.Table), ev.Row().Key())
	b = append(b, '}')
	if e.cfg.InlineSchema {
		return wrap(keySchema(ev.Table), b)
	}
	return b
}

// value encodes the envelope of one event.
func (e *Encoder) value(t Tx, ev Event, id string, i int, nth int64) []byte {
	b := make([]byte, 0, 1024)
	b = append(b, `{"before":`...)
	b = image(b, ev.Before)
	b = append(b, `,"after":`...)
	b = image(b, ev.After)
	b = append(b, `,"source":{"version":"3.1.0.Final","connector":"postgresql","name":"`...)
	b = append(b, e.cfg.Server...)
	b = append(b, '"')
	b = field(b, ',', "ts_ms", t.At/1000)
	b = append(b, `,"snapshot":"false","db":"core","sequence":"[\"`...)
	b = strconv.AppendInt(b, t.LSN-1, 10)
	b = append(b, `\",\"`...)
	b = strconv.AppendInt(b, t.LSN+int64(i), 10)
	b = append(b, `\"]"`...)
	b = field(b, ',', "ts_us", t.At)
	b = field(b, ',', "ts_ns", t.At*1000)
	b = append(b, `,"schema":"ledger","table":"`...)
	b = append(b, ev.Table...)
	b = append(b, '"')
	b = field(b, ',', "txId", t.ID)
	b = field(b, ',', "lsn", t.LSN+int64(i))
	b = append(b, `,"xmin":null},"transaction":{"id":"`...)
	b = append(b, id...)
	b = append(b, '"')
	b = field(b, ',', "total_order", int64(i+1))
	b = field(b, ',', "data_collection_order", nth)
	b = append(b, `},"op":"`...)
	b = append(b, byte(ev.Op))
	b = append(b, '"')
	b = field(b, ',', "ts_ms", t.At/1000+7)
	b = field(b, ',', "ts_us", t.At+7000)
	b = field(b, ',', "ts_ns", (t.At+7000)*1000)
	b = append(b, '}')
	if e.cfg.InlineSchema {
		return wrap(e.valueSchema(ev), b)
	}
	return b
}

func image(b []byte, r Row) []byte {
	if r == nil {
		return append(b, "null"...)
	}
	return r.appendJSON(b)
}

// marker encodes a BEGIN or END of the transaction topic.
func (e *Encoder) marker(kind MessageKind, t Tx, id string, counts []int64) Message {
	status := "BEGIN"
	if kind == End {
		status = "END"
	}
	b := append([]byte(`{"status":"`), status...)
	b = append(b, `","id":"`...)
	b = append(b, id...)
	b = append(b, '"')
	if kind == End {
		b = field(b, ',', "event_count", int64(len(t.Events)))
		b = append(b, `,"data_collections":[`...)
		first := true
		for i, n := range counts {
			if n == 0 {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(b, `{"data_collection":"ledger.`...)
			b = append(b, TableNames()[i]...)
			b = append(b, '"')
			b = field(b, ',', "event_count", n)
			b = append(b, '}')
		}
		b = append(b, ']')
	} else {
		b = append(b, `,"event_count":null,"data_collections":null`...)
	}
	b = field(b, ',', "ts_ms", t.At/1000)
	b = append(b, '}')
	key := append([]byte(`{"id":"`), id...)
	return Message{Topic: e.cfg.TransactionTopic(), Key: append(key, `"}`...), Value: b, At: t.At, Kind: kind}
}
