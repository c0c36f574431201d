package columnar

import (
	"bytes"
	"math"

	"github.com/zeebo/xxh3"
)

// group is the rows of one key: of each side the first of a list, -1 for none.
type group struct{ head [2]int32 }

// groups finds the rows of each key by a hash table. Its room is used again.
type groups struct {
	all   []group
	next  [2][]int32 // the next row of the same key and side, -1 at the end
	slots []uint64   // a hash's upper half, then a group's number and one; 0 is free
	keys  [2]*texts
}

func (g *groups) build(left, right *inColumns) {
	g.keys = [2]*texts{&left.keys, &right.keys}
	rows, size := left.keys.len()+right.keys.len(), 16
	for size < rows+rows/8 {
		size *= 2
	}
	if cap(g.slots) < size {
		g.slots = make([]uint64, size)
	}
	g.slots = g.slots[:size]
	clear(g.slots)
	g.all = g.all[:0]
	for side, keys := range g.keys {
		g.next[side] = g.next[side][:0]
		for row := range keys.len() {
			x := &g.all[g.find(keys.at(int32(row)))]
			g.next[side] = append(g.next[side], x.head[side])
			x.head[side] = int32(row)
		}
	}
}

// find is the group of a key, which is added if it is new. Keys are compared whole where half of their hashes is equal.
func (g *groups) find(key []byte) int32 {
	h, mask := xxh3.Hash(key), uint64(len(g.slots)-1)
	tag := h &^ math.MaxUint32
	for at := h >> 4 & mask; ; at = (at + 1) & mask { // the lowest bits chose the cluster
		n := g.slots[at]
		if n == 0 {
			g.all = append(g.all, group{[2]int32{-1, -1}})
			g.slots[at] = tag | uint64(len(g.all))
			return int32(len(g.all) - 1)
		}
		if n&^math.MaxUint32 != tag {
			continue
		}
		if at := int32(uint32(n)) - 1; bytes.Equal(g.keyOf(&g.all[at]), key) {
			return at
		}
	}
}

func (g *groups) keyOf(x *group) []byte {
	if l := x.head[Left]; l >= 0 {
		return g.keys[Left].at(l)
	}
	return g.keys[Right].at(x.head[Right])
}

// texts gives access to the bytes of a column of texts.
type texts struct {
	offsets []int32
	data    []byte
}

func (t *texts) len() int { return max(len(t.offsets)-1, 0) }

func (t *texts) at(i int32) []byte {
	return t.data[t.offsets[i]-t.offsets[0] : t.offsets[i+1]-t.offsets[0]]
}
