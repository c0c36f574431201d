package debezium

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// maxMessage bounds a message: its unescaped text must have 32-bit offsets.
const maxMessage = math.MaxInt32 / 8

// Decoder turns the change events of one table into batches of columns.
// It is not safe for concurrent use; create one for each goroutine.
type Decoder struct {
	cfg     Config
	lay     *layout
	s       scanner // of values
	k       scanner // of message keys
	seg     *segment
	done    []*source.Batch
	pending int   // rows in done
	last    sizes // of the segment sealed last
	keys    []string
	keyed   bool     // keys are known
	learned bool     // the columns are known: new ones are subject to cfg.Evolve
	untyped []string // fields of the current message that are null and have no column
	lastTx  string
	arena   []byte // transaction ids; written once, never moved
	learner learner
	// scanOnly turns the predictor off.
	scanOnly bool
}

// New compiles a decoder. Its errors are usage errors.
func New(cfg Config) (*Decoder, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	d := &Decoder{cfg: cfg, keys: cfg.Key, keyed: len(cfg.Key) > 0, learned: cfg.Schema != nil}
	var cols []column
	if cfg.Schema != nil {
		for _, f := range cfg.Schema.Fields() {
			c, err := d.column(f)
			if err != nil {
				return nil, err // validate has checked
			}
			c.declared = true
			cols = append(cols, c)
		}
	}
	d.s.newsFrom.untyped, d.s.newsFrom.hidden = map[string]bool{}, cfg.Flattened
	d.relayout(cols)
	return d, nil
}

// Schema is the table's columns so far: the declared ones, then learned ones in
// the order of their appearance. A batch has the schema that was current when its
// rows were appended. It has no columns before the first event if none are declared.
func (d *Decoder) Schema() *arrow.Schema { return d.lay.schema }

// Key is the primary key's column names; nil as long as they are not known.
func (d *Decoder) Key() []string { return d.keys }

// Rows is the number of rows appended since the last Flush.
func (d *Decoder) Rows() int {
	if d.seg == nil {
		return d.pending
	}
	return d.pending + d.seg.rows
}

// use makes l the current layout. Rows of the earlier one stay in their segment.
func (d *Decoder) use(l *layout) {
	d.lay = l
	d.s.use(l)
	d.k.use(l)
	d.s.newsFrom.nulls = !d.learned || d.cfg.Evolve == EvolveFail
	d.s.newsFrom.ignore = d.learned && d.cfg.Evolve == EvolveIgnore
}

// Append decodes one message, whose place in its shard is offset, into the next
// row. A tombstone (an empty or null value) and a heartbeat add no row and are no
// error. The message key is read only to learn the key's columns and for deletes
// without an image. After an error nothing has been added; see the package's
// comment for the kinds of error. Neither key nor value is kept.
func (d *Decoder) Append(offset int64, key, value []byte) (m Meta, err error) {
	before, keys, keyed := d.lay, d.keys, d.keyed
	if err = d.append(offset, key, value, &m); err == nil {
		return m, nil
	}
	d.keys, d.keyed = keys, keyed
	if d.lay != before {
		d.use(before)
	}
	m = Meta{}
	d.metaAfterError(value, &m)
	return m, err
}

// append does Append's work but for taking layout and key back after an error.
func (d *Decoder) append(offset int64, key, value []byte, m *Meta) error {
	if len(value) > maxMessage || len(key) > maxMessage {
		return &DecodeError{Byte: -1, Msg: fmt.Sprintf("a message of more than %d bytes", maxMessage)}
	}
	d.untyped = d.untyped[:0]
	if !d.keyed {
		d.learnKey(key)
	}
	if d.scanOnly || !d.predict(value) {
		null, err := d.read(value)
		if err != nil {
			return err
		}
		if null {
			m.Tombstone = true
			return nil
		}
	}
	op, err := d.op(value)
	if err != nil {
		return err
	}
	d.meta(op, value, m)
	if m.Heartbeat {
		return nil
	}
	first, err := d.rowImage(op, key, value)
	if err != nil {
		return err
	}
	d.commit(offset, first, m, value)
	return nil
}

// metaAfterError is what can be said of a message that was refused.
func (d *Decoder) metaAfterError(value []byte, m *Meta) {
	if len(value) > maxMessage {
		return
	}
	d.s.metaOnly = true
	null, ok := d.s.scan(d.lay.root, value, nil)
	d.s.metaOnly = false
	if !ok || null {
		return
	}
	op, err := d.op(value)
	if err != nil {
		op = 0
	}
	d.meta(op, value, m)
}

// op is the message's operation, 0 for a heartbeat.
func (d *Decoder) op(value []byte) (change.Op, error) {
	if d.s.has(mOp) {
		if x := d.s.num[mOp]; x > 0 && change.Op(x).Valid() {
			return change.Op(x), nil
		}
		return 0, &DecodeError{Byte: -1, Msg: fmt.Sprintf("op %.20q is not a change of a row", d.s.text(mOp, value))}
	}
	if d.s.present == 0 && d.s.has(mSentMillis) {
		return 0, nil
	}
	if d.cfg.Flattened {
		return 0, &DecodeError{Byte: -1, Msg: "no __op: let the transform ExtractNewRecordState add it (add.fields=op)"}
	}
	return 0, &DecodeError{Byte: -1, Msg: "no op: the message is no Debezium envelope"}
}

// meta collects what the scanned message says about itself.
func (d *Decoder) meta(op change.Op, value []byte, m *Meta) {
	s := &d.s
	m.Op = op
	m.Heartbeat = op == 0 && s.has(mSentMillis) && !s.has(mOp) && s.present == 0
	if tx := s.text(mTx, value); len(tx) > 0 {
		m.Tx = d.intern(tx)
		m.TxOrder, m.CollectionOrder = s.integer64(mTxOrder), s.integer64(mCollOrder)
	}
	m.LSN, m.CommittedAt = s.lsn(value), s.committedAt()
}

// rowImage finds the first slot of the row's image: after, or before for deletes, or 0 for a row of nulls.
func (d *Decoder) rowImage(op change.Op, key, value []byte) (first int, err error) {
	switch op {
	case change.Truncate:
		return 0, nil
	case change.Delete:
		if d.cfg.Flattened {
			return firstColumn, d.deletedFlat()
		}
		if err := d.deletedRow(key, value); err != nil {
			return 0, err
		}
		return d.lay.before, nil
	}
	if d.s.present&hasAfter == 0 {
		return 0, &DecodeError{Byte: -1, Msg: fmt.Sprintf("op %s without an image after", op)}
	}
	if name := d.missingKey(); name != "" {
		return 0, &DecodeError{Byte: -1, Column: name, Msg: "the key's column is not among the table's columns"}
	}
	for w, need := range d.lay.required {
		if miss := need &^ d.s.set[firstColumn>>6+w]; miss != 0 {
			return 0, &DecodeError{Byte: -1, Column: d.lay.name(w, miss), Msg: "null or missing, but the column is required"}
		}
	}
	return firstColumn, nil
}

// missingKey names a column of the key that the layout lacks.
func (d *Decoder) missingKey() string {
	if d.lay.keyCount == len(d.keys) {
		return ""
	}
	for _, k := range d.keys {
		if _, ok := d.lay.byName[k]; !ok {
			return k
		}
	}
	return ""
}

// commit adds the scanned event as the next row.
func (d *Decoder) commit(offset int64, first int, m *Meta, value []byte) {
	for _, name := range d.untyped {
		d.s.newsFrom.untyped[name] = true
	}
	if !d.learned && first == firstColumn {
		d.learned = true
		d.s.newsFrom.nulls, d.s.newsFrom.ignore = d.cfg.Evolve == EvolveFail, d.cfg.Evolve == EvolveIgnore
	}
	g := d.segment(len(value))
	g.image(&d.s, first, m.Op == change.Update && d.s.present&hasBefore != 0, value)
	r := g.rows
	g.ops[r], g.offset[r], g.committed[r], g.lsn[r], g.order[r] = m.Op, offset, m.CommittedAt, m.LSN, m.TxOrder
	g.tx[r] = m.Tx
	if m.Tx == "" {
		g.tx[r] = d.sourceTx(m.Op, value)
	}
	g.rows++
}

// sourceTx is the transaction's id as the source block has it. Rows of a snapshot belong to none.
func (d *Decoder) sourceTx(op change.Op, value []byte) string {
	if op == change.Read {
		return ""
	}
	if t := d.s.text(mGTID, value); len(t) > 0 {
		return d.intern(t)
	}
	if t := d.s.text(mSourceTx, value); len(t) > 0 {
		return d.intern(t)
	}
	return ""
}

// segment is where the next row goes; size is its message's.
func (d *Decoder) segment(size int) *segment {
	g := d.seg
	if g != nil && (g.lay != d.lay || g.rows == d.cfg.BatchRows || g.bytes > maxSegmentBytes-size) {
		d.seal()
		g = nil
	}
	switch {
	case g == nil:
		g = newSegment(d.lay, d.last, d.cfg.BatchRows)
		d.seg = g
	case g.rows == g.room:
		g.grow(min(2*g.room, d.cfg.BatchRows))
	}
	g.bytes += size
	return g
}

// seal ends the current segment.
func (d *Decoder) seal() {
	if d.seg == nil || d.seg.rows == 0 {
		d.seg = nil
		return
	}
	d.last = sizes{d.seg.lay, d.seg.rows, d.seg.row.size(), d.seg.before.size()}
	d.pending += d.seg.rows
	d.done = append(d.done, d.seg.seal(d.cfg.Table))
	d.seg = nil
}

// Flush hands over all rows appended since the last Flush, in order, as batches
// of the shard. A batch ends after Config.BatchRows rows or about 32 MiB of
// messages, and where the columns changed. The error is always nil so far as
// memory lasts; it is there for decoders that encode when flushed.
func (d *Decoder) Flush(shard string) ([]*source.Batch, error) {
	d.seal()
	out := d.done
	d.done, d.pending = nil, 0
	for _, b := range out {
		b.Shard = shard
	}
	return out, nil
}

// intern makes a transaction's id a string without an allocation for each event.
func (d *Decoder) intern(id []byte) string {
	if string(id) == d.lastTx {
		return d.lastTx
	}
	if len(id) > cap(d.arena)-len(d.arena) {
		d.arena = make([]byte, 0, max(16<<10, len(id)))
	}
	a := len(d.arena)
	d.arena = append(d.arena, id...)
	d.lastTx = unsafe.String(&d.arena[a], len(id))
	return d.lastTx
}
