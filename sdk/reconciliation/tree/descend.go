package tree

import (
	"fmt"
	"math"
)

// Buckets are the buckets in which two trees differ.
type Buckets struct {
	Left, Right Node // the roots
	// Differ are the buckets, ascending.
	Differ []uint32
	// Looked is how many pairs of nodes were compared: 1 where the trees are equal.
	Looked int
}

// Equal reports whether the trees say the same.
func (b Buckets) Equal() bool { return len(b.Differ) == 0 }

// FullMerge is the share of differing rows above which reading all rows is cheaper than reading those of the buckets that differ: at a hundredth
// of differing keys, on tables with a hundred rows a bucket, two buckets of three differ already.
const FullMerge = 0.01

// Keys is about how many keys differ: as many as, spread over the buckets at random, hit as many of them. It is +Inf where all do.
func (b Buckets) Keys() float64 {
	return -Leaves * math.Log1p(-float64(len(b.Differ))/Leaves)
}

// Share is about which part of the larger side's rows differs, 0 to 1.
func (b Buckets) Share() float64 {
	rows := max(b.Left.Rows, b.Right.Rows)
	if b.Equal() {
		return 0
	}
	if rows <= 0 {
		return 1
	}
	return min(1, b.Keys()/float64(rows))
}

// Full reports whether all rows are to be compared, because more than a hundredth of them differ, by FullMerge.
func (b Buckets) Full() bool { return b.Share() > FullMerge }

// Descend finds the buckets in which two trees differ.
func Descend(left, right *Tree) (Buckets, error) {
	var b Buckets
	if left.scale != right.scale {
		return b, fmt.Errorf("tree: compare: %w: %d and %d", ErrScale, left.scale, right.scale)
	}
	for _, t := range [2]*Tree{left, right} {
		if err := t.build(); err != nil {
			return b, err
		}
	}
	b.Left, b.Right = left.above[0][0], right.above[0][0]
	at := []uint32{0}
	for level := 0; level <= Levels && len(at) > 0; level++ {
		l, r := left.level(level), right.level(level)
		var next []uint32
		for _, i := range at {
			b.Looked++
			switch {
			case l[i] == r[i]:
			case level == Levels:
				b.Differ = append(b.Differ, i)
			default:
				for k := range uint32(16) {
					next = append(next, 16*i+k)
				}
			}
		}
		at = next
	}
	return b, nil
}
