package tree

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/money"
)

// magic begins a tree that was written; the last byte is the version of the form.
const magic = "MRTREE\x00\x01"

// leafBytes is a bucket's room: rows, amount, hash.
const leafBytes = 8 + 16 + 16

var errNoTree = errors.New("the bytes are no tree of this version, or are spoilt")

// MarshalBinary writes the tree: magic, scale, then each bucket that is not empty as its number behind the one before, rows, amount and hash, and a
// checksum of it all. Equal trees have equal bytes.
func (t *Tree) MarshalBinary() ([]byte, error) {
	out := append([]byte(magic), byte(t.scale))
	last := uint32(0)
	for i, n := range t.leaves {
		if n == (Node{}) {
			continue
		}
		out = binary.AppendUvarint(out, uint64(uint32(i)-last))
		last = uint32(i)
		for _, x := range [...]uint64{uint64(n.Rows), n.Amount.Lo, uint64(n.Amount.Hi), n.Hash.Lo, n.Hash.Hi} {
			out = binary.LittleEndian.AppendUint64(out, x)
		}
	}
	return binary.LittleEndian.AppendUint64(out, xxh3.Hash(out)), nil
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (t *Tree) UnmarshalBinary(data []byte) error {
	if len(data) < len(magic)+1+8 || string(data[:len(magic)]) != magic {
		return fmt.Errorf("tree: read: %w", errNoTree)
	}
	body, sum := data[:len(data)-8], binary.LittleEndian.Uint64(data[len(data)-8:])
	if xxh3.Hash(body) != sum || body[len(magic)] > 38 {
		return fmt.Errorf("tree: read: %w", errNoTree)
	}
	out := New(int(body[len(magic)]))
	at, first := uint64(0), true
	for body = body[len(magic)+1:]; len(body) > 0; first = false {
		step, n := binary.Uvarint(body)
		if n <= 0 || len(body) < n+leafBytes || step >= Leaves || !first && step == 0 {
			return fmt.Errorf("tree: read: %w", errNoTree)
		}
		if at += step; at >= Leaves {
			return fmt.Errorf("tree: read: %w", errNoTree)
		}
		var x [5]uint64
		for i := range x {
			x[i] = binary.LittleEndian.Uint64(body[n+8*i:])
		}
		out.leaves[at] = Node{Rows: int64(x[0]), Amount: money.Int128{Lo: x[1], Hi: int64(x[2])}, Hash: Hash{x[3], x[4]}}
		body = body[n+leafBytes:]
	}
	*t = *out
	return nil
}
