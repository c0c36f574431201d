package runs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/dataset/internal/columns"
	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
)

// Buffer collects batches of one schema. It is not safe for concurrent use.
type Buffer struct {
	schema  *arrow.Schema
	enc     *rowkey.Encoder // nil: rows keep their order
	batches []arrow.RecordBatch
	keys    []*rowkey.Keys
	free    []*rowkey.Keys
	bytes   int64
	rows    int
}

// NewBuffer makes an empty buffer whose rows will be ordered by the columns, or keep their order if there are none.
func NewBuffer(schema *arrow.Schema, orderBy []string) (*Buffer, error) {
	b := &Buffer{schema: schema}
	if len(orderBy) == 0 {
		return b, nil
	}
	var err error
	b.enc, err = rowkey.New(schema, orderBy)
	return b, err
}

// Add keeps a reference to the batch.
func (b *Buffer) Add(batch arrow.RecordBatch) {
	if batch.NumRows() == 0 {
		return
	}
	batch.Retain()
	b.batches = append(b.batches, batch)
	b.bytes += columns.Size(batch)
	b.rows += int(batch.NumRows())
	if b.enc == nil {
		return
	}
	k := &rowkey.Keys{}
	if n := len(b.free); n > 0 {
		k, b.free = b.free[n-1], b.free[:n-1]
	}
	b.enc.Encode(batch, k)
	b.keys = append(b.keys, k)
	b.bytes += k.Bytes() + int64(16*k.Len())
}

// Bytes is the memory held, Rows the number of rows.
func (b *Buffer) Bytes() int64 { return b.bytes }

// Rows is the number of rows held.
func (b *Buffer) Rows() int { return b.rows }

// Reset drops all batches.
func (b *Buffer) Reset() {
	for _, batch := range b.batches {
		batch.Release()
	}
	b.free = append(b.free, b.keys...)
	b.batches, b.keys, b.bytes, b.rows = nil, nil, 0, 0
}

// entry is a row with the first bytes of its key.
type entry struct {
	prefix      uint64
	source, row int32
}

// Order sorts the rows and returns them part by part: partOf gives each row's
// part from 0 to parts-1. A nil partOf puts every row into part 0.
func (b *Buffer) Order(parts int, partOf func(batch arrow.RecordBatch, into []int32) []int32) [][]columns.Pick {
	byPart := make([][]entry, parts)
	var part []int32
	for s, batch := range b.batches {
		n := int(batch.NumRows())
		if partOf != nil {
			part = partOf(batch, part[:0])
		}
		for row := range n {
			p := int32(0)
			if partOf != nil {
				p = part[row]
			}
			e := entry{source: int32(s), row: int32(row)}
			if b.enc != nil {
				e.prefix = prefixOf(b.keys[s].At(row))
			}
			byPart[p] = append(byPart[p], e)
		}
	}
	out := make([][]columns.Pick, parts)
	for p, entries := range byPart {
		b.sort(entries)
		out[p] = make([]columns.Pick, len(entries))
		for i, e := range entries {
			out[p][i] = columns.Pick{Source: e.source, Row: e.row}
		}
	}
	return out
}

func (b *Buffer) sort(entries []entry) {
	if b.enc == nil {
		return
	}
	compare := func(x, y entry) int {
		if x.prefix != y.prefix {
			return cmp.Compare(x.prefix, y.prefix)
		}
		if c := bytes.Compare(b.keys[x.source].At(int(x.row)), b.keys[y.source].At(int(y.row))); c != 0 {
			return c
		}
		if x.source != y.source {
			return cmp.Compare(x.source, y.source)
		}
		return cmp.Compare(x.row, y.row)
	}
	if !slices.IsSortedFunc(entries, compare) {
		slices.SortFunc(entries, compare)
	}
}

// prefixOf is a number that orders keys by their first nine bytes: the byte
// that says null or not, and the eight after it with their last bit given up.
func prefixOf(key []byte) uint64 {
	if len(key) >= 9 {
		return uint64(key[0])<<63 | binary.BigEndian.Uint64(key[1:])>>1
	}
	var p [8]byte
	if len(key) > 1 {
		copy(p[:], key[1:])
	}
	if len(key) == 0 {
		return 0
	}
	return uint64(key[0])<<63 | binary.BigEndian.Uint64(p[:])>>1
}

// Gather makes one batch of the picked rows.
func (b *Buffer) Gather(ctx context.Context, picks []columns.Pick) (arrow.RecordBatch, error) {
	return columns.GatherBatch(ctx, b.schema, b.batches, picks)
}
