package expr

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/millrace/millrace/sdk/money"
)

// bindArithmetic binds + - * /. The rules for the result's type are in the package doc.
func (t *term) bindArithmetic() error {
	adaptTogether(t.args)
	a, b := t.args[0], t.args[1]
	number := func(x *term) bool { return x.typ.Kind == Int || x.typ.Kind == Decimal || x.typ.Kind == Float }
	switch {
	case a.typ.Kind == Null && b.typ.Kind == Null:
		t.args[0], t.args[1] = a.adapt(Type{Kind: Int}), b.adapt(Type{Kind: Int})
		return t.bindArithmetic()
	case !number(a) || !number(b) || (a.typ.Kind == Float) != (b.typ.Kind == Float):
		return t.typeErrorf("%s and %s are not numbers of one kind%s", a.describe(), b.describe(), hint(a, b))
	case a.typ.Kind == Float:
		t.typ = a.typ
		t.runFloats()
	case a.typ.Kind == Int && b.typ.Kind == Int && t.op != opDiv:
		t.typ, t.fallible = a.typ, true
		t.runInts()
	default:
		t.fallible = true
		return t.bindDecimals(a.asDecimal(), b.asDecimal())
	}
	return nil
}

func (t *term) bindDecimals(a, b Type) error {
	scale, precision := max(a.Scale, b.Scale), 0
	switch t.op {
	case opAdd, opSub:
		precision = max(a.Precision-a.Scale, b.Precision-b.Scale) + scale + 1
	case opMul:
		scale, precision = a.Scale+b.Scale, a.Precision+b.Precision
	case opDiv:
		scale = max(scale, 6)
		precision = a.Precision - a.Scale + b.Scale + scale
	}
	if scale > money.MaxScale {
		return t.typeErrorf("%s times %s would have %d digits after the point, more than 38: round one of them first", a, b, scale)
	}
	t.typ = DecimalType(min(max(precision, scale, 1), 38), scale)
	t.runDecimals(a.Scale, b.Scale)
	return nil
}

// runRows makes a run function that computes row by row. compute reports failure by an error,
// which counts only for rows that are needed and not null.
func runRows[A, B, R any](t *term, first func(*vec) []A, second func(*vec) []B, store func(*vec, []R), compute func(A, B) (R, error)) {
	t.run = func(b *batch, need bitmap) (*vec, error) {
		args, err := t.evalAll(b, need)
		if err != nil {
			return nil, err
		}
		x := args[0]
		y := args[len(args)-1]
		out := &vec{typ: t.typ, n: b.n, valid: both(x.rows(b.n), y.rows(b.n))}
		xs, ys, mx, my := first(x), second(y), x.index(), y.index()
		values := make([]R, b.n)
		for i := range values {
			r, err := compute(xs[i&mx], ys[i&my])
			if err != nil && need.isIn(i) && out.valid.isIn(i) {
				return nil, t.failed(i, err)
			}
			values[i] = r
		}
		store(out, values)
		return out, nil
	}
}

func storeInts(v *vec, x []int64)        { v.ints = x }
func storeWide(v *vec, x []money.Int128) { v.wide = x }
func storeFloats(v *vec, x []float64)    { v.floats = x }
func decimalsOf(v *vec) []money.Int128   { return v.decimals() }
func intsOf(v *vec) []int64              { return v.int64s() }
func floatsOf(v *vec) []float64          { return v.numbers() }
func overflow(what string, x ...any) error {
	return fmt.Errorf(what+": %w", append(x, money.ErrOverflow)...)
}

func (t *term) runInts() {
	compute := map[op]func(x, y int64) (int64, error){
		opAdd: func(x, y int64) (int64, error) {
			r := x + y
			if (x^r)&(y^r) < 0 {
				return 0, overflow("%d + %d does not fit int64", x, y)
			}
			return r, nil
		},
		opSub: func(x, y int64) (int64, error) {
			r := x - y
			if (x^y)&(x^r) < 0 {
				return 0, overflow("%d - %d does not fit int64", x, y)
			}
			return r, nil
		},
		opMul: func(x, y int64) (int64, error) {
			h, l := bits.Mul64(uint64(x), uint64(y))
			high := int64(h) - (x>>63)&y - (y>>63)&x
			if high != int64(l)>>63 {
				return 0, overflow("%d * %d does not fit int64", x, y)
			}
			return int64(l), nil
		},
	}[t.op]
	runRows(t, intsOf, intsOf, storeInts, compute)
}

func (t *term) runFloats() {
	compute := map[op]func(x, y float64) (float64, error){
		opAdd: func(x, y float64) (float64, error) { return x + y, nil },
		opSub: func(x, y float64) (float64, error) { return x - y, nil },
		opMul: func(x, y float64) (float64, error) { return x * y, nil },
		opDiv: func(x, y float64) (float64, error) { return x / y, nil },
	}[t.op]
	runRows(t, floatsOf, floatsOf, storeFloats, compute)
}

func (t *term) runDecimals(sa, sb int) {
	typ := t.typ
	signs := map[op]string{opAdd: "+", opSub: "-", opMul: "*", opDiv: "/"}
	fail := func(x, y money.Int128) error {
		return overflow("%s %s %s does not fit %s", decimalText(x, sa), signs[t.op], decimalText(y, sb), typ)
	}
	limit, _ := money.PowerOfTen(typ.Precision)
	if t.op == opDiv {
		runRows(t, decimalsOf, decimalsOf, storeWide, func(x, y money.Int128) (money.Int128, error) {
			if y == (money.Int128{}) {
				return y, money.ErrDivideByZero
			}
			r, err := divide(x, sa, y, sb, typ.Scale)
			if err != nil || !within(r, limit) {
				return money.Int128{}, fail(x, y)
			}
			return r, nil
		})
		return
	}
	loop := decimalLoop{op: t.op, limit: limit, same: sa == sb}
	loop.lower, _ = limit.Neg()
	loop.up, _ = money.PowerOfTen(max(0, typ.Scale-sa))
	loop.vp, _ = money.PowerOfTen(max(0, typ.Scale-sb))
	t.run = func(b *batch, need bitmap) (*vec, error) {
		args, err := t.evalAll(b, need)
		if err != nil {
			return nil, err
		}
		x, y := args[0], args[1]
		out := &vec{typ: typ, n: b.n, valid: both(x.rows(b.n), y.rows(b.n)), wide: make([]money.Int128, b.n)}
		for from := 0; from < b.n; from++ {
			from = loop.run(out.wide, x, y, from)
			if from < b.n && need.isIn(from) && out.valid.isIn(from) {
				return nil, t.failed(from, fail(x.decimals()[from&x.index()], y.decimals()[from&y.index()]))
			}
		}
		return out, nil
	}
}

// decimalLoop adds, subtracts or multiplies columns of coefficients.
type decimalLoop struct {
	op           op
	limit, lower money.Int128 // the result lies between them
	up, vp       money.Int128 // what brings the operands of + and - to a common scale
	same         bool         // they have one already
}

// run computes rows from a row onwards and returns the first that does not fit, or the number of rows.
func (l *decimalLoop) run(out []money.Int128, a, b *vec, from int) int {
	xs, ys, mx, my := a.decimals(), b.decimals(), a.index(), b.index()
	for i := from; i < len(out); i++ {
		x, y := xs[i&mx], ys[i&my]
		ok, fits := true, true
		if !l.same && l.op != opMul {
			x, ok = x.Mul(l.up)
			y, fits = y.Mul(l.vp)
		}
		var r money.Int128
		var whole bool
		switch l.op {
		case opAdd:
			r, whole = x.Add(y)
		case opSub:
			r, whole = x.Sub(y)
		default:
			r, whole = x.Mul(y)
		}
		if !ok || !fits || !whole || lessBit(r, l.limit)&lessBit(l.lower, r) == 0 {
			return i
		}
		out[i] = r
	}
	return len(out)
}

// within reports whether |r| < limit.
func within(r, limit money.Int128) bool {
	neg, _ := limit.Neg()
	return r.Less(limit) && neg.Less(r)
}

func divide(x money.Int128, sx int, y money.Int128, sy, scale int) (money.Int128, error) {
	p, err := money.NewFromInt128(x, sx)
	if err != nil {
		return money.Int128{}, err
	}
	q, err := money.NewFromInt128(y, sy)
	if err != nil {
		return money.Int128{}, err
	}
	r, err := p.Div(q, scale, money.HalfEven)
	return r.Coefficient(), err
}

// decimalText is a coefficient at a scale, for messages.
func decimalText(c money.Int128, scale int) string {
	d, err := money.NewFromInt128(c, scale)
	if err != nil {
		return fmt.Sprintf("%ve-%d", c, scale)
	}
	return d.String()
}

// bindSign binds negation and abs.
func (t *term) bindSign() error {
	if t.args[0].typ.Kind == Null {
		t.args[0] = t.args[0].adapt(Type{Kind: Int})
	}
	t.typ = t.args[0].typ
	negate := t.op == opNeg
	switch t.typ.Kind {
	case Int:
		t.fallible = true
		runRows(t, intsOf, intsOf, storeInts, func(x, _ int64) (int64, error) {
			switch {
			case !negate && x >= 0:
				return x, nil
			case x == math.MinInt64:
				return 0, overflow("-(%d) does not fit int64", x)
			}
			return -x, nil
		})
	case Decimal:
		runRows(t, decimalsOf, decimalsOf, storeWide, func(x, _ money.Int128) (money.Int128, error) {
			if !negate && x.Hi >= 0 {
				return x, nil
			}
			r, _ := x.Neg() // fewer than 39 digits: fits
			return r, nil
		})
	case Float:
		runRows(t, floatsOf, floatsOf, storeFloats, func(x, _ float64) (float64, error) {
			if negate {
				return -x, nil
			}
			return math.Abs(x), nil
		})
	default:
		return t.typeErrorf("%s is not a number", t.args[0].describe())
	}
	return nil
}

// bindRound binds the rounding of decimals and integers.
func (t *term) bindRound() error {
	if t.args[0].typ.Kind == Null {
		t.args[0] = t.args[0].adapt(Type{Kind: Int})
	}
	from := t.args[0].asDecimal()
	if from.Kind != Decimal {
		return t.typeErrorf("%s is not a decimal", t.args[0].describe())
	}
	scale, mode := t.expr.scale, t.expr.mode
	t.typ = DecimalType(min(max(from.Precision-from.Scale, 0)+scale+1, 38), scale)
	t.fallible = true
	limit, _ := money.PowerOfTen(t.typ.Precision)
	runRows(t, decimalsOf, decimalsOf, storeWide, func(x, _ money.Int128) (money.Int128, error) {
		d, err := money.NewFromInt128(x, from.Scale)
		if err == nil {
			d, err = d.Rescale(scale, mode)
		}
		if err == nil && !within(d.Coefficient(), limit) {
			err = overflow("%v does not fit %v", d, t.typ)
		}
		return d.Coefficient(), err
	})
	return nil
}
