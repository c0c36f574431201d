package parquetfile

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// dictLimit bounds a dictionary: beyond it a column goes on without one.
const (
	dictLimitValues = 1 << 15
	dictLimitBytes  = 1 << 20
)

// dictBuilder numbers distinct byte strings in the order of their first appearance.
type dictBuilder struct {
	slots []dictSlot // open addressing; a power of two
	data  []byte
	offs  []uint32 // len is values+1
}

type dictSlot struct {
	hash uint32
	id   int32 // value's number plus one; 0 is free
}

func (d *dictBuilder) reset() {
	d.data = d.data[:0]
	d.offs = append(d.offs[:0], 0)
	clear(d.slots)
}

func (d *dictBuilder) len() int { return max(0, len(d.offs)-1) }

func (d *dictBuilder) full() bool {
	return d.len() > dictLimitValues || len(d.data) > dictLimitBytes
}

func (d *dictBuilder) value(i int32) []byte { return d.data[d.offs[i]:d.offs[i+1]] }

// add gives v's number.
func (d *dictBuilder) add(v []byte) int32 {
	if 2*d.len() >= len(d.slots) {
		d.rehash()
	}
	h := hashText(v)
	mask := uint32(len(d.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := &d.slots[i]
		if s.id == 0 {
			d.data = append(d.data, v...)
			d.offs = append(d.offs, uint32(len(d.data)))
			*s = dictSlot{h, int32(d.len())}
			return s.id - 1
		}
		if s.hash == h && bytes.Equal(d.value(s.id-1), v) {
			return s.id - 1
		}
	}
}

// hashText hashes a text; those of up to 16 bytes, which most dictionaries hold, by one multiplication.
func hashText(v []byte) uint32 {
	n := len(v)
	var a, b uint64
	switch {
	case n > 16:
		return uint32(xxh3.Hash(v))
	case n >= 8:
		a, b = binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[n-8:])
	case n >= 4:
		a, b = uint64(binary.LittleEndian.Uint32(v)), uint64(binary.LittleEndian.Uint32(v[n-4:]))
	case n > 0:
		a, b = uint64(v[0])<<16|uint64(v[n>>1])<<8|uint64(v[n-1]), 0
	}
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f^uint64(n), b^0xe7037ed1a0b428db)
	return uint32((hi ^ lo) >> 11)
}

func (d *dictBuilder) rehash() {
	old := d.slots
	d.slots = make([]dictSlot, max(64, 4*len(old)))
	if len(d.offs) == 0 {
		d.offs = append(d.offs, 0)
	}
	mask := uint32(len(d.slots) - 1)
	for _, s := range old {
		if s.id == 0 {
			continue
		}
		i := s.hash & mask
		for d.slots[i].id != 0 {
			i = (i + 1) & mask
		}
		d.slots[i] = s
	}
}
