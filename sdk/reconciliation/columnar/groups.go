package columnar

import (
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// group is the rows of one key: of each side the first of a list, -1 for none.
type group struct {
	hash uint64
	head [2]int32
}

// groups finds the rows of each key by a hash table. Its room is used again.
type groups struct {
	all   []group
	next  [2][]int32 // the next row of the same key and side, -1 at the end
	slots []int32    // a group and one; 0 is free
	keys  [2]*array.String
}

func (g *groups) build(left, right *inColumns) {
	g.keys = [2]*array.String{left.key, right.key}
	size := 16
	for size < 3*(left.key.Len()+right.key.Len())/2 {
		size *= 2
	}
	if cap(g.slots) < size {
		g.slots = make([]int32, size)
	}
	g.slots = g.slots[:size]
	clear(g.slots)
	g.all = g.all[:0]
	for side, keys := range g.keys {
		g.next[side] = g.next[side][:0]
		for row := range keys.Len() {
			at := g.find(keys.Value(row))
			g.next[side] = append(g.next[side], g.all[at].head[side])
			g.all[at].head[side] = int32(row)
		}
	}
}

// find is the group of a key, which is added if it is new. Keys are compared whole where their hashes are equal.
func (g *groups) find(key string) int32 {
	h, mask := xxh3.HashString(key), uint64(len(g.slots)-1)
	for at := h >> 7 & mask; ; at = (at + 1) & mask { // the lowest bits chose the cluster
		n := g.slots[at]
		if n == 0 {
			g.all = append(g.all, group{h, [2]int32{-1, -1}})
			g.slots[at] = int32(len(g.all))
			return int32(len(g.all) - 1)
		}
		if x := &g.all[n-1]; x.hash == h && g.keyOf(x) == key {
			return n - 1
		}
	}
}

func (g *groups) keyOf(x *group) string {
	if l := x.head[Left]; l >= 0 {
		return g.keys[Left].Value(int(l))
	}
	return g.keys[Right].Value(int(x.head[Right]))
}

// tally adds up matches, or items, of one currency.
type tally struct {
	currency    string
	n           int64
	left, right money.Int128
}

// tallies are of one cluster.
type tallies struct {
	all  []tally
	last int
	side tally
}

// of is a currency's tally.
func (t *tallies) of(currency string) *tally {
	if t.last < len(t.all) && t.all[t.last].currency == currency {
		return &t.all[t.last]
	}
	for i := range t.all {
		if t.all[i].currency == currency {
			t.last = i
			return &t.all[i]
		}
	}
	t.last = len(t.all)
	t.all = append(t.all, tally{currency: currency})
	return &t.all[t.last]
}

// matched adds a match. Where a sum would have more than 38 digits it begins anew.
func (t *tallies) matched(currency string, left, right money.Int128, out *outcomes) {
	x := t.of(currency)
	l, ok1 := x.left.Add(left)
	r, ok2 := x.right.Add(right)
	if !ok1 || !ok2 || !l.Fits(money.MaxPrecision) || !r.Fits(money.MaxPrecision) {
		x.flush(out, reconciliation.Matched, &x.left, &x.right)
		l, r = left, right
	}
	x.n, x.left, x.right = x.n+1, l, r
}

// flush makes a row of a tally and empties it.
func (x *tally) flush(out *outcomes, class reconciliation.Class, left, right *money.Int128) {
	if x.n > 0 {
		out.addSum(class, x.currency, x.n, left, right)
	}
	x.n, x.left, x.right = 0, money.Int128{}, money.Int128{}
}

// end makes rows of the matches.
func (t *tallies) end(out *outcomes) {
	for i := range t.all {
		x := &t.all[i]
		x.flush(out, reconciliation.Matched, &x.left, &x.right)
	}
	t.all = t.all[:0]
}

// count adds up all of one side's items.
func (t *tallies) count(in *inColumns, class reconciliation.Class, out *outcomes) {
	flush := func(x *tally) {
		if class == PopulationLeft {
			x.flush(out, class, &x.left, nil)
		} else {
			x.flush(out, class, nil, &x.left)
		}
	}
	for row := range in.key.Len() {
		x, v := t.of(in.currency.Value(row)), int128Of(in.amount, int32(row))
		sum, ok := x.left.Add(v)
		if !ok || !sum.Fits(money.MaxPrecision) {
			flush(x)
			sum = v
		}
		x.n, x.left = x.n+1, sum
	}
	for i := range t.all {
		flush(&t.all[i])
	}
	t.all = t.all[:0]
}
