package tree

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/money"
)

// Hash is a number of 128 bits.
type Hash struct{ Lo, Hi uint64 }

// Hasher makes the hashes of rows, one after the other: Key, then the key's values, Row, then all values that are compared, then [Tree.Add]
// of what Sum gives. The zero value is ready. It is not safe for concurrent use.
type Hasher struct {
	buf []byte
	key int // where the row's own values begin
}

// The kinds of values, so that values of two kinds never say the same.
const (
	kindNull = iota
	kindText
	kindNumber
	kindDay
	kindInt
)

// Key begins a row.
func (h *Hasher) Key() { h.buf, h.key = h.buf[:0], 0 }

// Row ends the key's values. What is compared beside the key follows.
func (h *Hasher) Row() { h.key = len(h.buf) }

// Null is a value that is not there.
func (h *Hasher) Null() { h.buf = append(h.buf, kindNull) }

// Text is a text.
func (h *Hasher) Text(s string) {
	h.buf = binary.AppendUvarint(append(h.buf, kindText), uint64(len(s)))
	h.buf = append(h.buf, s...)
}

// Bytes is a text that is at hand as bytes.
func (h *Hasher) Bytes(b []byte) {
	h.buf = binary.AppendUvarint(append(h.buf, kindText), uint64(len(b)))
	h.buf = append(h.buf, b...)
}

// Number is a decimal, by its value: zeros at its end do not count.
func (h *Hasher) Number(d money.Decimal) {
	d = d.Normalize()
	c := d.Coefficient()
	h.buf = append(h.buf, kindNumber, byte(d.Scale()))
	h.buf = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(h.buf, c.Lo), uint64(c.Hi))
}

// Day is a date, in days since 1970-01-01.
func (h *Hasher) Day(d int32) {
	h.buf = binary.LittleEndian.AppendUint32(append(h.buf, kindDay), uint32(d))
}

// Int is an integer, such as a time stamp in microseconds.
func (h *Hasher) Int(i int64) {
	h.buf = binary.LittleEndian.AppendUint64(append(h.buf, kindInt), uint64(i))
}

// Bucket is the row's bucket, once Row has ended its key.
func (h *Hasher) Bucket() uint32 { return uint32(xxh3.Hash(h.buf[:h.key]) >> (64 - 4*Levels)) }

// Sum is the row's bucket and hash.
func (h *Hasher) Sum() (bucket uint32, row Hash) {
	r := xxh3.Hash128(h.buf)
	return h.Bucket(), Hash{Lo: r.Lo, Hi: r.Hi}
}
