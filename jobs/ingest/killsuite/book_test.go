package killsuite

import (
	"fmt"
	"slices"
	"time"

	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/sdk/change"
)

// event is what the lake must hold of one message that the source sent.
type event struct {
	seq    int // in the order of the source's log
	tx     int
	date   string // of the transaction's commit, UTC
	table  string // "" for a malformed message
	op     change.Op
	key    int64
	state  row // of the mirror after the event; nil for deletes
	log    row // of the change log, or the dead-letter table
	offset int64
}

// book is what the source sent.
type book struct {
	shards map[string][]event // by offset
	txs    []int              // events of each transaction
	seq    int
	counts map[ledgergen.MessageKind]int
}

func newBook() *book {
	return &book{shards: map[string][]event{}, counts: map[ledgergen.MessageKind]int{}}
}

// pending is a message whose place in the stream is not known yet.
type pending struct {
	ledgergen.Message
	event *event // nil where the lake must hold nothing of it
}

// next takes the messages of one transaction into the book. Their events follow the markers' order.
func (b *book) next(tx ledgergen.Tx, messages []ledgergen.Message) []pending {
	b.txs = append(b.txs, len(tx.Events))
	var out []pending
	i := 0
	for _, m := range messages {
		p := pending{Message: m}
		b.counts[m.Kind]++
		switch m.Kind {
		case ledgergen.Data:
			p.event = b.data(tx, i)
			i++
		case ledgergen.Malformed:
			p.event = &event{tx: -1, log: newRow([]string{"value"}, []any{string(m.Value)})}
		}
		if p.event != nil {
			p.event.seq = b.seq
			b.seq++
		}
		out = append(out, p)
	}
	return out
}

// data describes the i-th event of a transaction.
func (b *book) data(tx ledgergen.Tx, i int) *event {
	ev := tx.Events[i]
	columns := columnsOf(ev.Table)
	e := &event{tx: len(b.txs) - 1, date: time.UnixMicro(tx.At).UTC().Format(time.DateOnly), table: ev.Table, op: ev.Op, key: ev.Row().Key()}
	if ev.After != nil {
		e.state = newRow(columns, ledgergen.Values(ev.After))
	}
	names := append([]string{changelog.ColOp, changelog.ColCommittedAt, changelog.ColTx, changelog.ColTxOrder, changelog.ColLSN}, columns...)
	values := append([]any{string(ev.Op), tx.At, fmt.Sprintf("%d:%d", tx.ID, tx.LSN), int64(i + 1), tx.LSN + int64(i)}, ledgergen.Values(ev.Row())...)
	if ev.Op == change.Update {
		for _, c := range columns {
			names = append(names, changelog.BeforePrefix+c)
		}
		values = append(values, ledgergen.Values(ev.Before)...)
	}
	e.log = newRow(names, values)
	return e
}

// placed notes where a message came to lie.
func (b *book) placed(p pending, shard string, offset int64) {
	if p.event == nil {
		return
	}
	p.event.offset = offset
	at, off := changelog.ColShard, changelog.ColOffset
	if p.event.table == "" {
		at, off = "shard", "offset"
	}
	p.event.log = with(p.event.log, cell{at, shard}, cell{off, offset})
	b.shards[shard] = append(b.shards[shard], *p.event)
}

// with adds columns to a row.
func with(r row, more ...cell) row {
	columns, values := make([]string, 0, len(r)+len(more)), make([]any, 0, len(r)+len(more))
	for _, c := range append(slices.Clone(r), more...) {
		columns, values = append(columns, c.column), append(values, c.value)
	}
	return newRow(columns, values)
}

// columnsOf are a table's columns in the order of ledgergen.Values.
func columnsOf(table string) []string {
	var out []string
	for _, f := range ledgergen.FinalSchema(table).Fields() {
		out = append(out, f.Name)
	}
	return out
}
