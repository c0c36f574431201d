package expr

import (
	"math/bits"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// lessBit is 1 where a < b, by the borrow of a subtraction with the signs flipped.
func lessBit(a, b money.Int128) uint64 {
	const sign = 1 << 63
	_, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	_, borrow = bits.Sub64(uint64(a.Hi)^sign, uint64(b.Hi)^sign, borrow)
	return borrow
}

// compareRows compares two columns by a function; either may be a constant.
func compareRows[T any](a, b *vec, x, y []T, r relation, n int, compare func(p, q T) int) bitmap {
	out := newBitmap(n)
	ma, mb := a.index(), b.index()
	for i := range n {
		if r.holds(compare(x[i&ma], y[i&mb])) {
			out.set(i)
		}
	}
	return out
}

// compareOrdered compares two columns of ordered values.
func compareOrdered(a, b *vec, x, y []int64, r relation, n int) bitmap {
	out := newBitmap(n)
	ma, mb := a.index(), b.index()
	less, equal, greater := bit(r.less), bit(r.equal), bit(r.greater)
	for i := range n {
		p, q := x[i&ma], y[i&mb]
		w := bit(p < q)&less | bit(p == q)&equal | bit(p > q)&greater
		out[i>>6] |= w << (uint(i) & 63)
	}
	return out
}

func compareBools(a, b *vec, r relation, n int) bitmap {
	x, y := a.bool(), b.bool()
	out := newBitmap(n)
	for i := range out {
		if r.less {
			out[i] |= ^x[i] & y[i]
		}
		if r.equal {
			out[i] |= ^(x[i] ^ y[i])
		}
		if r.greater {
			out[i] |= x[i] & ^y[i]
		}
	}
	if n > 0 {
		out.trim(n)
	}
	return out
}

// compareFloat orders floats; NaN equals itself and is greater than all others.
func compareFloat(p, q float64) int {
	switch {
	case p < q || q != q && p == p:
		return -1
	case p == q || p != p && q != q:
		return 0
	}
	return 1
}

func compareFloats(a, b *vec, r relation, n int) bitmap {
	return compareRows(a, b, a.numbers(), b.numbers(), r, n, compareFloat)
}

// compareTexts orders texts by their bytes.
func compareTexts(a, b *vec, r relation, n int) bitmap {
	if b.konst {
		c := b.text().at(0)
		if r == (relation{equal: true}) || r == (relation{less: true, greater: true}) {
			return matchTexts(a, n, func(s string) bool { return s == c }).negateIf(r.less, n)
		}
		return matchTexts(a, n, func(s string) bool { return r.holds(strings.Compare(s, c)) })
	}
	out := newBitmap(n)
	x, y, ma, mb := a.text(), b.text(), a.index(), b.index()
	for i := range n {
		if r.holds(strings.Compare(x.at(i&ma), y.at(i&mb))) {
			out.set(i)
		}
	}
	return out
}

// matchTexts asks a question about each text, of a dictionary once about each word.
func matchTexts(v *vec, n int, match func(string) bool) bitmap {
	t := v.text()
	out := newBitmap(n)
	switch {
	case v.konst:
		if match(t.at(0)) {
			return ones(n)
		}
	case t.index != nil:
		words := t.words()
		answers := make([]uint8, len(words))
		for i, w := range words {
			answers[i] = uint8(bit(match(w)))
		}
		for i, at := range t.index {
			out[i>>6] |= uint64(answers[at]) << (uint(i) & 63)
		}
	case t.list != nil:
		for i, s := range t.list {
			out[i>>6] |= bit(match(s)) << (uint(i) & 63)
		}
	default:
		from := 0
		if n > 0 {
			from = int(t.offsets[0])
		}
		for i := range n {
			to := int(t.offsets[i+1])
			out[i>>6] |= bit(match(t.data[from:to])) << (uint(i) & 63)
			from = to
		}
	}
	return out
}

// words are the entries of a dictionary.
func (t *texts) words() []string {
	if t.list != nil {
		return t.list
	}
	out := make([]string, max(0, len(t.offsets)-1))
	for i := range out {
		out[i] = t.data[t.offsets[i]:t.offsets[i+1]]
	}
	return out
}
