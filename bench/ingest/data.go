package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// fileEvents is how many events a file of the table of files holds.
const fileEvents = 125_000

// entrySchema is what the events' rows hold.
var entrySchema = arrow.NewSchema([]arrow.Field{
	{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "transaction_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "account_id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	{Name: "balance", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	{Name: "currency", Type: arrow.BinaryTypes.String},
	{Name: "channel", Type: arrow.BinaryTypes.String},
	{Name: "reference", Type: arrow.BinaryTypes.String},
	{Name: "memo", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "booked_at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
	{Name: "value_date", Type: arrow.FixedWidthTypes.Date32},
}, nil)

// truth is what a table of the events must add up to.
type truth struct {
	Rows      int64  `json:"rows"`
	EntryIDs  int64  `json:"entry_ids"`
	Accounts  int64  `json:"accounts"`
	Amount    string `json:"amount"`
	Balance   string `json:"balance"`
	Texts     int64  `json:"texts"` // bytes of all texts
	Memos     int64  `json:"memos"` // rows with one
	BookedAt  string `json:"booked_at"`
	ValueDate int64  `json:"value_date"`
	TxBytes   int64  `json:"tx_bytes"`
	LSN       string `json:"lsn"`
	Bytes     int64  `json:"-"` // of the events
}

// events makes the change events of a table of ledger entries, two to a transaction, as Debezium's connector for PostgreSQL
// writes them with decimal.handling.mode=string. It is deterministic.
type events struct {
	schema  string // of Kafka Connect, inline; "": none
	changes bool   // every tenth event changes or deletes an entry that was made shortly before
	recent  [20]entry
	random  uint64
	n       int64
	id      int64 // of the last event's entry
	deleted bool  // by the last event
	balance int64
	sum     struct{ amount, balance, bookedAt, lsn decimal128.Num }
	truth   truth
	buf     []byte
}

func newEvents(inline bool) *events {
	e := &events{random: 88172645463325252}
	if inline {
		e.schema = connectSchema()
	}
	return e
}

func (e *events) next() uint64 {
	e.random ^= e.random << 13
	e.random ^= e.random >> 7
	e.random ^= e.random << 17
	return e.random
}

var (
	currencies = []string{"CZK", "EUR", "USD", "GBP"}
	channels   = []string{"card", "online", "branch", "clearing", "standing order"}
	memos      = []string{"card purchase", "transfer", "salary", "cash withdrawal and fee", "loan instalment"}
)

// firstBooking is the time of the first event, microseconds since 1970.
const firstBooking = 1_764_000_000_000_000

// event gives the next event, which is valid until the one after it.
func (e *events) event() []byte {
	tx, at := e.n/2, firstBooking+e.n/2*1500
	lsn := 24_000_000 + e.n*3
	txID := strconv.AppendInt(nil, 700+tx, 10)
	txID = strconv.AppendInt(append(txID, ':'), 24_000_000+tx*6, 10)
	op, before, after := e.change(tx, at)
	if e.deleted = after == nil; e.deleted {
		e.id = before.id
	} else {
		e.id = after.id
	}

	b := e.buf[:0]
	if e.schema != "" {
		b = append(append(append(b, `{"schema":`...), e.schema...), `,"payload":`...)
	}
	b = append(append(append(b, `{"before":`...), image(before)...), `,"after":`...)
	b = append(b, image(after)...)
	b = number(append(b, `,"source":{"version":"3.1.0.Final","connector":"postgresql","name":"bank","ts_ms":`...), at/1000)
	b = number(append(b, `,"snapshot":"false","db":"core","sequence":"[\"`...), lsn-1)
	b = number(append(b, `\",\"`...), lsn)
	b = number(append(b, `\"]","ts_us":`...), at)
	b = number(append(b, `,"schema":"ledger","table":"entries","txId":`...), 700+tx)
	b = number(append(b, `,"lsn":`...), lsn)
	b = append(append(b, `,"xmin":null},"transaction":{"id":"`...), txID...)
	b = number(append(b, `","total_order":`...), e.n%2+1)
	b = number(append(b, `,"data_collection_order":`...), e.n%2+1)
	b = append(append(b, `},"op":"`...), op)
	b = number(append(b, `","ts_ms":`...), at/1000+7)
	b = append(b, '}')
	if e.schema != "" {
		b = append(b, '}')
	}
	e.buf = append(b, '\n')

	e.n++
	e.truth.TxBytes += int64(len(txID))
	e.truth.Bytes += int64(len(e.buf))
	e.sum.lsn = e.sum.lsn.Add(decimal128.FromI64(lsn))
	return e.buf
}

// entry is one row of the table.
type entry struct {
	id, account, amount, balance, texts, memos, bookedAt, day int64
	json                                                      []byte
}

// image is a row as an event has it, null where there is none.
func image(r *entry) []byte {
	if r == nil {
		return []byte("null")
	}
	return r.json
}

// change makes the next event's row, and the one before it.
func (e *events) change(tx, at int64) (op byte, before, after *entry) {
	slot := &e.recent[e.n%20]
	switch {
	case e.changes && e.n%20 == 9:
		old := &e.recent[(e.n-5)%20]
		e.count(old, -1)
		e.entry(slot, old.id, tx, at)
		e.count(slot, 1)
		return 'u', old, slot
	case e.changes && e.n%20 == 19:
		old := &e.recent[(e.n-11)%20]
		e.count(old, -1)
		return 'd', old, nil
	}
	e.entry(slot, e.n+1, tx, at)
	e.count(slot, 1)
	return 'c', nil, slot
}

// entry makes up a row.
func (e *events) entry(into *entry, id, tx, at int64) {
	r := e.next()
	account, amount := 1_000_000+int64(r>>8)%50_000, int64(r>>24)%2_000_000-1_000_000
	e.balance = (e.balance + amount + 7_777) % 1_000_000_000
	currency, channel := currencies[r%4], channels[r>>3%5]
	reference := fmt.Appendf(nil, "RF%018X", e.next()>>4)
	day := at / 86_400_000_000
	*into = entry{id: id, account: account, amount: amount, balance: e.balance, bookedAt: at, day: day,
		texts: int64(len(currency) + len(channel) + len(reference)), json: into.json[:0]}
	b := number(append(into.json, `{"entry_id":`...), id)
	b = number(append(b, `,"transaction_id":`...), tx+1)
	b = number(append(b, `,"account_id":`...), account)
	b = cents(append(b, `,"amount":"`...), amount)
	b = cents(append(b, `","balance":"`...), e.balance)
	b = append(append(b, `","currency":"`...), currency...)
	b = append(append(b, `","channel":"`...), channel...)
	b = append(append(b, `","reference":"`...), reference...)
	if r%20 == 0 {
		b = append(b, `","memo":null`...)
	} else {
		memo := memos[r>>12%5]
		b = append(append(append(b, `","memo":"`...), memo...), '"')
		into.memos = 1
		into.texts += int64(len(memo))
	}
	b = number(append(b, `,"booked_at":`...), at)
	b = number(append(b, `,"value_date":`...), day)
	into.json = append(b, '}')
}

// count adds a row to what the table must add up to, or with -1 takes it out.
func (e *events) count(r *entry, sign int64) {
	t := &e.truth
	t.Rows, t.EntryIDs, t.Accounts = t.Rows+sign, t.EntryIDs+sign*r.id, t.Accounts+sign*r.account
	t.Texts, t.Memos, t.ValueDate = t.Texts+sign*r.texts, t.Memos+sign*r.memos, t.ValueDate+sign*r.day
	for s, v := range map[*decimal128.Num]int64{&e.sum.amount: r.amount, &e.sum.balance: r.balance, &e.sum.bookedAt: r.bookedAt} {
		*s = s.Add(decimal128.FromI64(sign * v))
	}
}

func number(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

func cents(b []byte, n int64) []byte {
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	b = append(number(b, n/100), '.')
	return append(b, byte('0'+n%100/10), byte('0'+n%10))
}

func (e *events) sums() truth {
	t := e.truth
	t.Amount, t.Balance = e.sum.amount.ToString(2), e.sum.balance.ToString(2)
	t.BookedAt, t.LSN = e.sum.bookedAt.ToString(0), e.sum.lsn.ToString(0)
	return t
}

// ensureFiles makes the files of n events in a folder of their own, unless they are there, and gives their sums.
func ensureFiles(dir string, n int64, inline bool) (folder string, size int64, t truth, err error) {
	kind := "plain"
	if inline {
		kind = "inline"
	}
	folder = filepath.Join(dir, "events", fmt.Sprintf("%s-%d", kind, n))
	if b, err := os.ReadFile(filepath.Join(folder, "truth.json")); err == nil {
		var saved struct {
			Truth truth
			Bytes int64
		}
		err := json.Unmarshal(b, &saved)
		return folder, saved.Bytes, saved.Truth, err
	}
	if err := os.RemoveAll(folder); err != nil {
		return "", 0, t, err
	}
	e := newEvents(inline)
	for i := int64(0); e.n < n; i++ {
		if err := writeFile(filepath.Join(folder, "entries", fmt.Sprintf("%06d.ndjson", i)), e, min(fileEvents, n-e.n)); err != nil {
			return "", 0, t, err
		}
	}
	// What a heartbeat after the last event tells: that its transaction is complete.
	beat := fmt.Sprintf(`{"ts_ms":%d}`+"\n", (firstBooking+n*1500)/1000+1000)
	if err := os.MkdirAll(filepath.Join(folder, "heartbeats"), 0o755); err != nil {
		return "", 0, t, err
	}
	if err := os.WriteFile(filepath.Join(folder, "heartbeats", "000000.ndjson"), []byte(beat), 0o644); err != nil {
		return "", 0, t, err
	}
	b, err := json.Marshal(struct {
		Truth truth
		Bytes int64
	}{e.sums(), e.truth.Bytes})
	if err != nil {
		return "", 0, t, err
	}
	return folder, e.truth.Bytes, e.sums(), os.WriteFile(filepath.Join(folder, "truth.json"), b, 0o644)
}

func writeFile(path string, e *events, n int64) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	for range n {
		if _, err := w.Write(e.event()); err != nil {
			return err
		}
	}
	return w.Flush()
}
