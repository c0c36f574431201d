package expr

import (
	"github.com/millrace/millrace/sdk/money"
)

// op names an operation. Its text is part of the JSON form.
type op string

const (
	opCol       op = "col"
	opLit       op = "lit"
	opEq        op = "eq"
	opNe        op = "ne"
	opLt        op = "lt"
	opLe        op = "le"
	opGt        op = "gt"
	opGe        op = "ge"
	opAnd       op = "and"
	opOr        op = "or"
	opNot       op = "not"
	opIsNull    op = "is_null"
	opIsNotNull op = "is_not_null"
	opIn        op = "in"      // args: value, members…
	opBetween   op = "between" // args: value, low, high
	opLike      op = "like"    // args: value; pattern in text
	opAdd       op = "add"
	opSub       op = "sub"
	opMul       op = "mul"
	opDiv       op = "div"
	opNeg       op = "neg"
	opAbs       op = "abs"
	opRound     op = "round"    // args: value; scale and mode
	opCase      op = "case"     // args: condition, value, …, else
	opCoalesce  op = "coalesce" // args: values
	opNullIf    op = "nullif"   // args: value, other
	opCast      op = "cast"     // args: value; type
)

// arity is the least and the most number of arguments of each operation that has any; -1 is any number.
var arity = map[op][2]int{
	opEq: {2, 2}, opNe: {2, 2}, opLt: {2, 2}, opLe: {2, 2}, opGt: {2, 2}, opGe: {2, 2},
	opAnd: {2, -1}, opOr: {2, -1}, opNot: {1, 1}, opIsNull: {1, 1}, opIsNotNull: {1, 1},
	opIn: {2, -1}, opBetween: {3, 3}, opLike: {1, 1},
	opAdd: {2, 2}, opSub: {2, 2}, opMul: {2, 2}, opDiv: {2, 2}, opNeg: {1, 1}, opAbs: {1, 1}, opRound: {1, 1},
	opCase: {3, -1}, opCoalesce: {1, -1}, opNullIf: {2, 2}, opCast: {1, 1},
}

// Expr is an expression. It may be nil, which stands for no expression: a filter that
// keeps everything. Expressions are immutable and safe for concurrent use, may share parts,
// and encode as JSON and as text.
type Expr = *Node

// Node is one operation with its operands. Build nodes by Col, Lit, Parse and the methods of Expr.
//
// Where a method takes an any, it takes an Expr, or a value that Lit takes.
type Node struct {
	op    op
	args  []Expr
	text  string // column name or LIKE pattern
	lit   literal
	typ   Type // of a cast
	scale int  // of a rounding
	mode  money.RoundingMode
	depth int // of the tree below, this node included
	size  int // number of nodes of the tree below, shared ones counted each time
}

// Expressions that are parsed, encoded or bound are bounded in nesting, so that no input can
// exhaust the stack (chains of and, or and in lists count once), and in size, which parts
// that are used more than once can multiply.
const (
	maxDepth = 500
	maxSize  = 1_000_000
)

// Col is the column of that name. Names are matched exactly.
func Col(name string) Expr { return build(Node{op: opCol, text: name}) }

// Lit is a constant: nil (null), a bool, an integer of any size, a float64 or float32, a
// money.Decimal, a string, a []byte, a Day or a time.Time (an instant). Any other value
// makes Bind and the encoders fail with ErrType.
func Lit(value any) Expr { return build(Node{op: opLit, lit: literalOf(value)}) }

// operand is v itself if it is an expression, else a literal.
func operand(v any) Expr {
	if e, ok := v.(Expr); ok && e != nil {
		return e
	}
	return Lit(v)
}

func node(o op, args ...Expr) Expr { return build(Node{op: o, args: args}) }

func build(n Node) Expr {
	n.depth, n.size = 1, 1
	for i, a := range n.args {
		if a == nil {
			a = Lit(Expr(nil)) // reported by Bind
			n.args[i] = a
		}
		n.depth = max(n.depth, a.depth+1)
		n.size = min(n.size+a.size, maxSize+1)
	}
	return &n
}

func (e *Node) binary(o op, v any) Expr { return node(o, e, operand(v)) }

// Eq is e = v.
func (e *Node) Eq(v any) Expr { return e.binary(opEq, v) }

// Ne is e <> v.
func (e *Node) Ne(v any) Expr { return e.binary(opNe, v) }

// Lt is e < v.
func (e *Node) Lt(v any) Expr { return e.binary(opLt, v) }

// Le is e <= v.
func (e *Node) Le(v any) Expr { return e.binary(opLe, v) }

// Gt is e > v.
func (e *Node) Gt(v any) Expr { return e.binary(opGt, v) }

// Ge is e >= v.
func (e *Node) Ge(v any) Expr { return e.binary(opGe, v) }

// Between is low <= e and e <= high.
func (e *Node) Between(low, high any) Expr {
	return node(opBetween, e, operand(low), operand(high))
}

// In is true where e equals one of the values. In() without values is false.
func (e *Node) In(values ...any) Expr {
	if len(values) == 0 {
		return Lit(false)
	}
	args := make([]Expr, 1, 1+len(values))
	args[0] = e
	for _, v := range values {
		args = append(args, operand(v))
	}
	return node(opIn, args...)
}

// Like matches the text e with a pattern: % stands for any run of characters, _ for one
// character, and \ takes the next character literally. The whole text has to match.
func (e *Node) Like(pattern string) Expr {
	return build(Node{op: opLike, args: []Expr{e}, text: pattern})
}

// IsNull is true where e is null, else false.
func (e *Node) IsNull() Expr { return node(opIsNull, e) }

// IsNotNull is false where e is null, else true.
func (e *Node) IsNotNull() Expr { return node(opIsNotNull, e) }

// And is e and all others. A nil operand, e included, is left out.
func (e *Node) And(others ...Expr) Expr { return join(opAnd, e, others) }

// Or is e or any of the others. A nil operand, e included, is left out.
func (e *Node) Or(others ...Expr) Expr { return join(opOr, e, others) }

// join flattens chains, so that long ones do not become deep.
func join(o op, e Expr, others []Expr) Expr {
	var args []Expr
	for _, x := range append([]Expr{e}, others...) {
		switch {
		case x == nil:
		case x.op == o:
			args = append(args, x.args...)
		default:
			args = append(args, x)
		}
	}
	switch len(args) {
	case 0:
		return nil
	case 1:
		return args[0]
	}
	return node(o, args...)
}

// Not is the negation: null stays null.
func (e *Node) Not() Expr { return node(opNot, e) }

// Add is e + v.
func (e *Node) Add(v any) Expr { return e.binary(opAdd, v) }

// Sub is e - v.
func (e *Node) Sub(v any) Expr { return e.binary(opSub, v) }

// Mul is e * v.
func (e *Node) Mul(v any) Expr { return e.binary(opMul, v) }

// Div is e / v. Quotients of decimals and integers are rounded half even at the documented scale.
func (e *Node) Div(v any) Expr { return e.binary(opDiv, v) }

// Neg is -e.
func (e *Node) Neg() Expr { return node(opNeg, e) }

// Abs is e without its sign.
func (e *Node) Abs() Expr { return node(opAbs, e) }

// Round brings the decimal e to a scale of 0 to 38, rounding by mode.
func (e *Node) Round(scale int, mode money.RoundingMode) Expr {
	return build(Node{op: opRound, args: []Expr{e}, scale: scale, mode: mode})
}

// Cast converts e to a type, exactly or not at all: digits that would be lost, values that do
// not fit and texts that do not parse are errors. Only casts between floats and other numbers
// take the nearest value. A timestamp becomes the date of its day in UTC (or by its own
// clock), a date the timestamp of its midnight.
func (e *Node) Cast(t Type) Expr { return build(Node{op: opCast, args: []Expr{e}, typ: t}) }

// NullIf is null where e = v, else e.
func (e *Node) NullIf(v any) Expr { return e.binary(opNullIf, v) }

// Coalesce is the first of the values that is not null. Without values it is null.
func Coalesce(values ...any) Expr {
	if len(values) == 0 {
		return Lit(nil)
	}
	args := make([]Expr, len(values))
	for i, v := range values {
		args[i] = operand(v)
	}
	return node(opCoalesce, args...)
}

// Cases builds a case expression; each method returns a new value.
type Cases struct{ args []Expr }

// Case starts a case expression: Case().When(cond, value).When(…).Else(value).
func Case() Cases { return Cases{} }

// When adds a branch: value is the result where cond is true and no earlier condition was.
func (c Cases) When(cond Expr, value any) Cases {
	return Cases{append(c.args[:len(c.args):len(c.args)], cond, operand(value))}
}

// Else ends the case: value is the result where no condition was true. Without branches it is value itself.
func (c Cases) Else(value any) Expr {
	if len(c.args) == 0 {
		return operand(value)
	}
	return node(opCase, append(c.args[:len(c.args):len(c.args)], operand(value))...)
}

// End ends the case with null where no condition was true.
func (c Cases) End() Expr { return c.Else(nil) }

// Columns are the names of the columns that e reads, in order of first use; none for nil.
func (e *Node) Columns() []string {
	var names []string
	seen := map[string]bool{}
	var walk func(Expr)
	walk = func(x Expr) {
		if x == nil {
			return
		}
		if x.op == opCol && !seen[x.text] {
			seen[x.text] = true
			names = append(names, x.text)
		}
		for _, a := range x.args {
			walk(a)
		}
	}
	walk(e)
	return names
}

// Equal reports whether e and f are the same tree. It compares forms, not meanings.
func (e *Node) Equal(f Expr) bool {
	if e == nil || f == nil || e == f {
		return e == f
	}
	if e.op != f.op || e.text != f.text || e.typ != f.typ || e.scale != f.scale || e.mode != f.mode ||
		len(e.args) != len(f.args) || !e.lit.same(f.lit) {
		return false
	}
	for i, a := range e.args {
		if !a.Equal(f.args[i]) {
			return false
		}
	}
	return true
}
