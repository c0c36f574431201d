package sourcetest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// Fact is an event as a reader must see it.
type Fact struct {
	Table  string
	Op     change.Op
	Tx     string
	Order  int64
	ID     int64
	Amount string // of decimal(18,2); "" for null
	Note   string
	Extra  string // of a column that appears in mid-stream; "" for null
}

// tables are the tables of the suite's streams.
func tables() []Table {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}, Nullable: true},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	var out []Table
	for _, name := range []string{"orders", "lines", "payments"} {
		out = append(out, Table{name, debezium.Config{Table: name, Schema: schema, Key: []string{"id"}, BatchRows: 7}})
	}
	return out
}

// Stream makes messages and keeps the facts that they say. It is deterministic by its seed.
type Stream struct {
	rnd     *rand.Rand
	shards  int
	markers bool
	lsn     int64
	commit  int64 // of the last transaction
	tx      int64
	now     time.Time
	ids     int64
	grown   bool
	sent    []sentMessage

	Facts      []Fact
	Rejects    int
	Duplicates int64
	Tombstones int64
}

// sentMessage remembers enough for a redelivery.
type sentMessage struct {
	Message
	event bool // a change event that decodes
}

// NewStream makes an empty stream over tables with so many shards each.
func NewStream(seed uint64, shards int, markers bool) *Stream {
	return &Stream{
		rnd: rand.New(rand.NewPCG(seed, 0x736f75726365)), shards: shards, markers: markers, lsn: 24_000_000, commit: 24_000_000,
		now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
	}
}

// Tx sends a transaction of n events over random tables and shards.
func (s *Stream) Tx(n int) []Message { return s.tx1(n, -1) }

// TxWithGarbage sends a transaction of n events of which one cannot even be read.
func (s *Stream) TxWithGarbage(n int) []Message { return s.tx1(n, s.rnd.IntN(n)) }

// tx1 sends a transaction; its event number garbage is malformed, -1 for none.
func (s *Stream) tx1(n, garbage int) []Message {
	s.tx++
	if s.rnd.IntN(3) > 0 { // some commit in the same millisecond
		s.now = s.now.Add(time.Duration(s.rnd.IntN(2000)) * time.Millisecond)
	}
	id := fmt.Sprintf("%d:%d", s.tx, s.lsn)
	var out []Message
	if s.markers {
		out = append(out, s.marker(id, "BEGIN", nil))
	}
	counts := map[string]int{}
	names := tables()
	// A transaction that began early has lower positions than those that committed before it.
	base := s.lsn - int64(s.rnd.IntN(500))
	for i := range n {
		table := names[s.rnd.IntN(len(names))].Name
		counts[table]++
		f := s.fact(table, id, int64(i+1))
		m := s.event(f, base+int64(i), counts[table])
		if i == garbage {
			m.Value = m.Value[:len(m.Value)-30]
			s.Rejects++
			out = append(out, m)
			s.sent = append(s.sent, sentMessage{m, false})
			continue
		}
		s.Facts = append(s.Facts, f)
		out = append(out, m)
		s.sent = append(s.sent, sentMessage{m, true})
		if f.Op == change.Delete && s.rnd.IntN(2) == 0 {
			m.Value = nil
			s.Tombstones++
			out = append(out, m)
			s.sent = append(s.sent, sentMessage{m, false})
		}
	}
	s.lsn += int64(n) + 1
	s.commit = s.lsn
	if s.markers {
		out = append(out, s.marker(id, "END", counts))
	}
	return out
}

func (s *Stream) fact(table, tx string, order int64) Fact {
	s.ids++
	f := Fact{Table: table, Tx: tx, Order: order, ID: s.ids, Op: change.Create}
	switch s.rnd.IntN(5) {
	case 0:
		f.Op = change.Update
	case 1:
		f.Op = change.Delete
	}
	f.Amount = fmt.Sprintf("%d.%02d", s.rnd.IntN(100000), s.rnd.IntN(100))
	f.Note = "note " + strconv.Itoa(s.rnd.IntN(1000))
	if s.grown {
		f.Extra = "extra " + strconv.Itoa(s.rnd.IntN(10))
	}
	return f
}

// event encodes a fact.
func (s *Stream) event(f Fact, lsn int64, nth int) Message {
	row := fmt.Sprintf(`{"id":%d,"amount":"%s","note":"%s"`, f.ID, f.Amount, f.Note)
	if f.Extra != "" {
		row += fmt.Sprintf(`,"extra":"%s"`, f.Extra)
	}
	row += "}"
	before, after := "null", row
	switch f.Op {
	case change.Update:
		before = row
	case change.Delete:
		before, after = row, "null"
	}
	block := "null"
	if f.Tx != "" {
		block = fmt.Sprintf(`{"id":"%s","total_order":%d,"data_collection_order":%d}`, f.Tx, f.Order, nth)
	}
	value := fmt.Sprintf(`{"before":%s,"after":%s,"source":{"version":"3.1.0.Final","connector":"postgresql","name":"shop","ts_ms":%d,`+
		`"snapshot":"%v","db":"core","sequence":"[\"%d\",\"%d\"]","schema":"shop","table":"%s","txId":%d,"lsn":%d},"transaction":%s,"op":"%s","ts_ms":%d}`,
		before, after, s.now.UnixMilli(), f.Op == change.Read, s.commit, lsn, f.Table, s.tx, lsn, block, f.Op, s.now.UnixMilli()+5)
	return Message{Table: f.Table, Shard: s.rnd.IntN(s.shards), Key: fmt.Appendf(nil, `{"id":%d}`, f.ID), Value: []byte(value), At: s.now}
}

// marker encodes a BEGIN or END.
func (s *Stream) marker(id, status string, counts map[string]int) Message {
	value := fmt.Sprintf(`{"status":"%s","id":"%s","event_count":null,"data_collections":null,"ts_ms":%d}`, status, id, s.now.UnixMilli())
	if status == "END" {
		total, list := 0, ""
		for _, t := range tables() {
			if n := counts[t.Name]; n > 0 {
				total += n
				list += fmt.Sprintf(`,{"data_collection":"shop.%s","event_count":%d}`, t.Name, n)
			}
		}
		if list != "" {
			list = list[1:]
		}
		value = fmt.Sprintf(`{"status":"END","id":"%s","event_count":%d,"data_collections":[%s],"ts_ms":%d}`, id, total, list, s.now.UnixMilli())
	}
	m := Message{Kind: Marker, Key: fmt.Appendf(nil, `{"id":"%s"}`, id), Value: []byte(value), At: s.now}
	s.sent = append(s.sent, sentMessage{m, false})
	return m
}

// Wait lets time pass, or run backwards, in the source.
func (s *Stream) Wait(d time.Duration) { s.now = s.now.Add(d) }

// Snapshot sends n rows of a snapshot, which belong to no transaction.
func (s *Stream) Snapshot(n int) []Message {
	var out []Message
	names := tables()
	for range n {
		f := s.fact(names[s.rnd.IntN(len(names))].Name, "", 0)
		f.Op = change.Read
		s.Facts = append(s.Facts, f)
		out = append(out, s.event(f, s.lsn, 0))
	}
	return out
}

// Heartbeat sends a heartbeat.
func (s *Stream) Heartbeat() []Message {
	s.now = s.now.Add(10 * time.Second)
	return []Message{{
		Kind: Heartbeat, Key: []byte(`{"serverName":"shop"}`), Value: fmt.Appendf(nil, `{"ts_ms":%d}`, s.now.UnixMilli()), At: s.now,
	}}
}

// Garbage sends a message that is no event of any transaction.
func (s *Stream) Garbage() []Message {
	s.Rejects++
	bad := []string{`not json`, `{"op":"z","after":{}}`, `{"before":null,"after":{"id":"seven"},"op":"c","source":{"ts_ms":1,"lsn":1}}`, `{"op":"c","after":{"id":1`, `[]`}
	names := tables()
	return []Message{{Table: names[s.rnd.IntN(len(names))].Name, Shard: s.rnd.IntN(s.shards), Value: []byte(bad[s.rnd.IntN(len(bad))]), At: s.now}}
}

// Grow adds a column to all events that follow.
func (s *Stream) Grow() { s.grown = true }

// Redeliver sends the last n messages of transactions again, as a connector does that
// restarts from an earlier place. A message that is malformed is rejected again.
func (s *Stream) Redeliver(n int) []Message {
	from := max(0, len(s.sent)-n)
	var out []Message
	for _, m := range s.sent[from:] {
		switch {
		case m.event:
			s.Duplicates++
		case m.Kind == Data && m.Value == nil:
			s.Tombstones++
		case m.Kind == Data:
			s.Rejects++
		}
		out = append(out, m.Message)
	}
	return out
}

// Random sends a bit of everything, about n transactions. The last message closes what is before it.
func (s *Stream) Random(n int, dirt bool) []Message {
	out := s.Snapshot(s.rnd.IntN(20))
	for range n {
		out = append(out, s.Tx(1+s.rnd.IntN(8))...)
		switch s.rnd.IntN(12) {
		case 0:
			out = append(out, s.Heartbeat()...)
		case 1:
			if dirt {
				out = append(out, s.Garbage()...)
			}
		case 2:
			if dirt && s.markers {
				out = append(out, s.TxWithGarbage(1+s.rnd.IntN(5))...)
			}
		case 3:
			if dirt {
				out = append(out, s.Redeliver(1+s.rnd.IntN(25))...)
			}
		case 4:
			out = append(out, s.Snapshot(s.rnd.IntN(5))...)
		}
	}
	return append(out, s.Heartbeat()...)
}
