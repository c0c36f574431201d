package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog/internal/columns"
)

// ErrNotSorted is wrapped by the error of a merge whose input does not have the order that the merge relies on.
var ErrNotSorted = errors.New("rows are not in the order that the table states")

// rowMerger merges sorted streams into one. It checks that each is sorted. Equal rows come in the order of the streams.
type rowMerger struct {
	schema    *arrow.Schema
	in        []Batches
	batchRows int

	order *columns.Order
	sort  []int
	slots columns.Slots     // batches that refs name
	heads []mergeHead       // one a stream
	heap  columns.Heap[int] // streams that have rows
	refs  []columns.Ref
	began bool
}

type mergeHead struct {
	slot, row, rows int
}

func newRowMerger(schema *arrow.Schema, sort []int, in []Batches, batchRows int) *rowMerger {
	m := &rowMerger{schema: schema, in: in, batchRows: batchRows, order: columns.NewOrder(), sort: sort, heads: make([]mergeHead, len(in))}
	m.heap.Less = m.less
	return m
}

func (m *rowMerger) Schema() *arrow.Schema { return m.schema }

func (m *rowMerger) ref(stream int) columns.Ref {
	h := &m.heads[stream]
	return columns.Ref{Batch: uint32(h.slot), Row: uint32(h.row)}
}

// less orders streams by their first rows.
func (m *rowMerger) less(a, b int) bool {
	if c := m.order.Compare(m.ref(a), m.ref(b)); c != 0 {
		return c < 0
	}
	return a < b
}

// load reads the next batch of a stream into a free slot; ok is false at the stream's end.
func (m *rowMerger) load(ctx context.Context, stream int) (ok bool, err error) {
	var rec arrow.RecordBatch
	for rec == nil || rec.NumRows() == 0 {
		if rec != nil {
			rec.Release()
		}
		if rec, err = m.in[stream].Next(ctx); err != nil {
			if errors.Is(err, io.EOF) {
				return false, nil
			}
			return false, err
		}
	}
	slot := m.slots.Put(rec)
	m.order.Put(slot, rec, m.sort)
	old := m.heads[stream]
	m.heads[stream] = mergeHead{slot: slot, rows: int(rec.NumRows())}
	return true, m.check(stream, old)
}

// check compares the rows of a new batch with each other and with the last row of the batch before.
func (m *rowMerger) check(stream int, old mergeHead) error {
	h := m.heads[stream]
	last := columns.Ref{Batch: uint32(old.slot), Row: uint32(max(0, old.rows-1))}
	from := 0
	if old.rows == 0 { // the stream's first batch
		last, from = columns.Ref{Batch: uint32(h.slot)}, 1
	}
	for r := from; r < h.rows; r++ {
		at := columns.Ref{Batch: uint32(h.slot), Row: uint32(r)}
		if m.order.Compare(last, at) > 0 {
			name := ""
			if n, ok := m.in[stream].(interface{ Name() string }); ok {
				name = " of " + n.Name()
			}
			return fmt.Errorf("merge: row %d of a batch%s comes before the row ahead of it: %w", r, name, ErrNotSorted)
		}
		last = at
	}
	return nil
}

// Next gives the next rows in order.
func (m *rowMerger) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !m.began {
		m.began = true
		for i := range m.in {
			ok, err := m.load(ctx, i)
			if err != nil {
				return nil, err
			}
			if ok {
				m.heap.Push(i)
			}
		}
	}
	if err := m.fill(ctx); err != nil {
		return nil, err
	}
	if len(m.refs) == 0 {
		return nil, io.EOF
	}
	rec, err := m.gather()
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	return rec, nil
}

// fill collects the next rows. A stream goes on as long as its rows come before the other streams'.
func (m *rowMerger) fill(ctx context.Context) error {
	for m.heap.Len() > 0 && len(m.refs) < m.batchRows {
		s := m.heap.First()
		next, others := m.heap.Second()
		h := &m.heads[s]
		for len(m.refs) < m.batchRows {
			m.refs = append(m.refs, m.ref(s))
			h.row++
			if h.row == h.rows || others && !m.less(s, next) {
				break
			}
		}
		if h.row == h.rows {
			m.slots.Spend(h.slot)
			ok, err := m.load(ctx, s)
			if err != nil {
				return err
			}
			if !ok {
				m.heap.Pop()
				continue
			}
		}
		m.heap.Moved()
	}
	return nil
}

// gather copies the collected rows out.
func (m *rowMerger) gather() (arrow.RecordBatch, error) {
	rec, err := m.slots.Gather(m.refs, func(set []arrow.RecordBatch) (arrow.RecordBatch, error) { return columns.Gather(m.schema, set, m.refs) })
	m.refs = m.refs[:0]
	return rec, err
}

// Close closes the streams.
func (m *rowMerger) Close() error {
	m.slots.Release()
	return closeBatches(m.in)
}
