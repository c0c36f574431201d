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

// compareScaledRows compares coefficients at two scales. The lower scale is mostly brought to
// the higher one by a multiplication that fits.
func compareScaledRows(a, b *vec, sa, sb int, r relation, n int) bitmap {
	x, y := a.decimals(), b.decimals()
	up, _ := money.PowerOfTen(max(0, sb-sa))
	vp, _ := money.PowerOfTen(max(0, sa-sb))
	return compareRows(a, b, x, y, r, n, func(p, q money.Int128) int {
		u, ok := p.Mul(up)
		v, fits := q.Mul(vp)
		if !ok || !fits {
			return money.CompareScaled(p, sa, q, sb)
		}
		return int(lessBit(v, u)) - int(lessBit(u, v))
	})
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
			return equalTexts(a, c, n).negateIf(r.less, n)
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

func equalTexts(v *vec, c string, n int) bitmap {
	if t := v.text(); t.offsets != nil && t.index == nil && len(c) <= 8 && !v.konst {
		out := newBitmap(n)
		t.shortMatch(c, true, out)
		return out
	}
	return matchTexts(v, n, func(s string) bool { return s == c })
}

func prefixedTexts(v *vec, c string, n int) bitmap {
	if t := v.text(); t.offsets != nil && t.index == nil && len(c) <= 8 && !v.konst {
		out := newBitmap(n)
		t.shortMatch(c, false, out)
		return out
	}
	return matchTexts(v, n, func(s string) bool { return strings.HasPrefix(s, c) })
}

// shortMatch sets the bits of the texts that start with c, of at most 8 bytes, or equal it:
// one load and one comparison a text instead of a call.
func (t *texts) shortMatch(c string, whole bool, out bitmap) {
	want, mask := uint64(0), uint64(1)<<(8*uint(len(c)))-1 // a shift by 64 gives 0, and then all ones
	for i := range len(c) {
		want |= uint64(c[i]) << (8 * uint(i))
	}
	n := len(t.offsets) - 1
	data, size := t.data, len(c)
	safe := len(data) - 8
	from := int(t.offsets[0])
	for i := range n {
		to := int(t.offsets[i+1])
		var yes uint64
		if from <= safe {
			p := data[from : from+8]
			x := uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 |
				uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56
			yes = bit(x&mask == want) & (bit(to-from == size) | bit(to-from > size && !whole))
		} else {
			s := data[from:to]
			yes = bit(s == c || !whole && strings.HasPrefix(s, c))
		}
		out[i>>6] |= yes << (uint(i) & 63)
		from = to
	}
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
