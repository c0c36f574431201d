package tree

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/millrace/millrace/sdk/money"
)

// Levels is how many levels a tree has below its root; each node has 16 below it.
const Levels = 4

// Leaves is the number of buckets.
const Leaves = 1 << (4 * Levels)

// Node is what a group of rows adds up to.
type Node struct {
	Rows   int64        // negative where more rows were taken away than added
	Amount money.Int128 // in units of the tree's scale
	Hash   Hash
}

// add adds n to a node; ok is false where the amount does not fit 128 bits.
func (a *Node) add(n Node) (ok bool) {
	a.Rows += n.Rows
	var carry uint64
	a.Hash.Lo, carry = bits.Add64(a.Hash.Lo, n.Hash.Lo, 0)
	a.Hash.Hi, _ = bits.Add64(a.Hash.Hi, n.Hash.Hi, carry)
	a.Amount, ok = a.Amount.Add(n.Amount)
	return ok
}

// negated is the node that undoes n.
func (n Node) negated() (Node, bool) {
	lo, borrow := bits.Sub64(0, n.Hash.Lo, 0)
	hi, _ := bits.Sub64(0, n.Hash.Hi, borrow)
	amount, ok := n.Amount.Neg()
	return Node{Rows: -n.Rows, Amount: amount, Hash: Hash{lo, hi}}, ok
}

// ErrScale is the error of trees that have different scales.
var ErrScale = errors.New("the trees' amounts have different numbers of digits after the point")

// Tree has the nodes of all buckets: 2.5 MiB. The zero value is no tree; see New. It is not safe for concurrent use while rows are added.
type Tree struct {
	scale  int
	leaves []Node
	above  [Levels][]Node // by level, the root first; made when they are asked for
}

// New makes an empty tree of amounts with so many digits after the point, 0 to 38.
func New(scale int) *Tree { return &Tree{scale: scale, leaves: make([]Node, Leaves)} }

// Scale is the number of digits after the point of the amounts.
func (t *Tree) Scale() int { return t.scale }

// Add takes a row in. An amount with more digits than the tree's scale is an error.
func (t *Tree) Add(bucket uint32, row Hash, amount money.Decimal) error {
	return t.put(bucket, row, amount, false)
}

// Remove takes a row away, as if it had never been added.
func (t *Tree) Remove(bucket uint32, row Hash, amount money.Decimal) error {
	return t.put(bucket, row, amount, true)
}

func (t *Tree) put(bucket uint32, row Hash, amount money.Decimal, away bool) error {
	d, err := amount.RescaleExact(t.scale)
	if err != nil {
		return fmt.Errorf("tree: amount %s at %d digits after the point: %w", amount, t.scale, err)
	}
	n, ok := Node{Rows: 1, Amount: d.Coefficient(), Hash: row}, true
	if away {
		n, ok = n.negated()
	}
	if !ok || bucket >= Leaves || !t.leaves[bucket].add(n) {
		return fmt.Errorf("tree: amount %s in bucket %d: %w", amount, bucket, money.ErrOverflow)
	}
	t.above = [Levels][]Node{}
	return nil
}

// Merge adds another tree's rows.
func (t *Tree) Merge(o *Tree) error { return t.join(o, false) }

// Subtract takes another tree's rows away.
func (t *Tree) Subtract(o *Tree) error { return t.join(o, true) }

func (t *Tree) join(o *Tree, away bool) error {
	if t.scale != o.scale {
		return fmt.Errorf("tree: merge: %w: %d and %d", ErrScale, t.scale, o.scale)
	}
	for i, n := range o.leaves {
		ok := true
		if away {
			n, ok = n.negated()
		}
		if !ok || !t.leaves[i].add(n) {
			return fmt.Errorf("tree: merge bucket %d: %w", i, money.ErrOverflow)
		}
	}
	t.above = [Levels][]Node{}
	return nil
}

// Root is what all rows add up to. It fails where their amounts do not fit 128 bits.
func (t *Tree) Root() (Node, error) {
	if err := t.build(); err != nil {
		return Node{}, err
	}
	return t.above[0][0], nil
}

// Leaf is what a bucket's rows add up to.
func (t *Tree) Leaf(bucket uint32) Node { return t.leaves[bucket] }

// build makes the nodes above the buckets.
func (t *Tree) build() error {
	if t.above[0] != nil {
		return nil
	}
	below := t.leaves
	for level := Levels - 1; level >= 0; level-- {
		nodes := make([]Node, len(below)/16)
		for i := range below {
			if !nodes[i/16].add(below[i]) {
				return fmt.Errorf("tree: add up level %d: %w", level, money.ErrOverflow)
			}
		}
		t.above[level], below = nodes, nodes
	}
	return nil
}

// level are the nodes of a level, the root's being 0 and the buckets' Levels.
func (t *Tree) level(n int) []Node {
	if n == Levels {
		return t.leaves
	}
	return t.above[n]
}
