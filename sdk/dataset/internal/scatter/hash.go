package scatter

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
)

// Fan is into how many clusters a partition, or a cluster that is spread again, is cut.
const Fan = 1 << fanBits

const (
	fanBits = 4
	// MaxLevel is the last level at which clusters can be spread: the hash's bits have run out then.
	MaxLevel = 32/fanBits - 1
)

// nullHash is the hash of a null.
const nullHash = 0x9e3779b97f4a7c15

// Hasher returns the function that appends the hash of each row's key.
func Hasher(schema *arrow.Schema, keys []string) (func(b arrow.RecordBatch, into []uint64) []uint64, error) {
	if len(keys) == 1 {
		if at := schema.FieldIndices(keys[0]); len(at) == 1 && schema.Field(at[0]).Type.ID() == arrow.STRING {
			return func(b arrow.RecordBatch, into []uint64) []uint64 {
				col, ok := b.Column(at[0]).(*array.String)
				if !ok { // the batch has not the schema
					return append(into, make([]uint64, b.NumRows())...)
				}
				return hashTexts(col, into)
			}, nil
		}
	}
	enc, err := rowkey.New(schema, keys)
	if err != nil {
		return nil, fmt.Errorf("cluster by %v: %w", keys, err)
	}
	var k rowkey.Keys
	return func(b arrow.RecordBatch, into []uint64) []uint64 {
		enc.Encode(b, &k)
		for row := range k.Len() {
			into = append(into, xxh3.Hash(k.At(row)))
		}
		return into
	}, nil
}

func hashTexts(col *array.String, into []uint64) []uint64 {
	nulls := col.NullN() > 0
	for row := range col.Len() {
		h := uint64(nullHash)
		if !nulls || col.IsValid(row) {
			h = xxh3.HashString(col.Value(row))
		}
		into = append(into, h)
	}
	return into
}

// Part is the partition of a hash among n.
func Part(h uint64, n int) int32 { return int32((h >> 32) * uint64(n) >> 32) }

// cluster is the number of a hash within its partition, or within the cluster that is spread at the level.
func cluster(h uint64, level int) int32 { return int32(h >> (fanBits * level) & (Fan - 1)) }
