package expr

import (
	"github.com/millrace/millrace/sdk/money"
)

// bindCase binds case. Conditions are evaluated in order, and each value only for the rows that take it.
func (t *term) bindCase() error {
	var conds, values []*term
	last := len(t.args) - 1
	for i := 0; i < last; i += 2 {
		conds, values = append(conds, t.args[i]), append(values, t.args[i+1])
	}
	values = append(values, t.args[last])
	if err := t.wantBool(conds); err != nil {
		return err
	}
	if err := t.unify(values); err != nil {
		return err
	}
	t.nullable = false
	for _, v := range values {
		t.nullable = t.nullable || v.nullable
	}
	t.run = func(b *batch, need bitmap) (*vec, error) {
		out := newChoice(t.typ, b.n)
		open := both(need, ones(b.n))
		for i, c := range conds {
			if open.empty() {
				break
			}
			v, err := c.eval(b, open)
			if err != nil {
				return nil, err
			}
			taken := both(open, v.isTrue(b.n))
			if err := out.take(values[i], b, taken); err != nil {
				return nil, err
			}
			open = without(open, taken, b.n)
		}
		if err := out.take(values[len(values)-1], b, open); err != nil {
			return nil, err
		}
		return out.vec(), nil
	}
	return nil
}

// bindCoalesce binds coalesce. A value is evaluated only for the rows where those before it are null.
func (t *term) bindCoalesce() error {
	if err := t.unify(t.args); err != nil {
		return err
	}
	t.nullable = true
	for _, v := range t.args {
		t.nullable = t.nullable && v.nullable
	}
	t.run = func(b *batch, need bitmap) (*vec, error) {
		out := newChoice(t.typ, b.n)
		open := both(need, ones(b.n))
		for _, a := range t.args {
			if open.empty() {
				break
			}
			if err := out.take(a, b, open); err != nil {
				return nil, err
			}
			open = without(open, out.valid, b.n)
		}
		return out.vec(), nil
	}
	return nil
}

// bindNullIf binds nullif: the first value, but null where it equals the second.
func (t *term) bindNullIf() error {
	if t.args[0].typ.Kind == Null {
		t.args[0] = t.args[0].adapt(t.args[1].typ)
	}
	adaptTogether(t.args)
	equal, err := t.comparerOf(t.args[0], t.args[1], relations[opEq])
	if err != nil {
		return err
	}
	t.typ, t.nullable = t.args[0].typ, true
	t.run = func(b *batch, need bitmap) (*vec, error) {
		args, err := t.evalAll(b, need)
		if err != nil {
			return nil, err
		}
		same := boolVec(b.n, equal(args[0], args[1], b.n), both(args[0].rows(b.n), args[1].rows(b.n)))
		out := *args[0].spread(b.n)
		out.valid = without(out.valid, same.bits, b.n)
		if out.typ.Kind == Bool {
			out.bits = both(out.bool(), out.valid)
		}
		return &out, nil
	}
	return nil
}

// unify finds the values' common type and converts them to it.
func (t *term) unify(values []*term) error {
	adaptTogether(values)
	typ, ok := common(values)
	if !ok {
		return t.typeErrorf("%s have no common type", list(values))
	}
	for i, v := range values {
		if v.typ.Kind == Null {
			v = v.adapt(typ)
		}
		if v.typ != typ {
			v = v.rescaled(typ)
			t.fallible = t.fallible || v.fallible
		}
		values[i] = v
	}
	t.typ = typ
	return nil
}

// rescaled is v, an Int, Decimal or Timestamp, at the larger scale of a type of the same family.
func (v *term) rescaled(to Type) *term {
	from := scaleOf(v.typ)
	factor, _ := money.PowerOfTen(scaleOf(to) - from)
	t := &term{op: opCast, typ: to, nullable: v.nullable, fallible: true, args: []*term{v}, expr: v.expr, monotone: sameScalar}
	if to.Kind == Timestamp {
		runRows(t, intsOf, intsOf, storeInts, func(x, _ int64) (int64, error) {
			if r, ok := money.Int128Of(x).Mul(factor); ok && r.IsInt64() {
				return int64(r.Lo), nil
			}
			return 0, overflow("%d does not fit %v", x, to)
		})
		return t.fold()
	}
	limit, _ := money.PowerOfTen(to.Precision)
	runRows(t, decimalsOf, decimalsOf, storeWide, func(x, _ money.Int128) (money.Int128, error) {
		if r, ok := x.Mul(factor); ok && within(r, limit) {
			return r, nil
		}
		return money.Int128{}, overflow("%s does not fit %v", decimalText(x, from), to)
	})
	return t.fold()
}

// choice puts a column together from rows of several.
type choice struct {
	out   *vec
	valid bitmap // rows that have a value; a row that nobody took is null
}

func newChoice(t Type, n int) *choice {
	v := &vec{typ: t, n: n}
	switch t.Kind {
	case Bool:
		v.bits = newBitmap(n)
	case Int, Date, Timestamp:
		v.ints = make([]int64, n)
	case Decimal:
		v.wide = make([]money.Int128, n)
	case Float:
		v.floats = make([]float64, n)
	case String, Bytes:
		v.texts = &texts{list: make([]string, n)}
	}
	return &choice{v, newBitmap(n)}
}

// take evaluates a term for some rows and keeps its values there.
func (c *choice) take(a *term, b *batch, rows bitmap) error {
	if rows.empty() {
		return nil
	}
	v, err := a.eval(b, rows)
	if err != nil {
		return err
	}
	if valid := v.rows(b.n); valid != nil {
		rows = both(rows, valid)
	}
	for w, x := range rows {
		c.valid[w] |= x
	}
	switch v.typ.Kind {
	case Bool:
		for w, x := range v.isTrue(b.n) {
			c.out.bits[w] |= x & rows[w]
		}
	case Int, Date, Timestamp:
		copyRows(c.out.ints, v.int64s(), rows, v.index())
	case Decimal:
		copyRows(c.out.wide, v.decimals(), rows, v.index())
	case Float:
		copyRows(c.out.floats, v.numbers(), rows, v.index())
	case String, Bytes:
		t, mask := v.text(), v.index()
		for i := range rows.all {
			c.out.texts.list[i] = t.at(i & mask)
		}
	}
	return nil
}

func copyRows[T any](dst, src []T, rows bitmap, mask int) {
	for i := range rows.all {
		dst[i] = src[i&mask]
	}
}

// vec is the finished column.
func (c *choice) vec() *vec {
	c.out.valid = c.valid
	return c.out
}
