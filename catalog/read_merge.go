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

	order *rowSorter
	slots []arrow.RecordBatch // batches that refs name; nil where free
	dead  []int               // slots that are free after the next gather
	free  []int
	heads []mergeHead // one a stream
	heap  []int       // streams that have rows, least first
	refs  []columns.Ref
	began bool
}

type mergeHead struct {
	slot, row, rows int
}

func newRowMerger(schema *arrow.Schema, sort []int, in []Batches, batchRows int) *rowMerger {
	return &rowMerger{schema: schema, in: in, batchRows: batchRows, order: newRowSorter(nil, sort), heads: make([]mergeHead, len(in))}
}

func (m *rowMerger) Schema() *arrow.Schema { return m.schema }

func (m *rowMerger) ref(stream int) columns.Ref {
	h := &m.heads[stream]
	return columns.Ref{Batch: uint32(h.slot), Row: uint32(h.row)}
}

// less orders streams by their first rows.
func (m *rowMerger) less(a, b int) bool {
	if c := m.order.compare(m.ref(a), m.ref(b)); c != 0 {
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
	slot := len(m.slots)
	if n := len(m.free); n > 0 {
		slot, m.free = m.free[n-1], m.free[:n-1]
		m.slots[slot] = rec
	} else {
		m.slots = append(m.slots, rec)
	}
	m.order.put(slot, rec)
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
		if m.order.compare(last, at) > 0 {
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
				m.push(i)
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
	for len(m.heap) > 0 && len(m.refs) < m.batchRows {
		s := m.heap[0]
		next := m.second()
		h := &m.heads[s]
		for len(m.refs) < m.batchRows {
			m.refs = append(m.refs, m.ref(s))
			h.row++
			if h.row == h.rows || (next >= 0 && !m.less(s, next)) {
				break
			}
		}
		if h.row == h.rows {
			m.dead = append(m.dead, h.slot)
			ok, err := m.load(ctx, s)
			if err != nil {
				return err
			}
			if !ok {
				m.heap[0] = m.heap[len(m.heap)-1]
				m.heap = m.heap[:len(m.heap)-1]
			}
		}
		m.down()
	}
	return nil
}

// gather copies the collected rows out and frees the slots that are used up.
func (m *rowMerger) gather() (arrow.RecordBatch, error) {
	set := make([]arrow.RecordBatch, len(m.slots))
	some := m.slots[m.refs[0].Batch]
	for i, s := range m.slots {
		if set[i] = s; s == nil {
			set[i] = some // a free slot, which no row names
		}
	}
	rec, err := columns.Gather(m.schema, set, m.refs)
	m.refs = m.refs[:0]
	for _, s := range m.dead {
		m.slots[s].Release()
		m.slots[s] = nil
		m.free = append(m.free, s)
	}
	m.dead = m.dead[:0]
	return rec, err
}

// second is the stream with the second least row, -1 if there is none.
func (m *rowMerger) second() int {
	switch len(m.heap) {
	case 1:
		return -1
	case 2:
		return m.heap[1]
	}
	if m.less(m.heap[1], m.heap[2]) {
		return m.heap[1]
	}
	return m.heap[2]
}

func (m *rowMerger) push(s int) {
	m.heap = append(m.heap, s)
	for i := len(m.heap) - 1; i > 0; {
		p := (i - 1) / 2
		if !m.less(m.heap[i], m.heap[p]) {
			return
		}
		m.heap[i], m.heap[p] = m.heap[p], m.heap[i]
		i = p
	}
}

// down restores the heap after its first stream has changed.
func (m *rowMerger) down() {
	for i := 0; ; {
		c := 2*i + 1
		if c >= len(m.heap) {
			return
		}
		if c+1 < len(m.heap) && m.less(m.heap[c+1], m.heap[c]) {
			c++
		}
		if !m.less(m.heap[c], m.heap[i]) {
			return
		}
		m.heap[i], m.heap[c] = m.heap[c], m.heap[i]
		i = c
	}
}

// Close closes the streams.
func (m *rowMerger) Close() error {
	for i, s := range m.slots {
		if s != nil {
			s.Release()
			m.slots[i] = nil
		}
	}
	return closeBatches(m.in)
}
