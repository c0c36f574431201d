package catalog

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/millrace/millrace/sdk/fault"
)

// BucketRows appends to dst the bucket, in [0, n), of every row of a column: Iceberg's
// bucket[n] transform, exactly. A null has no bucket and is a fault.Usage, as is a type that
// cannot be hashed (floats, booleans, nested types).
func BucketRows(dst []int32, col arrow.Array, n int) ([]int32, error) {
	if n < 1 || n > math.MaxInt32 {
		return dst, fault.Usagef("%d buckets: use 1 to 65536", n)
	}
	if col.NullN() > 0 {
		row := 0
		for row < col.Len()-1 && col.IsValid(row) {
			row++
		}
		return dst, fault.Usagef("row %d of the batch has a null in the column that buckets are made by", row)
	}
	hash, err := rowHash(col)
	if err != nil {
		return dst, err
	}
	for i := range col.Len() {
		dst = append(dst, int32((hash(i)&math.MaxInt32)%uint32(n)))
	}
	return dst, nil
}

// rowHash gives a function from a row of col to the hash of its value.
func rowHash(col arrow.Array) (func(i int) uint32, error) {
	switch c := col.(type) {
	case *array.Int64:
		return func(i int) uint32 { return murmur64(uint64(c.Value(i))) }, nil
	case *array.Int32:
		return func(i int) uint32 { return murmur64(uint64(int64(c.Value(i)))) }, nil
	case *array.Int16:
		return func(i int) uint32 { return murmur64(uint64(int64(c.Value(i)))) }, nil
	case *array.Int8:
		return func(i int) uint32 { return murmur64(uint64(int64(c.Value(i)))) }, nil
	case *array.Uint32:
		return func(i int) uint32 { return murmur64(uint64(c.Value(i))) }, nil
	case *array.Uint16:
		return func(i int) uint32 { return murmur64(uint64(c.Value(i))) }, nil
	case *array.Uint8:
		return func(i int) uint32 { return murmur64(uint64(c.Value(i))) }, nil
	case *array.Date32:
		return func(i int) uint32 { return murmur64(uint64(int64(c.Value(i)))) }, nil
	case *array.Time64:
		if c.DataType().(*arrow.Time64Type).Unit == arrow.Microsecond {
			return func(i int) uint32 { return murmur64(uint64(c.Value(i))) }, nil
		}
	case *array.Timestamp:
		if c.DataType().(*arrow.TimestampType).Unit == arrow.Microsecond {
			return func(i int) uint32 { return murmur64(uint64(c.Value(i))) }, nil
		}
	case *array.Decimal128:
		return func(i int) uint32 { return murmurDecimal(c.Value(i)) }, nil
	case *array.Decimal64:
		return func(i int) uint32 { return murmurDecimal(decimal128.FromI64(int64(c.Value(i)))) }, nil
	case *array.Decimal32:
		return func(i int) uint32 { return murmurDecimal(decimal128.FromI64(int64(c.Value(i)))) }, nil
	case *array.String:
		return func(i int) uint32 { s := c.Value(i); return murmur32(unsafe.Slice(unsafe.StringData(s), len(s))) }, nil
	case *array.LargeString:
		return func(i int) uint32 { s := c.Value(i); return murmur32(unsafe.Slice(unsafe.StringData(s), len(s))) }, nil
	case *array.Binary:
		return func(i int) uint32 { return murmur32(c.Value(i)) }, nil
	case *array.LargeBinary:
		return func(i int) uint32 { return murmur32(c.Value(i)) }, nil
	case *array.FixedSizeBinary:
		return func(i int) uint32 { return murmur32(c.Value(i)) }, nil
	case *array.Dictionary:
		return dictionaryHash(c)
	}
	return nil, fault.Usagef("rows cannot be put into buckets by a column of type %s; use integers, texts, dates, times, decimals or binaries", col.DataType())
}

// dictionaryHash hashes each distinct value once.
func dictionaryHash(c *array.Dictionary) (func(i int) uint32, error) {
	of, err := rowHash(c.Dictionary())
	if err != nil {
		return nil, fmt.Errorf("dictionary: %w", err)
	}
	hashes := make([]uint32, c.Dictionary().Len())
	for i := range hashes {
		hashes[i] = of(i)
	}
	return func(i int) uint32 { return hashes[c.GetValueIndex(i)] }, nil
}

// MurmurHash3 x86 32-bit with seed 0, as Iceberg's specification has it.
const (
	murmurC1 = 0xcc9e2d51
	murmurC2 = 0x1b873593
)

func murmurBlock(h, k uint32) uint32 {
	k *= murmurC1
	k = bits.RotateLeft32(k, 15)
	k *= murmurC2
	h ^= k
	return bits.RotateLeft32(h, 13)*5 + 0xe6546b64
}

func murmurEnd(h, length uint32) uint32 {
	h ^= length
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// murmur64 hashes the eight little-endian bytes of v.
func murmur64(v uint64) uint32 {
	return murmurEnd(murmurBlock(murmurBlock(0, uint32(v)), uint32(v>>32)), 8)
}

func murmur32(b []byte) uint32 {
	h, n := uint32(0), uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h = murmurBlock(h, binary.LittleEndian.Uint32(b))
	}
	var k uint32
	for i := len(b) - 1; i >= 0; i-- {
		k = k<<8 | uint32(b[i])
	}
	if len(b) > 0 {
		k *= murmurC1
		h ^= bits.RotateLeft32(k, 15) * murmurC2
	}
	return murmurEnd(h, n)
}

// murmurDecimal hashes the fewest big-endian bytes that hold the unscaled value.
func murmurDecimal(v decimal128.Num) uint32 {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(v.HighBits()))
	binary.BigEndian.PutUint64(b[8:], v.LowBits())
	s := b[:]
	for len(s) > 1 && (s[0] == 0 && s[1] < 0x80 || s[0] == 0xff && s[1] >= 0x80) {
		s = s[1:]
	}
	return murmur32(s)
}
