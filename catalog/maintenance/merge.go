package maintenance

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/catalog/internal/rawfile"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// maxFanIn is how many files are merged at once: a row's source is kept in one byte.
const maxFanIn = 256

// merger merges the live rows of sorted files, and tells which file each row came from.
type merger struct {
	schema *arrow.Schema
	sort   []int
	in     []*stream

	order *columns.Order
	slots []arrow.RecordBatch // batches that refs name; nil where free
	free  []int
	dead  []int // slots that are free after the next gather
	heap  []*stream
	refs  []columns.Ref
	from  []uint8

	gatherer columns.Gatherer
}

// stream is one file of a merge.
type stream struct {
	n       uint8
	name    string
	reader  *rawfile.Reader
	deleted rawfile.Bitmap

	position uint32 // of the next batch's first row
	slot     int    // of the open batch
	rows     []uint32
	at       int
}

func (s *stream) ref() columns.Ref { return columns.Ref{Batch: uint32(s.slot), Row: s.rows[s.at]} }

// openMerge opens the sources. Fields of the schema are found by id; old files may lack some.
func openMerge(ctx context.Context, lake *catalog.Lake, schema *arrow.Schema, sort []int, sources []*source) (*merger, error) {
	m := &merger{schema: schema, sort: sort, order: columns.NewOrder()}
	opts := parquetfile.ReaderOptions{
		Fields:        schema.Fields(),
		BatchRows:     max(512, min(1<<14, (1<<18)/len(sources))),
		PrefetchBytes: max(1<<20, (64<<20)/int64(len(sources))),
	}
	for i, src := range sources {
		r, err := rawfile.Open(ctx, lake, src.path, opts)
		if err != nil {
			return nil, errors.Join(err, m.close())
		}
		s := &stream{n: uint8(i), name: src.path, reader: r, deleted: src.deleted, slot: -1}
		m.in = append(m.in, s)
		if ok, err := m.load(s); err != nil {
			return nil, errors.Join(err, m.close())
		} else if ok {
			m.push(s)
		}
	}
	return m, nil
}

func (m *merger) close() error {
	var errs []error
	for _, s := range m.in {
		errs = append(errs, s.reader.Close())
	}
	for i, rec := range m.slots {
		if rec != nil {
			rec.Release()
			m.slots[i] = nil
		}
	}
	m.in = nil
	return errors.Join(errs...)
}

// load reads the next batch with live rows of a stream; ok is false at its end.
func (m *merger) load(s *stream) (ok bool, err error) {
	for {
		rec, err := s.reader.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		rows := make([]uint32, 0, rec.NumRows())
		for r := range uint32(rec.NumRows()) {
			if !s.deleted.Has(s.position + r) {
				rows = append(rows, r)
			}
		}
		s.position += uint32(rec.NumRows())
		if len(rows) == 0 {
			rec.Release()
			continue
		}
		return true, m.take(s, rec, rows)
	}
}

// take puts a batch into a slot and checks that the stream is in order.
func (m *merger) take(s *stream, rec arrow.RecordBatch, rows []uint32) error {
	cols := make([]arrow.Array, len(m.sort))
	for i, c := range m.sort {
		cols[i] = rec.Column(c)
	}
	slot := len(m.slots)
	if n := len(m.free); n > 0 {
		slot, m.free = m.free[n-1], m.free[:n-1]
		m.order.Replace(slot, cols)
		m.slots[slot] = rec
	} else {
		m.order.Add(cols)
		m.slots = append(m.slots, rec)
	}
	last, from := columns.Ref{Batch: uint32(slot), Row: rows[0]}, 1
	if s.slot >= 0 {
		last, from = columns.Ref{Batch: uint32(s.slot), Row: s.rows[len(s.rows)-1]}, 0
	}
	for _, r := range rows[from:] {
		at := columns.Ref{Batch: uint32(slot), Row: r}
		if m.order.Compare(last, at) > 0 {
			return fmt.Errorf("merge %s: %w", s.name, catalog.ErrNotSorted)
		}
		last = at
	}
	s.slot, s.rows, s.at = slot, rows, 0
	return nil
}

// next gives at most n rows in order, with the number of each row's source, or io.EOF. What it gives is valid until the next call.
func (m *merger) next(n int) (arrow.RecordBatch, []uint8, error) {
	m.refs, m.from = m.refs[:0], m.from[:0]
	for len(m.heap) > 0 && len(m.refs) < n {
		s := m.heap[0]
		if err := m.advance(s, n); err != nil {
			return nil, nil, err
		}
	}
	if len(m.refs) == 0 {
		return nil, nil, io.EOF
	}
	rec, err := m.gather()
	return rec, m.from, err
}

// advance takes rows of the first stream as long as they come before all others'.
func (m *merger) advance(s *stream, n int) error {
	second := m.second()
	for len(m.refs) < n {
		m.refs = append(m.refs, s.ref())
		m.from = append(m.from, s.n)
		if s.at++; s.at == len(s.rows) {
			old := s.slot
			ok, err := m.load(s)
			m.dead = append(m.dead, old)
			if err != nil {
				return err
			}
			if !ok {
				last := len(m.heap) - 1
				m.heap[0], m.heap = m.heap[last], m.heap[:last]
				break
			}
		}
		if second != nil && m.less(second, s) {
			break
		}
	}
	m.down()
	return nil
}

func (m *merger) gather() (arrow.RecordBatch, error) {
	set := make([]arrow.RecordBatch, len(m.slots))
	some := m.slots[m.refs[0].Batch]
	for i, rec := range m.slots {
		if set[i] = rec; rec == nil {
			set[i] = some // a free slot, which no row names
		}
	}
	rec, err := m.gatherer.Gather(m.schema, set, m.refs)
	for _, slot := range m.dead {
		m.slots[slot].Release()
		m.slots[slot] = nil
		m.free = append(m.free, slot)
	}
	m.dead = m.dead[:0]
	return rec, err
}

// less orders streams by their next rows; equal rows keep the order of the files.
func (m *merger) less(a, b *stream) bool {
	if c := m.order.Compare(a.ref(), b.ref()); c != 0 {
		return c < 0
	}
	return a.n < b.n
}

// second is the stream with the second least row, nil if there is none.
func (m *merger) second() *stream {
	switch len(m.heap) {
	case 1:
		return nil
	case 2:
		return m.heap[1]
	}
	if m.less(m.heap[1], m.heap[2]) {
		return m.heap[1]
	}
	return m.heap[2]
}

func (m *merger) push(s *stream) {
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

// down restores the heap after its first stream has moved on.
func (m *merger) down() {
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
