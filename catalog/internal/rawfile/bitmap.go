package rawfile

import "math/bits"

// Bitmap is a set of positions in one file; nil is empty.
type Bitmap []uint64

// Has reports whether a row is in the set.
func (b Bitmap) Has(row uint32) bool {
	return int(row>>6) < len(b) && b[row>>6]&(1<<(row&63)) != 0
}

// Add puts a row of a file of n rows into the set, and reports whether it is new.
func (b *Bitmap) Add(row uint32, n int64) bool {
	if *b == nil {
		*b = make(Bitmap, (n+63)/64)
	}
	if int(row>>6) >= len(*b) || b.Has(row) { // a position beyond the file deletes nothing
		return false
	}
	(*b)[row>>6] |= 1 << (row & 63)
	return true
}

// Each visits the rows in order.
func (b Bitmap) Each(visit func(row uint32)) {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			visit(uint32(i<<6 + bits.TrailingZeros64(w)))
		}
	}
}
