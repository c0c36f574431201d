package columns

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/fault"
)

// Hash is the identity of a key.
type Hash struct{ Lo, Hi uint64 }

// CheckKeyType refuses types that cannot identify a row.
func CheckKeyType(name string, t arrow.DataType) error {
	switch t.ID() {
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64,
		arrow.DATE32, arrow.TIMESTAMP, arrow.TIME64, arrow.DECIMAL128, arrow.FIXED_SIZE_BINARY,
		arrow.STRING, arrow.BINARY, arrow.BOOL:
		return nil
	}
	return fault.Usagef("key column %q: a %s cannot identify a row; use integers, texts, dates, times, decimals or binaries", name, t)
}

// HashKeys appends the hashes of all rows of a key to dst. All columns have the same length. A
// HashKeys appends the hashes of all rows of a key to dst. All columns have the same length, and
// types that CheckKeyType accepts. The hash of a row with a null in its key is meaningless.
func HashKeys(dst []Hash, key []arrow.Array) ([]Hash, error) {
	dst = slices.Grow(dst, key[0].Len())
	if len(key) == 1 {
		if out, ok := hashOne(dst, key[0]); ok {
			return out, nil
		}
	}
	return hashMany(dst, key)
}

// hashOne hashes keys of one column: exactly where they fit 16 bytes.
func hashOne(dst []Hash, col arrow.Array) ([]Hash, bool) {
	if ints, ok := Ints(col); ok {
		for _, v := range ints {
			dst = append(dst, Hash{Lo: mix(uint64(v))})
		}
		return dst, true
	}
	switch c := col.(type) {
	case *array.String:
		for r := range c.Len() {
			dst = append(dst, hashText(c.Value(r)))
		}
	case *array.Decimal128:
		for _, v := range c.Values() {
			dst = append(dst, scramble(v.LowBits(), uint64(v.HighBits())))
		}
	case *array.FixedSizeBinary:
		if c.DataType().(*arrow.FixedSizeBinaryType).ByteWidth != 16 {
			return dst, false
		}
		for r := range c.Len() {
			v := c.Value(r)
			dst = append(dst, scramble(binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[8:])))
		}
	default:
		return dst, false
	}
	return dst, true
}

func hashText(s string) Hash {
	h := xxh3.Hash128(unsafe.Slice(unsafe.StringData(s), len(s)))
	return Hash{Lo: h.Lo, Hi: h.Hi}
}

// hashMany hashes an unambiguous encoding of each row's key.
func hashMany(dst []Hash, key []arrow.Array) ([]Hash, error) {
	put := make([]func([]byte, int) []byte, len(key))
	for i, col := range key {
		p, err := encoder(col)
		if err != nil {
			return dst, err
		}
		put[i] = p
	}
	var buf []byte
	for r := range key[0].Len() {
		buf = buf[:0]
		for _, p := range put {
			buf = p(buf, r)
		}
		h := xxh3.Hash128(buf)
		dst = append(dst, Hash{Lo: h.Lo, Hi: h.Hi})
	}
	return dst, nil
}

// encoder appends a value so that no two different keys have the same encoding.
func encoder(col arrow.Array) (func([]byte, int) []byte, error) {
	if v, ok := Ints(col); ok {
		return func(b []byte, r int) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v[r])) }, nil
	}
	switch c := col.(type) {
	case *array.String:
		return func(b []byte, r int) []byte { return appendBytes(b, c.Value(r)) }, nil
	case *array.Binary:
		return func(b []byte, r int) []byte { return appendBytes(b, c.ValueString(r)) }, nil
	case *array.FixedSizeBinary:
		return func(b []byte, r int) []byte { return append(b, c.Value(r)...) }, nil
	case *array.Decimal128:
		return func(b []byte, r int) []byte {
			v := c.Value(r)
			return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, v.LowBits()), uint64(v.HighBits()))
		}, nil
	}
	return nil, CheckKeyType("", col.DataType())
}

func appendBytes(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// mix maps 64-bit values one to one onto well-spread ones (the finaliser of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// scramble maps 128-bit values one to one onto well-spread ones (two rounds of a Feistel network).
func scramble(lo, hi uint64) Hash {
	lo ^= mix(hi + 0x9e3779b97f4a7c15)
	hi ^= mix(lo)
	return Hash{Lo: lo, Hi: hi}
}
