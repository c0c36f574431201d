package planner

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/cut"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// Record is one message of a shard.
type Record struct {
	Offset     int64
	Key, Value []byte
	At         int64 // the stream's time stamp, microseconds UTC; 0 where it has none
	Control    bool  // bookkeeping of the log itself: no message
}

// size is what a record counts for limits.
func (r *Record) size() int64 { return int64(len(r.Key) + len(r.Value)) }

// sent is the time at which a heartbeat was sent: the stream's time stamp, or else what its value says.
func (r *Record) sent() int64 {
	if r.At != 0 {
		return r.At
	}
	var beat struct {
		TS      int64 `json:"ts_ms"`
		Payload struct {
			TS int64 `json:"ts_ms"`
		} `json:"payload"`
	}
	if json.Unmarshal(r.Value, &beat) != nil {
		return 0 // it only moves the position
	}
	return max(beat.TS, beat.Payload.TS) * 1000
}

// message is what decoding a record came to.
type message struct {
	ev        cut.Event
	skip      bool // tombstone, heartbeat or control record
	tombstone bool
	err       error // why it was rejected
}

// decode appends a record to the decoder and describes it.
func (d *shardDecoder) decode(r *Record) (message, error) {
	if r.Control {
		return message{ev: cut.Event{Offset: r.Offset, Bytes: r.size()}, skip: true}, nil
	}
	m, err := d.dec.Append(r.Offset, r.Key, r.Value)
	if err != nil && errors.Is(err, debezium.ErrSchemaChange) {
		return message{}, err
	}
	msg := message{err: err, skip: err == nil && (m.Tombstone || m.Heartbeat), tombstone: m.Tombstone}
	msg.ev = cut.Event{
		Offset: r.Offset, Bytes: r.size(), Tx: m.Tx, Order: m.TxOrder, At: m.CommittedAt, Sent: r.At,
		Rejected: err != nil, Unknown: err != nil && m == debezium.Meta{},
	}
	if r.At == 0 {
		msg.ev.Sent = m.CommittedAt
	}
	if m.Op != change.Read && m.LSN != 0 && (err == nil || m.Tx != "") {
		msg.ev.Key = d.key(m, r.Value)
	}
	return msg, nil
}

// shardDecoder is a table's decoder for one shard.
type shardDecoder struct {
	dec  *debezium.Decoder
	log  logOrder
	tail int // distance of the sequence member from the message's end, as last seen

	msgs    []message
	rejects []source.Rejected
	told    int64 // offset behind what it has seen
	stopped error
}

func newShardDecoder(cfg debezium.Config) (*shardDecoder, error) {
	d, err := debezium.New(cfg)
	return &shardDecoder{dec: d}, err
}

// logOrder says how a connector's LSNs relate to commits.
type logOrder uint8

const (
	orderUnseen   logOrder = iota
	orderLSN               // LSNs are in commit order: a MySQL binlog holds transactions one after the other
	orderSequence          // source.sequence gives the commit before the transaction
	orderNone
)

// key is the event's place in commit order; zero where the connector does not tell.
func (d *shardDecoder) key(m debezium.Meta, value []byte) cut.Key {
	if d.log == orderUnseen {
		d.log = seeOrder(value)
	}
	k := cut.Key{LSN: m.LSN, Order: m.TxOrder}
	switch d.log {
	case orderLSN:
		return k
	case orderSequence:
		var ok bool
		if k.Commit, ok = d.previousCommit(value); ok {
			return k
		}
	}
	return cut.Key{}
}

var sequenceName = []byte(`"sequence":"[`)

// seeOrder finds out which connector sent an event.
func seeOrder(value []byte) logOrder {
	switch {
	case bytes.Contains(value, []byte(`"connector":"mysql"`)), bytes.Contains(value, []byte(`"connector":"mariadb"`)):
		return orderLSN
	case bytes.Contains(value, sequenceName):
		return orderSequence
	}
	return orderNone
}

// previousCommit reads the first number of source.sequence, which PostgreSQL's
// connector writes as "[\"24023128\",\"24023136\"]": the LSN of the commit before. A first
// element of null, before any commit, counts as 1.
func (d *shardDecoder) previousCommit(value []byte) (int64, bool) {
	at := lastIndexNear(value, len(value)-d.tail)
	if at < 0 {
		return 0, false
	}
	d.tail = len(value) - at
	rest := value[at+len(sequenceName):]
	if bytes.HasPrefix(rest, []byte("null")) {
		return 1, true
	}
	if !bytes.HasPrefix(rest, []byte(`\"`)) {
		return 0, false
	}
	rest = rest[2:]
	end := 0
	for end < len(rest) && rest[end]-'0' <= 9 {
		end++
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	return n, err == nil && bytes.HasPrefix(rest[end:], []byte(`\"`))
}

// lastIndexNear finds the sequence member in a message: where the last message had
// it, a few bytes off, or else the last one in the message.
func lastIndexNear(value []byte, at int) int {
	const near = 24
	if from, to := at-near, at+near+len(sequenceName); from > 0 && from < len(value) {
		if i := bytes.Index(value[from:min(to, len(value))], sequenceName); i >= 0 {
			return from + i
		}
	}
	return bytes.LastIndex(value, sequenceName)
}

// reject describes a record that could not be decoded. It copies key and value.
func reject(table, shard string, r *Record, err error) source.Rejected {
	out := source.Rejected{
		Table: table, Shard: shard, Offset: r.Offset, Reason: err.Error(),
		Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value),
	}
	if r.At != 0 {
		out.At = time.UnixMicro(r.At).UTC()
	}
	return out
}
