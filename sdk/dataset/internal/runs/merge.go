package runs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/dataset/internal/columns"
	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
)

// ErrOrder is wrapped where a run is not sorted as promised.
var ErrOrder = errors.New("rows are not in the order that was promised")

// Merge merges runs, each sorted by the columns, into one sorted stream of
// batches of at most batchRows rows. Rows with equal keys come in the order of
// their runs. It checks that each run is sorted. One run is passed through with that check.
func Merge(schema *arrow.Schema, orderBy []string, batchRows int, in ...stream.Stream) (stream.Stream, error) {
	enc, err := rowkey.New(schema, orderBy)
	if err != nil {
		return nil, errors.Join(err, stream.CloseAll(in...))
	}
	m := &merger{schema: schema, enc: enc, orderBy: orderBy, batchRows: batchRows}
	for i, s := range in {
		m.cursors = append(m.cursors, &cursor{in: s, rank: i})
	}
	return m, nil
}

// cursor is a run with its current batch.
type cursor struct {
	in    stream.Stream
	rank  int
	batch arrow.RecordBatch
	keys  *rowkey.Keys
	row   int
	key   []byte // of the current row
	head  uint64 // orders as the key's beginning does
	slot  int32  // index of batch in the merger's sources
}

type merger struct {
	schema    *arrow.Schema
	enc       *rowkey.Encoder
	orderBy   []string
	batchRows int
	cursors   []*cursor // before start: all; then a heap by (key, rank)
	started   bool
	sources   []arrow.RecordBatch // batches that picks refer to
	picks     []columns.Pick
}

func (m *merger) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if !m.started {
		if err := m.start(ctx); err != nil {
			return nil, err
		}
	}
	if len(m.cursors) == 1 && len(m.picks) == 0 {
		return m.pass(ctx)
	}
	for len(m.cursors) > 0 && len(m.picks) < m.batchRows {
		if err := m.step(ctx); err != nil {
			return nil, err
		}
		if len(m.cursors) == 1 && len(m.picks) > 0 {
			break
		}
	}
	if len(m.picks) == 0 {
		return nil, io.EOF
	}
	return m.emit(ctx)
}

// start loads the runs' first batches and builds the heap.
func (m *merger) start(ctx context.Context) error {
	m.started = true
	var live []*cursor
	all := m.cursors
	for _, c := range all {
		more, err := m.load(ctx, c)
		if err != nil {
			return err
		}
		if more {
			live = append(live, c)
		}
	}
	m.cursors = live
	for i := len(live)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return nil
}

// load moves a cursor to its next batch that has rows.
func (m *merger) load(ctx context.Context, c *cursor) (more bool, err error) {
	for {
		b, err := c.in.Next(ctx)
		if errors.Is(err, io.EOF) {
			return false, c.in.Close()
		}
		if err != nil {
			return false, err
		}
		if b.NumRows() == 0 {
			b.Release()
			continue
		}
		keys := &rowkey.Keys{} // not reused: picks compare keys of retained batches never, but c.key must outlive the batch
		m.enc.Encode(b, keys)
		if err := m.check(c.key, keys, b); err != nil {
			b.Release()
			return false, err
		}
		c.batch, c.keys, c.row = b, keys, 0
		c.moveTo(0)
		c.slot = int32(len(m.sources))
		m.sources = append(m.sources, b)
		return true, nil
	}
}

// check compares neighbours within a batch and with the row before it.
func (m *merger) check(prev []byte, keys *rowkey.Keys, b arrow.RecordBatch) error {
	for row := range keys.Len() {
		key := keys.At(row)
		if prev != nil && bytes.Compare(prev, key) > 0 {
			return fmt.Errorf("merge by %v: %w (at %s)", m.orderBy, ErrOrder, describe(b, m.orderBy, row))
		}
		prev = key
	}
	return nil
}

func describe(b arrow.RecordBatch, names []string, row int) string {
	text := ""
	for i, n := range names {
		if i > 0 {
			text += ", "
		}
		text += n + "=" + b.Column(b.Schema().FieldIndices(n)[0]).ValueStr(row)
	}
	return text
}

// step picks the least row.
func (m *merger) step(ctx context.Context) error {
	c := m.cursors[0]
	m.picks = append(m.picks, columns.Pick{Source: c.slot, Row: int32(c.row)})
	c.row++
	if c.row < c.keys.Len() {
		c.moveTo(c.row)
		m.down(0)
		return nil
	}
	more, err := m.load(ctx, c)
	if err != nil {
		return err
	}
	if !more {
		n := len(m.cursors) - 1
		m.cursors[0] = m.cursors[n]
		m.cursors = m.cursors[:n]
	}
	m.down(0)
	return nil
}

// moveTo reads a row's key.
func (c *cursor) moveTo(row int) {
	c.key = c.keys.At(row)
	c.head = head(c.key)
}

func (m *merger) less(a, b *cursor) bool {
	if a.head != b.head {
		return a.head < b.head
	}
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c < 0
	}
	return a.rank < b.rank
}

func (m *merger) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.cursors) {
			return
		}
		if r := child + 1; r < len(m.cursors) && m.less(m.cursors[r], m.cursors[child]) {
			child = r
		}
		if !m.less(m.cursors[child], m.cursors[i]) {
			return
		}
		m.cursors[i], m.cursors[child] = m.cursors[child], m.cursors[i]
		i = child
	}
}

// emit gathers the picked rows and drops the batches that no cursor is in any more.
func (m *merger) emit(ctx context.Context) (arrow.RecordBatch, error) {
	out, err := columns.GatherBatch(ctx, m.schema, m.sources, m.picks)
	if err != nil {
		return nil, err
	}
	m.picks = m.picks[:0]
	kept := make([]arrow.RecordBatch, 0, len(m.cursors))
	live := make(map[int32]bool, len(m.cursors))
	for _, c := range m.cursors {
		live[c.slot] = true
		c.slot = int32(len(kept))
		kept = append(kept, c.batch)
	}
	for i, b := range m.sources {
		if !live[int32(i)] {
			b.Release()
		}
	}
	m.sources = kept
	return out, nil
}

// pass hands on the rest of the only run that is left.
func (m *merger) pass(ctx context.Context) (arrow.RecordBatch, error) {
	c := m.cursors[0]
	out := c.batch.NewSlice(int64(c.row), c.batch.NumRows())
	c.key = c.keys.At(c.keys.Len() - 1)
	c.batch.Release()
	m.sources = m.sources[:0]
	more, err := m.load(ctx, c)
	if err != nil {
		out.Release()
		return nil, err
	}
	if !more {
		m.cursors = nil
	}
	return out, nil
}

func (m *merger) Close() error {
	for _, b := range m.sources {
		b.Release()
	}
	m.sources, m.picks = nil, nil
	var errs []error
	for _, c := range m.cursors {
		errs = append(errs, c.in.Close())
	}
	m.cursors, m.started = nil, true
	return errors.Join(errs...)
}
