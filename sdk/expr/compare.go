package expr

import (
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/money"
)

// comparer compares two columns, or a column and a constant, row by row over n rows. Bits at nulls are arbitrary.
type comparer func(a, b *vec, n int) bitmap

// relation is a comparison as the outcomes of an ordering for which it is true.
type relation struct{ less, equal, greater bool }

var relations = map[op]relation{
	opEq: {equal: true}, opNe: {less: true, greater: true}, opLt: {less: true}, opLe: {less: true, equal: true},
	opGt: {greater: true}, opGe: {equal: true, greater: true},
}

// flip is the relation of b to a.
func (r relation) flip() relation { return relation{r.greater, r.equal, r.less} }

// holds says whether the relation is true for the outcome of a comparison.
func (r relation) holds(c int) bool {
	return c < 0 && r.less || c == 0 && r.equal || c > 0 && r.greater
}

func (t *term) bindCompare() error {
	adaptTogether(t.args)
	t.nullable = t.args[0].nullable || t.args[1].nullable
	compare, err := t.comparerOf(t.args[0], t.args[1], relations[t.op])
	if err != nil {
		return err
	}
	t.typ = Type{Kind: Bool}
	t.run = func(b *batch, need bitmap) (*vec, error) {
		args, err := t.evalAll(b, need)
		if err != nil {
			return nil, err
		}
		return boolVec(b.n, compare(args[0], args[1], b.n), both(args[0].rows(b.n), args[1].rows(b.n))), nil
	}
	return nil
}

// comparerOf finds how values of two terms are compared.
func (t *term) comparerOf(a, b *term, r relation) (comparer, error) {
	if a.konst != nil && b.konst == nil { // constants go to the right
		c, err := t.comparerOf(b, a, r.flip())
		return func(x, y *vec, n int) bitmap { return c(y, x, n) }, err
	}
	ka, kb := a.typ.Kind, b.typ.Kind
	switch {
	case ka == Null || kb == Null:
		return func(_, _ *vec, n int) bitmap { return newBitmap(n) }, nil
	case ka == Bool && kb == Bool:
		return func(x, y *vec, n int) bitmap { return compareBools(x.spread(n), y.spread(n), r, n) }, nil
	case ka == Float && kb == Float:
		return func(x, y *vec, n int) bitmap { return compareFloats(x, y, r, n) }, nil
	case ka == String && kb == String, ka == Bytes && kb == Bytes:
		return func(x, y *vec, n int) bitmap { return compareTexts(x, y, r, n) }, nil
	case ka == Date && kb == Date, ka == Timestamp && kb == Timestamp && a.typ.Zoned == b.typ.Zoned,
		(ka == Int || ka == Decimal) && (kb == Int || kb == Decimal):
		return scaledComparer(a.typ, b.typ, r), nil
	}
	return nil, t.typeErrorf("%s and %s do not compare%s", a.describe(), b.describe(), hint(a, b))
}

// hint says what would help.
func hint(a, b *term) string {
	ka, kb := a.typ.Kind, b.typ.Kind
	has := func(k Kind) bool { return ka == k || kb == k }
	switch {
	case (has(Decimal) || has(Int)) && (a.isFloatLiteral() || b.isFloatLiteral()):
		return ": write the float as a decimal"
	case has(Float) && (has(Decimal) || has(Int)):
		return ": cast one of them"
	case ka == Timestamp && kb == Timestamp:
		return ": one has a time zone and the other has not; cast one of them"
	case has(Date) && has(Timestamp):
		return ": cast the timestamp to a date, or the date to a timestamp"
	case has(String) && (has(Date) || has(Timestamp)):
		return ": write date '2026-01-31' or timestamp '2026-01-31T00:00:00Z'"
	}
	return ""
}

func (t *term) isFloatLiteral() bool { return t.isLiteral() && t.typ.Kind == Float }

// scaleOf is the scale of the integers that stand for values of a type: 2 for decimal(18,2), 6 for microseconds.
func scaleOf(t Type) int {
	switch t.Kind {
	case Decimal:
		return t.Scale
	case Timestamp:
		return unitScale(t.Unit)
	}
	return 0
}

// scaledComparer compares scaled integers exactly.
func scaledComparer(ta, tb Type, r relation) comparer {
	sa, sb := scaleOf(ta), scaleOf(tb)
	narrow := ta.Kind != Decimal
	return func(x, y *vec, n int) bitmap {
		if y.konst && !x.konst {
			c, rel := threshold(y.decimals()[0], sb, sa, r)
			if narrow {
				return compareIntsTo(x, c, rel, n)
			}
			return compareWideTo(x.decimals(), c, rel)
		}
		switch {
		case sa == sb && narrow && tb.Kind != Decimal:
			return compareOrdered(x, y, x.int64s(), y.int64s(), r, n)
		case sa == sb:
			return compareRows(x, y, x.decimals(), y.decimals(), r, n, money.Int128.Cmp)
		}
		return compareScaledRows(x, y, sa, sb, r, n)
	}
}

// threshold turns a comparison with c at scale from into one with an integer at scale to. A
// constant between two integers becomes the lower one: x < 1.5 is x <= 1, and x = 1.5 is never true.
func threshold(c money.Int128, from, to int, r relation) (money.Int128, relation) {
	if from <= to {
		p, _ := money.PowerOfTen(to - from)
		if m, ok := c.Mul(p); ok {
			return m, r
		}
		return money.Int128{}, relation{}.or(c.Sign() > 0 && r.less || c.Sign() < 0 && r.greater) // every value is on the same side of c
	}
	p, _ := money.PowerOfTen(from - to)
	q, rest, _ := c.QuoRem(p)
	if rest.Sign() == 0 {
		return q, r
	}
	if rest.Sign() < 0 {
		q, _ = q.Sub(money.Int128Of(1)) // the floor
	}
	return q, relation{less: r.less, equal: r.less, greater: r.greater}
}

// two reports whether the relation is true for two of the three outcomes.
func (r relation) two() bool {
	return bit(r.less)+bit(r.equal)+bit(r.greater) == 2
}

// or is the relation that is always true if yes, else r.
func (r relation) or(yes bool) relation {
	if yes {
		return relation{true, true, true}
	}
	return r
}

// compareIntsTo compares a column of narrow integers, in the width that it is stored in.
func compareIntsTo(v *vec, c money.Int128, r relation, n int) bitmap {
	if v.ints == nil {
		switch a := v.src.(type) {
		case *array.Int32:
			return compareTo(a.Int32Values(), c, r)
		case *array.Date32:
			return compareTo(a.Date32Values(), c, r)
		case *array.Int16:
			return compareTo(a.Int16Values(), c, r)
		case *array.Int8:
			return compareTo(a.Int8Values(), c, r)
		case *array.Uint32:
			return compareTo(a.Uint32Values(), c, r)
		}
	}
	return compareTo(v.int64s(), c, r)
}

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32
}

// compareTo compares values with a constant, which may lie outside their type.
func compareTo[T integer](values []T, c money.Int128, r relation) bitmap {
	narrow, fits := c.Int64()
	if x := T(narrow); fits && int64(x) == narrow {
		return compareConst(values, x, r)
	}
	n := len(values)
	if c.Sign() > 0 && r.less || c.Sign() < 0 && r.greater {
		return ones(n)
	}
	return newBitmap(n)
}

// compareConst has a loop for each of =, < and >; the other relations are their opposites.
func compareConst[T integer](values []T, c T, r relation) bitmap {
	n := len(values)
	out := newBitmap(n)
	switch r {
	case relation{equal: true}, relation{less: true, greater: true}:
		eachWord(values, out, func(chunk *[64]T) (w uint64) {
			for j, x := range chunk {
				w |= bit(x == c) << j
			}
			return w
		}, func(x T) bool { return x == c })
	case relation{less: true}, relation{equal: true, greater: true}:
		eachWord(values, out, func(chunk *[64]T) (w uint64) {
			for j, x := range chunk {
				w |= bit(x < c) << j
			}
			return w
		}, func(x T) bool { return x < c })
	case relation{greater: true}, relation{less: true, equal: true}:
		eachWord(values, out, func(chunk *[64]T) (w uint64) {
			for j, x := range chunk {
				w |= bit(x > c) << j
			}
			return w
		}, func(x T) bool { return x > c })
	case relation{}:
		return out
	default:
		return ones(n)
	}
	return out.negateIf(r.two(), n)
}

// negateIf turns the first n bits over if yes.
func (b bitmap) negateIf(yes bool, n int) bitmap {
	if !yes {
		return b
	}
	for i := range b {
		b[i] = ^b[i]
	}
	return b.trim(n)
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// eachWord fills out with whole words by block and the rest by one.
func eachWord[T any](values []T, out bitmap, block func(*[64]T) uint64, one func(T) bool) {
	w := 0
	for ; (w+1)*64 <= len(values); w++ {
		out[w] = block((*[64]T)(values[w*64:]))
	}
	for i := w * 64; i < len(values); i++ {
		if one(values[i]) {
			out.set(i)
		}
	}
}

// compareWideTo compares 128-bit integers with a constant, without branches.
func compareWideTo(values []money.Int128, c money.Int128, r relation) bitmap {
	n := len(values)
	out := newBitmap(n)
	switch r {
	case relation{equal: true}, relation{less: true, greater: true}:
		eachWord(values, out, func(chunk *[64]money.Int128) (w uint64) {
			for j := range chunk {
				w |= bit((chunk[j].Lo^c.Lo)|uint64(chunk[j].Hi^c.Hi) == 0) << j
			}
			return w
		}, func(x money.Int128) bool { return x == c })
	case relation{less: true}, relation{equal: true, greater: true}:
		eachWord(values, out, func(chunk *[64]money.Int128) (w uint64) {
			for j := range chunk {
				w |= lessBit(chunk[j], c) << j
			}
			return w
		}, func(x money.Int128) bool { return x.Less(c) })
	case relation{greater: true}, relation{less: true, equal: true}:
		eachWord(values, out, func(chunk *[64]money.Int128) (w uint64) {
			for j := range chunk {
				w |= lessBit(c, chunk[j]) << j
			}
			return w
		}, func(x money.Int128) bool { return c.Less(x) })
	case relation{}:
		return out
	default:
		return ones(n)
	}
	return out.negateIf(r.two(), n)
}
