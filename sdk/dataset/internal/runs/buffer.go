package runs

import (
	"context"

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

// Order sorts the rows and returns them part by part: partOf gives each row's
// part from 0 to parts-1. A nil partOf puts every row into part 0.
func (b *Buffer) Order(parts int, partOf func(batch arrow.RecordBatch, into []int32) []int32) [][]columns.Pick {
	byPart := make([][]entry, parts)
	var part []int32
	p8 := prefixerOf(b.keys)
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
				e.prefix = p8.of(b.keys[s].At(row))
			}
			byPart[p] = append(byPart[p], e)
		}
	}
	out := make([][]columns.Pick, parts)
	for p, entries := range byPart {
		if b.enc != nil {
			sortEntries(entries, p8, b.keys)
		}
		out[p] = make([]columns.Pick, len(entries))
		for i, e := range entries {
			out[p][i] = columns.Pick{Source: e.source, Row: e.row}
		}
	}
	return out
}

// Gather makes one batch of the picked rows.
func (b *Buffer) Gather(ctx context.Context, picks []columns.Pick) (arrow.RecordBatch, error) {
	return columns.GatherBatch(ctx, b.schema, b.batches, picks)
}
