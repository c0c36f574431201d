package expr

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/money"
)

// The naive evaluator computes one row at a time over big rationals, straight from the
// package's documentation. It shares no code with the kernels but Bind's result types.

var errNaive = errors.New("naive evaluation fails")

// nval is a value; numbers, days and timestamps (in seconds) are rationals.
type nval struct {
	kind  Kind
	null  bool
	rat   *big.Rat
	float float64
	text  string
	b     bool
}

type naive struct {
	schema *arrow.Schema
	row    map[string]nval
}

func pow(n int) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil))
}

func (n naive) typ(e Expr) Type {
	b, err := Bind(e, n.schema)
	if err != nil {
		panic(err)
	}
	return b.Type()
}

// fits gives a rational the result type of e: it has to have no more digits.
func (n naive) fits(e Expr, r *big.Rat) (nval, error) {
	return fitsType(n.typ(e), r)
}

func fitsType(t Type, r *big.Rat) (nval, error) {
	switch t.Kind {
	case Int:
		if !r.IsInt() || !r.Num().IsInt64() {
			return nval{}, errNaive
		}
	case Decimal:
		scaled := new(big.Rat).Mul(r, pow(t.Scale))
		if !scaled.IsInt() || new(big.Rat).Abs(scaled).Cmp(pow(t.Precision)) >= 0 {
			return nval{}, errNaive
		}
	case Timestamp:
		scaled := new(big.Rat).Mul(r, pow(unitScale(t.Unit)))
		if !scaled.IsInt() || !scaled.Num().IsInt64() {
			return nval{}, errNaive
		}
	}
	return nval{kind: t.Kind, rat: r}, nil
}

func literalValue(l literal) nval {
	switch v := l.value.(type) {
	case bool:
		return nval{kind: Bool, b: v}
	case int64:
		return nval{kind: Int, rat: new(big.Rat).SetInt64(v)}
	case money.Decimal:
		r, _ := new(big.Rat).SetString(v.String())
		return nval{kind: Decimal, rat: r}
	case float64:
		return nval{kind: Float, float: v}
	case string:
		return nval{kind: String, text: v}
	case blob:
		return nval{kind: Bytes, text: string(v)}
	case Day:
		return nval{kind: Date, rat: new(big.Rat).SetInt64(int64(v))}
	case instant:
		r := new(big.Rat).SetFrac64(int64(v.nano), 1_000_000_000)
		return nval{kind: Timestamp, rat: r.Add(r, new(big.Rat).SetInt64(v.sec))}
	}
	return nval{kind: Null, null: true}
}

// alike turns one of two values into the other's kind where a literal adapts.
func alike(a, b nval) (nval, nval) {
	if a.null || b.null {
		return a, b
	}
	if a.kind == Float && b.rat != nil && b.kind != Float {
		b.float, _ = b.rat.Float64()
	}
	if b.kind == Float && a.rat != nil && a.kind != Float {
		a.float, _ = a.rat.Float64()
		a.kind = Float
	}
	if a.kind == String && b.kind == Date || b.kind == String && a.kind == Date {
		for _, v := range []*nval{&a, &b} {
			if v.kind == String {
				d, err := ParseDay(v.text)
				if err != nil {
					panic(err)
				}
				*v = nval{kind: Date, rat: new(big.Rat).SetInt64(int64(d))}
			}
		}
	}
	if a.kind == Date && b.kind == Timestamp {
		a.rat = new(big.Rat).Mul(a.rat, new(big.Rat).SetInt64(86400))
	}
	if b.kind == Date && a.kind == Timestamp {
		b.rat = new(big.Rat).Mul(b.rat, new(big.Rat).SetInt64(86400))
	}
	return a, b
}

func compareValues(a, b nval) int {
	a, b = alike(a, b)
	switch {
	case a.kind == Float:
		x, y := a.float, b.float
		switch {
		case math.IsNaN(x) && math.IsNaN(y), x == y:
			return 0
		case math.IsNaN(y), x < y:
			return -1
		}
		return 1
	case a.kind == Bool:
		switch {
		case a.b == b.b:
			return 0
		case b.b:
			return -1
		}
		return 1
	case a.kind == String || a.kind == Bytes:
		return strings.Compare(a.text, b.text)
	}
	return a.rat.Cmp(b.rat)
}

func boolean(b bool) nval { return nval{kind: Bool, b: b} }

var nullBool = nval{kind: Bool, null: true}

func (n naive) args(e Expr) ([]nval, error) {
	out := make([]nval, len(e.args))
	for i, a := range e.args {
		var err error
		if out[i], err = n.eval(a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (n naive) eval(e Expr) (nval, error) {
	switch e.op {
	case opCol:
		return n.row[e.text], nil
	case opLit:
		return literalValue(e.lit), nil
	case opAnd, opOr:
		return n.logic(e)
	case opCase:
		last := len(e.args) - 1
		for i := 0; i < last; i += 2 {
			c, err := n.eval(e.args[i])
			if err != nil {
				return nval{}, err
			}
			if !c.null && c.b {
				return n.typed(e, e.args[i+1])
			}
		}
		return n.typed(e, e.args[last])
	case opCoalesce:
		for _, a := range e.args {
			if v, err := n.typed(e, a); err != nil || !v.null {
				return v, err
			}
		}
		return nval{kind: n.typ(e).Kind, null: true}, nil
	}
	args, err := n.args(e)
	if err != nil {
		return nval{}, err
	}
	switch e.op {
	case opEq, opNe, opLt, opLe, opGt, opGe:
		return compared(e.op, args[0], args[1]), nil
	case opNot:
		if args[0].null {
			return nullBool, nil
		}
		return boolean(!args[0].b), nil
	case opIsNull:
		return boolean(args[0].null), nil
	case opIsNotNull:
		return boolean(!args[0].null), nil
	case opIn:
		out := boolean(false)
		for _, m := range args[1:] {
			out = or(out, compared(opEq, args[0], m))
		}
		return out, nil
	case opBetween:
		return and(compared(opGe, args[0], args[1]), compared(opLe, args[0], args[2])), nil
	case opNullIf:
		if c := compared(opEq, args[0], args[1]); !c.null && c.b {
			return nval{kind: n.typ(e).Kind, null: true}, nil
		}
		return args[0], nil
	case opLike:
		if args[0].null {
			return nullBool, nil
		}
		return boolean(likeRegexp(e.text).MatchString(args[0].text)), nil
	}
	return n.arithmetic(e, args)
}

func compared(o op, a, b nval) nval {
	if a.null || b.null {
		return nullBool
	}
	c := compareValues(a, b)
	return boolean(map[op]bool{opEq: c == 0, opNe: c != 0, opLt: c < 0, opLe: c <= 0, opGt: c > 0, opGe: c >= 0}[o])
}

func and(a, b nval) nval {
	switch {
	case !a.null && !a.b || !b.null && !b.b:
		return boolean(false)
	case a.null || b.null:
		return nullBool
	}
	return boolean(true)
}

func or(a, b nval) nval {
	not := func(v nval) nval { v.b = !v.b; return v }
	return not(and(not(a), not(b)))
}

func (n naive) logic(e Expr) (nval, error) {
	out := boolean(e.op == opAnd)
	for _, a := range e.args {
		if !out.null && out.b == (e.op == opOr) {
			break // decided
		}
		v, err := n.eval(a)
		if err != nil {
			return nval{}, err
		}
		if e.op == opAnd {
			out = and(out, v)
		} else {
			out = or(out, v)
		}
	}
	return out, nil
}

// typed evaluates a branch and brings it to the type of the whole.
func (n naive) typed(whole, branch Expr) (nval, error) {
	v, err := n.eval(branch)
	if err != nil || v.null || v.rat == nil {
		return v, err
	}
	t := n.typ(whole)
	if t.Kind == Float {
		v.float, _ = v.rat.Float64()
		return v, nil
	}
	return fitsType(t, v.rat)
}

func likeRegexp(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	escaped := false
	for _, r := range pattern {
		switch {
		case escaped:
			b.WriteString(regexp.QuoteMeta(string(r)))
			escaped = false
		case r == '\\':
			escaped = true
		case r == '%':
			b.WriteString(`.*`)
		case r == '_':
			b.WriteString(`.`)
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	if escaped {
		b.WriteString(`\\`)
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

func (n naive) arithmetic(e Expr, args []nval) (nval, error) {
	for _, a := range args {
		if a.null {
			return nval{kind: n.typ(e).Kind, null: true}, nil
		}
	}
	if len(args) == 2 {
		args[0], args[1] = alike(args[0], args[1])
	}
	x := args[0]
	if x.kind == Float {
		y := args[len(args)-1].float
		f := map[op]float64{opAdd: x.float + y, opSub: x.float - y, opMul: x.float * y, opDiv: x.float / y, opNeg: -x.float, opAbs: math.Abs(x.float)}
		if e.op == opCast && e.typ.Kind == Float {
			return x, nil
		}
		return nval{kind: Float, float: f[e.op]}, nil
	}
	switch e.op {
	case opAdd:
		return n.fits(e, new(big.Rat).Add(x.rat, args[1].rat))
	case opSub:
		return n.fits(e, new(big.Rat).Sub(x.rat, args[1].rat))
	case opMul:
		return n.fits(e, new(big.Rat).Mul(x.rat, args[1].rat))
	case opDiv:
		if args[1].rat.Sign() == 0 {
			return nval{}, errNaive
		}
		return n.fits(e, roundTo(new(big.Rat).Quo(x.rat, args[1].rat), n.typ(e).Scale, money.HalfEven))
	case opNeg:
		return n.fits(e, new(big.Rat).Neg(x.rat))
	case opAbs:
		return n.fits(e, new(big.Rat).Abs(x.rat))
	case opRound:
		return n.fits(e, roundTo(x.rat, e.scale, e.mode))
	}
	return n.cast(e, x)
}

func (n naive) cast(e Expr, x nval) (nval, error) {
	switch {
	case e.typ.Kind == Float:
		f, _ := x.rat.Float64()
		return nval{kind: Float, float: f}, nil
	case x.kind == Timestamp && e.typ.Kind == Date:
		day := new(big.Rat).Quo(x.rat, new(big.Rat).SetInt64(86400))
		return nval{kind: Date, rat: roundTo(day, 0, money.Floor)}, nil
	case x.kind == Date && e.typ.Kind == Timestamp:
		return n.fits(e, new(big.Rat).Mul(x.rat, new(big.Rat).SetInt64(86400)))
	}
	return n.fits(e, x.rat)
}

// roundTo rounds by the floor and a comparison of what is left with one half.
func roundTo(r *big.Rat, scale int, m money.RoundingMode) *big.Rat {
	x := new(big.Rat).Mul(r, pow(scale))
	floor := new(big.Int).Div(x.Num(), x.Denom())
	rest := new(big.Rat).Sub(x, new(big.Rat).SetInt(floor))
	up := false
	half := rest.Cmp(big.NewRat(1, 2))
	if rest.Sign() != 0 {
		switch m {
		case money.Ceiling:
			up = true
		case money.Up:
			up = x.Sign() > 0
		case money.Down:
			up = x.Sign() < 0
		case money.HalfEven:
			up = half > 0 || half == 0 && floor.Bit(0) == 1
		case money.HalfUp:
			up = half > 0 || half == 0 && x.Sign() > 0
		case money.HalfDown:
			up = half > 0 || half == 0 && x.Sign() < 0
		}
	}
	if up {
		floor.Add(floor, big.NewInt(1))
	}
	return new(big.Rat).Quo(new(big.Rat).SetInt(floor), pow(scale))
}

// cell reads a value out of an Arrow array.
func cell(a arrow.Array, i int) nval {
	t := TypeOf(a.DataType())
	if a.IsNull(i) {
		return nval{kind: t.Kind, null: true}
	}
	scaled := func(v *big.Int, scale int) nval {
		return nval{kind: t.Kind, rat: new(big.Rat).Quo(new(big.Rat).SetInt(v), pow(scale))}
	}
	switch a := a.(type) {
	case *array.Dictionary:
		return cell(a.Dictionary(), a.GetValueIndex(i))
	case *array.Boolean:
		return boolean(a.Value(i))
	case *array.Int64:
		return scaled(big.NewInt(a.Value(i)), 0)
	case *array.Int32:
		return scaled(big.NewInt(int64(a.Value(i))), 0)
	case *array.Uint64:
		return scaled(new(big.Int).SetUint64(a.Value(i)), 0)
	case *array.Date32:
		return scaled(big.NewInt(int64(a.Value(i))), 0)
	case *array.Timestamp:
		return scaled(big.NewInt(int64(a.Value(i))), unitScale(t.Unit))
	case *array.Decimal128:
		return scaled(a.Value(i).BigInt(), t.Scale)
	case *array.Float64:
		return nval{kind: Float, float: a.Value(i)}
	case *array.Float32:
		return nval{kind: Float, float: float64(a.Value(i))}
	case *array.String:
		return nval{kind: String, text: a.Value(i)}
	case *array.LargeString:
		return nval{kind: String, text: a.Value(i)}
	case *array.Binary:
		return nval{kind: Bytes, text: string(a.Value(i))}
	}
	panic("cell of " + a.DataType().String())
}
