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
	slots columns.Slots // batches that refs name
	heap  columns.Heap[*stream]
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
	m.heap.Less = m.less
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
			m.heap.Push(s)
		}
	}
	return m, nil
}

func (m *merger) close() error {
	var errs []error
	for _, s := range m.in {
		errs = append(errs, s.reader.Close())
	}
	m.slots.Release()
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
	slot := m.slots.Put(rec)
	m.order.Put(slot, rec, m.sort)
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
	for m.heap.Len() > 0 && len(m.refs) < n {
		if err := m.advance(m.heap.First(), n); err != nil {
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
	second, others := m.heap.Second()
	for len(m.refs) < n {
		m.refs = append(m.refs, s.ref())
		m.from = append(m.from, s.n)
		if s.at++; s.at == len(s.rows) {
			old := s.slot
			ok, err := m.load(s)
			m.slots.Spend(old)
			if err != nil {
				return err
			}
			if !ok {
				m.heap.Pop()
				return nil
			}
		}
		if others && m.less(second, s) {
			break
		}
	}
	m.heap.Moved()
	return nil
}

func (m *merger) gather() (arrow.RecordBatch, error) {
	return m.slots.Gather(m.refs, func(set []arrow.RecordBatch) (arrow.RecordBatch, error) {
		return m.gatherer.Gather(m.schema, set, m.refs)
	})
}

// less orders streams by their next rows; equal rows keep the order of the files.
func (m *merger) less(a, b *stream) bool {
	if c := m.order.Compare(a.ref(), b.ref()); c != 0 {
		return c < 0
	}
	return a.n < b.n
}
