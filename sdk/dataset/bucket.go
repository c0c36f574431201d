package dataset

import (
	"encoding/binary"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/twmb/murmur3"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
)

const (
	partBucket = "bucket"
	partHash   = "hash"
	// partCluster is a clustered exchange's own: by the hash that numbers its clusters.
	partCluster = "cluster"
)

// partitionBy is the partition of an exchange by the columns: Iceberg's bucket
// where there is one column that has one, so that it meets tables bucketed alike.
func partitionBy(schema *arrow.Schema, columns []string, n int) partition {
	p := partition{Kind: partHash, Columns: columns, N: n}
	if len(columns) == 1 {
		if at := schema.FieldIndices(columns[0]); len(at) == 1 && bucketable(schema.Field(at[0]).Type) {
			p.Kind = partBucket
		}
	}
	return p
}

func bucketable(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.INT32, arrow.INT64, arrow.DATE32, arrow.STRING, arrow.BINARY, arrow.FIXED_SIZE_BINARY, arrow.DECIMAL128:
		return true
	case arrow.TIMESTAMP:
		return t.(*arrow.TimestampType).Unit == arrow.Microsecond
	}
	return false
}

// partitioner returns the function that numbers the rows of a batch.
func (p partition) partitioner(schema *arrow.Schema) (func(batch arrow.RecordBatch, into []int32) []int32, error) {
	if p.N <= 1 || len(p.Columns) == 0 {
		return func(batch arrow.RecordBatch, into []int32) []int32 {
			return append(into, make([]int32, batch.NumRows())...)
		}, nil
	}
	if p.Kind == partBucket {
		at := schema.FieldIndices(p.Columns[0])[0]
		return func(batch arrow.RecordBatch, into []int32) []int32 { return BucketNumbers(batch.Column(at), p.N, into) }, nil
	}
	enc, err := rowkey.New(schema, p.Columns)
	if err != nil {
		return nil, err
	}
	var keys rowkey.Keys
	return func(batch arrow.RecordBatch, into []int32) []int32 {
		enc.Encode(batch, &keys)
		for row := range keys.Len() {
			into = append(into, int32(xxh3.Hash(keys.At(row))%uint64(p.N)))
		}
		return into
	}, nil
}

// BucketNumbers appends Iceberg's bucket[n] of each value to into: murmur3 (32 bits, seed 0) of
// its single-value form, without the sign, modulo n; 0 for null.
func BucketNumbers(col arrow.Array, n int, into []int32) []int32 {
	hash := hasher(col)
	for row := range col.Len() {
		b := int32(0)
		if col.IsValid(row) {
			b = int32(hash(row)&0x7fffffff) % int32(n)
		}
		into = append(into, b)
	}
	return into
}

func hasher(col arrow.Array) func(row int) uint32 {
	switch col := col.(type) {
	case *array.Int32:
		return func(row int) uint32 { return hashLong(int64(col.Value(row))) }
	case *array.Int64:
		return func(row int) uint32 { return hashLong(col.Value(row)) }
	case *array.Date32:
		return func(row int) uint32 { return hashLong(int64(col.Value(row))) }
	case *array.Timestamp:
		return func(row int) uint32 { return hashLong(int64(col.Value(row))) }
	case *array.String:
		return func(row int) uint32 { return murmur3.StringSum32(col.Value(row)) }
	case *array.Binary:
		return func(row int) uint32 { return murmur3.Sum32(col.Value(row)) }
	case *array.FixedSizeBinary:
		return func(row int) uint32 { return murmur3.Sum32(col.Value(row)) }
	case *array.Decimal128:
		return func(row int) uint32 { return hashDecimal(col.Value(row)) }
	}
	// partitionBy chooses buckets for the types above only.
	return func(int) uint32 { return 0 }
}

func hashLong(v int64) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(v))
	return murmur3.Sum32(b[:])
}

// hashDecimal hashes the shortest big-endian two's complement of the coefficient.
func hashDecimal(v decimal128.Num) uint32 {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(v.HighBits()))
	binary.BigEndian.PutUint64(b[8:], v.LowBits())
	i := 0
	for i < 15 && (b[i] == 0 && b[i+1] < 0x80 || b[i] == 0xff && b[i+1] >= 0x80) {
		i++
	}
	return murmur3.Sum32(b[i:])
}
