package columnar

import (
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// currencies number the currencies of one cluster's rows, on both sides alike, so that rows compare and add up by numbers.
type currencies struct {
	texts  []string
	packed []uint64 // of texts of up to seven bytes: the text and its length
	number map[string]int32
	tally  []tally // of matches, by number
}

// packable is how many currencies are looked for one by one.
const packable = 8

func pack(b []byte) (p uint64, ok bool) {
	if len(b) == 3 { // as good as always
		return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | 3<<56, true
	}
	if len(b) > 7 {
		return 0, false
	}
	for i, c := range b {
		p |= uint64(c) << (8 * i)
	}
	return p | uint64(len(b))<<56, true
}

// of is the number of a currency.
func (c *currencies) of(text []byte) int32 {
	p, ok := pack(text)
	if ok {
		for i, have := range c.packed[:min(len(c.packed), packable)] {
			if have == p {
				return int32(i)
			}
		}
	} else {
		p = ^uint64(0) // equal to none
	}
	if n, ok := c.number[string(text)]; ok {
		return n
	}
	if c.number == nil {
		c.number = map[string]int32{}
	}
	n := int32(len(c.texts))
	own := string(text)
	c.texts, c.packed, c.tally = append(c.texts, own), append(c.packed, p), append(c.tally, tally{})
	c.number[own] = n
	return n
}

// codes numbers the currencies of a column.
func (c *currencies) codes(col *array.String, into []int32) []int32 {
	offsets, data := col.ValueOffsets(), col.ValueBytes()
	into = into[:0]
	if len(offsets) == 0 {
		return into
	}
	first := offsets[0]
	for row := range col.Len() {
		into = append(into, c.of(data[offsets[row]-first:offsets[row+1]-first]))
	}
	return into
}

// reset forgets the currencies where they are many, so that room does not grow with what a file has in its columns.
func (c *currencies) reset() {
	if len(c.texts) > 64 {
		*c = currencies{}
	}
}

// tally adds up matches, or items, of one currency.
type tally struct {
	n           int64
	left, right money.Int128
}

// fits reports whether a sum has at most 38 digits.
func fits(v money.Int128) bool {
	const most = 1 << 61 // 2^125 has 38 digits
	return v.Hi < most && v.Hi > -most || v.Fits(money.MaxPrecision)
}

// matched adds a match. Where a sum would have more than 38 digits it begins anew.
func (c *currencies) matched(code int32, left, right money.Int128, out *outcomes) {
	x := &c.tally[code]
	l, ok1 := x.left.Add(left)
	r, ok2 := x.right.Add(right)
	if !ok1 || !ok2 || !fits(l) || !fits(r) {
		c.flush(code, reconciliation.Matched, out)
		l, r = left, right
	}
	x.n, x.left, x.right = x.n+1, l, r
}

// flush makes a row of a tally and empties it.
func (c *currencies) flush(code int32, class reconciliation.Class, out *outcomes) {
	x := &c.tally[code]
	left, right := &x.left, &x.right
	switch class {
	case PopulationLeft:
		right = nil
	case PopulationRight:
		left, right = nil, left
	}
	if x.n > 0 {
		out.addSum(class, c.texts[code], x.n, left, right)
	}
	*x = tally{}
}

// flushAll makes rows of all tallies.
func (c *currencies) flushAll(class reconciliation.Class, out *outcomes) {
	for code := range c.tally {
		c.flush(int32(code), class, out)
	}
}

// count adds up all of one side's items.
func (c *currencies) count(in *inColumns, class reconciliation.Class, out *outcomes) {
	for row, code := range in.codes {
		x, v := &c.tally[code], int128Of(in.amount, int32(row))
		sum, ok := x.left.Add(v)
		if !ok || !fits(sum) {
			c.flush(code, class, out)
			sum = v
		}
		x.n, x.left = x.n+1, sum
	}
	c.flushAll(class, out)
}
