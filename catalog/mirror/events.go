package mirror

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
)

// events are the batches of an epoch, in stream order within each shard of the stream, with their keys' identities.
type events struct {
	batches []*source.Batch
	shard   []int // of the stream, by batch: the shard's place in the order of names
	keys    [][]columns.Hash
	// before has the identities of the keys before the change, for batches in which an update changed a key.
	before [][]columns.Hash
	// from is the first event that counts: the one after the last truncation, if there is one.
	truncated bool
	truncate  columns.Ref
	rows      int
}

// collect orders the batches, and computes the identity of each event's key. The batches stay the caller's.
func collect(table string, key []string, batches []*source.Batch, workers int) (*events, error) {
	e := &events{}
	for _, b := range batches {
		if b.Rows() > 0 {
			e.batches = append(e.batches, b)
			e.rows += b.Rows()
		}
	}
	slices.SortStableFunc(e.batches, func(a, b *source.Batch) int {
		return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Offset[0], b.Offset[0]))
	})
	if err := e.number(table); err != nil {
		return nil, err
	}
	e.keys = make([][]columns.Hash, len(e.batches))
	e.before = make([][]columns.Hash, len(e.batches))
	var g errgroup.Group
	g.SetLimit(workers)
	for i, b := range e.batches {
		g.Go(func() (err error) {
			if e.keys[i], err = hashRows(b, b.Row, key, true); err == nil {
				e.before[i], err = changedKeys(b, key, e.keys[i])
			}
			if err != nil {
				return fmt.Errorf("table %s, shard %s: %w", table, b.Shard, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	e.findTruncation()
	return e, nil
}

// number gives each batch its shard, and checks that offsets never go down: events of one offset keep the order given.
func (e *events) number(table string) error {
	e.shard = make([]int, len(e.batches))
	for i, b := range e.batches {
		last := int64(-1)
		if i > 0 {
			p := e.batches[i-1]
			e.shard[i] = e.shard[i-1]
			if p.Shard != b.Shard {
				e.shard[i]++
			} else {
				last = p.Offset[len(p.Offset)-1]
			}
		}
		for _, o := range b.Offset {
			if o < last {
				return fmt.Errorf("table %s, shard %s: the event at offset %d comes out of order, after offset %d", table, b.Shard, o, last)
			}
			last = o
		}
	}
	return nil
}

// hashRows is the identity of the key in each row of one side of a batch. A null in the key of a row
// that has one is an error if strict; truncations have no key.
func hashRows(b *source.Batch, side arrow.RecordBatch, key []string, strict bool) ([]columns.Hash, error) {
	cols := make([]arrow.Array, len(key))
	for i, name := range key {
		at := columns.Index(side.Schema(), name)
		if at < 0 {
			return nil, &catalog.SchemaError{Table: b.Table, Column: name, Old: "a key column", Reason: "the stream must send the key columns"}
		}
		cols[i] = side.Column(at)
		if err := columns.CheckKeyType(name, cols[i].DataType()); err != nil {
			return nil, err
		}
		if !strict || cols[i].NullN() == 0 {
			continue
		}
		for r, op := range b.Ops {
			if op != change.Truncate && cols[i].IsNull(r) {
				return nil, fault.Usagef("the event at offset %d has no key: column %q is null; check the table's key", b.Offset[r], name)
			}
		}
	}
	return columns.HashKeys(make([]columns.Hash, 0, b.Rows()), cols)
}

// changedKeys is the identity of the keys before the change, nil if no update of the batch changed one.
func changedKeys(b *source.Batch, key []string, now []columns.Hash) ([]columns.Hash, error) {
	if b.Before == nil || !slices.Contains(b.Ops, change.Update) {
		return nil, nil
	}
	for _, name := range key {
		if columns.Index(b.Before.Schema(), name) < 0 {
			return nil, nil // the source does not send it
		}
	}
	was, err := hashRows(b, b.Before, key, false)
	if err != nil {
		return nil, err
	}
	changed := false
	for r, op := range b.Ops {
		if op != change.Update || was[r] == now[r] || hasNull(b.Before, key, r) {
			was[r] = now[r]
			continue
		}
		changed = true
	}
	if !changed {
		return nil, nil
	}
	return was, nil
}

func hasNull(rec arrow.RecordBatch, key []string, r int) bool {
	for _, name := range key {
		if rec.Column(columns.Index(rec.Schema(), name)).IsNull(r) {
			return true
		}
	}
	return false
}

func (e *events) findTruncation() {
	for i, b := range e.batches {
		for r, op := range b.Ops {
			at := columns.Ref{Batch: uint32(i), Row: uint32(r)}
			if op == change.Truncate && (!e.truncated || e.compare(at, e.truncate) > 0) {
				e.truncated, e.truncate = true, at
			}
		}
	}
}

// counts reports whether an event takes part: it is no truncation, and not before the last one.
func (e *events) counts(at columns.Ref) bool {
	return !e.truncated || e.op(at) != change.Truncate && e.compare(at, e.truncate) > 0
}

func (e *events) op(at columns.Ref) change.Op { return e.batches[at.Batch].Ops[at.Row] }

// compare orders two events of the stream; see the package's doc.
func (e *events) compare(a, b columns.Ref) int {
	ba, bb := e.batches[a.Batch], e.batches[b.Batch]
	byLog := 0
	if la, lb := ba.LSN[a.Row], bb.LSN[b.Row]; la != 0 && lb != 0 {
		byLog = cmp.Compare(la, lb)
	}
	byTime := cmp.Compare(ba.CommittedAt[a.Row], bb.CommittedAt[b.Row])
	if e.shard[a.Batch] != e.shard[b.Batch] {
		return cmp.Or(byLog, byTime, cmp.Compare(e.shard[a.Batch], e.shard[b.Batch]))
	}
	byOffset := cmp.Or(cmp.Compare(a.Batch, b.Batch), cmp.Compare(a.Row, b.Row))
	if tx := ba.Tx[a.Row]; tx != "" && tx == bb.Tx[b.Row] && ba.TxOrder[a.Row] != 0 && bb.TxOrder[b.Row] != 0 {
		return cmp.Or(cmp.Compare(ba.TxOrder[a.Row], bb.TxOrder[b.Row]), byOffset)
	}
	if byLog == -byOffset && byTime != byOffset {
		return byLog
	}
	return byOffset
}
