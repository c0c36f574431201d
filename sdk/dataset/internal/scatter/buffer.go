package scatter

import (
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/zeebo/xxh3"
)

// Chunk is a cluster's rows, as they lie in a file.
type Chunk struct {
	Length int64  `json:"l,omitempty"`
	Rows   int64  `json:"r,omitempty"`
	Sum    uint64 `json:"s,omitempty"` // xxh3
}

// Extent is a partition's clusters, one after the other.
type Extent struct {
	Offset int64   `json:"o"`
	Chunks []Chunk `json:"c"`
}

// Length is the extent's size in bytes.
func (e Extent) Length() (n int64) {
	for _, c := range e.Chunks {
		n += c.Length
	}
	return n
}

// Buffer spreads rows over the clusters of a number of partitions. It is not safe for concurrent use.
type Buffer struct {
	schema *arrow.Schema
	parts  int
	level  int
	partOf func(b arrow.RecordBatch, into []int32) []int32
	hash   func(b arrow.RecordBatch, into []uint64) []uint64
	cols   []*column
	bytes  int64

	spread  spread
	hashes  []uint64
	partNrs []int32
	numbers []int32
	chunk   []byte
}

// NewBuffer makes a buffer for rows of a schema, whose keys are the named
// columns, and which go to Fan clusters in each of parts partitions. partOf says each row's partition; nil takes it
// from the hash. At a level above 0, rows of one cluster of the level before are spread over Fan clusters; parts is 1 then.
func NewBuffer(schema *arrow.Schema, keys []string, parts, level int, partOf func(arrow.RecordBatch, []int32) []int32) (*Buffer, error) {
	if err := Supported(schema); err != nil {
		return nil, err
	}
	hash, err := Hasher(schema, keys)
	if err != nil {
		return nil, err
	}
	clusters := parts * Fan
	b := &Buffer{schema: schema, parts: parts, level: level, partOf: partOf, hash: hash}
	b.spread.from, b.spread.have = make([]int32, clusters+1), make([]int32, clusters)
	for _, f := range schema.Fields() {
		b.cols = append(b.cols, newColumn(f.Type, clusters))
	}
	return b, nil
}

// Supported reports the first column whose type cannot be clustered, as an error.
func Supported(schema *arrow.Schema) error {
	for _, f := range schema.Fields() {
		if _, ok := width(f.Type); !ok {
			return fmt.Errorf("column %q: values of type %s cannot be moved in clusters", f.Name, f.Type)
		}
	}
	return nil
}

// Bytes is what the rows take.
func (b *Buffer) Bytes() int64 { return b.bytes }

// Add copies the rows of a batch.
func (b *Buffer) Add(batch arrow.RecordBatch) {
	if batch.NumRows() == 0 {
		return
	}
	b.order(batch)
	for i, c := range b.cols {
		b.bytes += int64(c.add(batch.Column(i), &b.spread))
	}
	for i := range b.spread.have {
		b.spread.have[i] += b.spread.from[i+1] - b.spread.from[i]
	}
}

// order sorts the rows of a batch by their clusters, stably, by counting.
func (b *Buffer) order(batch arrow.RecordBatch) {
	b.number(batch)
	s := &b.spread
	clear(s.from)
	for _, n := range b.numbers {
		s.from[n+1]++
	}
	for i := range len(s.from) - 1 {
		s.from[i+1] += s.from[i]
	}
	if cap(s.rows) < len(b.numbers) {
		s.rows = make([]int32, len(b.numbers))
	}
	s.rows = s.rows[:len(b.numbers)]
	for row, n := range b.numbers {
		s.rows[s.from[n]] = int32(row)
		s.from[n]++
	}
	copy(s.from[1:], s.from) // each has moved to the next one's beginning
	s.from[0] = 0
}

// number finds each row's cluster.
func (b *Buffer) number(batch arrow.RecordBatch) {
	b.hashes, b.numbers = b.hash(batch, b.hashes[:0]), b.numbers[:0]
	switch {
	case b.parts == 1:
		for _, h := range b.hashes {
			b.numbers = append(b.numbers, cluster(h, b.level))
		}
	case b.partOf != nil:
		b.partNrs = b.partOf(batch, b.partNrs[:0])
		for row, h := range b.hashes {
			b.numbers = append(b.numbers, b.partNrs[row]*Fan+cluster(h, b.level))
		}
	default:
		for _, h := range b.hashes {
			b.numbers = append(b.numbers, Part(h, b.parts)*Fan+cluster(h, b.level))
		}
	}
}

// Flush writes all rows to w, which stands at offset of its file, and empties the buffer. The extents are the partitions'.
func (b *Buffer) Flush(w io.Writer, offset int64) (extents []Extent, end int64, err error) {
	extents = make([]Extent, b.parts)
	for p := range extents {
		e := Extent{Offset: offset, Chunks: make([]Chunk, Fan)}
		for i := range e.Chunks {
			n := p*Fan + i
			if b.spread.have[n] == 0 {
				continue
			}
			b.encode(n)
			if _, err := w.Write(b.chunk); err != nil {
				return nil, offset, fmt.Errorf("stage %d rows: %w", b.spread.have[n], err)
			}
			e.Chunks[i] = Chunk{Length: int64(len(b.chunk)), Rows: int64(b.spread.have[n]), Sum: xxh3.Hash(b.chunk)}
			offset += int64(len(b.chunk))
		}
		extents[p] = e
	}
	b.Reset()
	return extents, offset, nil
}

// encode makes the chunk of a cluster.
func (b *Buffer) encode(n int) {
	b.chunk = b.chunk[:0]
	for i, c := range b.cols {
		b.chunk = c.encode(b.chunk, n, int(b.spread.have[n]), b.schema.Field(i).Type.ID() == arrow.BOOL)
	}
}

// Reset drops all rows.
func (b *Buffer) Reset() {
	for _, c := range b.cols {
		c.reset()
	}
	clear(b.spread.have)
	b.bytes = 0
}
