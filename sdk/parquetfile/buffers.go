package parquetfile

import (
	"sync"

	"github.com/parquet-go/parquet-go/format"
)

// Buffers lends the memory that writers collect their pages in to one file after another. Where many small files are
// written it spares growing, clearing and collecting that memory for each. It is safe for concurrent use.
type Buffers struct {
	mu    sync.Mutex
	free  [format.FixedLenByteArray + 1][]*buffers // by type: those of a type grow alike
	held  int64                                    // bytes in free
	limit int64
}

// NewBuffers makes a lender that holds at most limit bytes that nobody uses; 0: 64 MiB.
func NewBuffers(limit int64) *Buffers {
	if limit <= 0 {
		limit = 64 << 20
	}
	return &Buffers{limit: limit}
}

// take gives the memory of one column; of a nil lender it is new.
func (b *Buffers) take(t format.Type) *buffers {
	if b == nil {
		return new(buffers)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.free[t]
	if len(list) == 0 {
		return new(buffers)
	}
	m := list[len(list)-1]
	b.free[t] = list[:len(list)-1]
	b.held -= m.bytes()
	return m
}

// put takes a column's memory back and reports whether it did. Nobody may use it any more then.
func (b *Buffers) put(t format.Type, m *buffers) bool {
	if b == nil {
		return false
	}
	m.reset()
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := m.bytes(); b.held+n <= b.limit {
		b.held += n
		b.free[t] = append(b.free[t], m)
	}
	return true
}

// buffers are one column's memory. Values are dense: nulls leave nothing here.
type buffers struct {
	valid bitBuffer // of a flat nullable column
	defs  []byte    // of a nested column, as reps
	reps  []byte
	i32   []int32 // values, or numbers in the dictionary
	i64   []int64
	data  []byte   // text, binary, fixed-length values, floats
	offs  []uint32 // ends of the texts in data
	bools bitBuffer

	dict  dictBuilder
	remap []int32 // of the last Arrow dictionary

	pages    []byte // finished pages of the chunk
	dictPage []byte
	scratch  []byte
	packed   []byte
	zipped   []byte
	spare    []byte // scratch of the page that is being finished beside
}

// resetPage empties what belongs to the open page.
func (m *buffers) resetPage() {
	m.valid.reset()
	m.bools.reset()
	m.defs, m.reps = m.defs[:0], m.reps[:0]
	m.i32, m.i64, m.data, m.offs = m.i32[:0], m.i64[:0], m.data[:0], m.offs[:0]
}

// reset empties all.
func (m *buffers) reset() {
	m.resetPage()
	m.dict.reset()
	m.remap = m.remap[:0]
	m.pages, m.dictPage = m.pages[:0], m.dictPage[:0]
}

// bytes is how much memory it is.
func (m *buffers) bytes() int64 {
	n := cap(m.valid.b) + cap(m.bools.b) + cap(m.defs) + cap(m.reps) + cap(m.data) +
		cap(m.pages) + cap(m.dictPage) + cap(m.scratch) + cap(m.packed) + cap(m.zipped) + cap(m.spare) + cap(m.dict.data)
	n += 4*(cap(m.i32)+cap(m.offs)+cap(m.remap)+cap(m.dict.offs)) + 8*(cap(m.i64)+cap(m.dict.slots))
	return int64(n)
}
