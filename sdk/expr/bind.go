package expr

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
)

// Bound is an expression that was checked against a schema. It is immutable and safe for concurrent use.
type Bound struct {
	schema *arrow.Schema
	root   *term
	used   []int // indices of the columns that are read
}

// term is a typed node. Exactly one of konst and run is set.
type term struct {
	op       op
	typ      Type
	nullable bool
	fallible bool // evaluation may fail on some row
	args     []*term
	expr     Expr // for messages
	column   int  // of opCol
	konst    *vec
	// run computes the values. Rows outside need (nil: all) may get any value and must not fail.
	run func(b *batch, need bitmap) (*vec, error)
	// cast is set on casts and widenings whose results order as their argument does; see Prune.
	monotone func(scalar) (scalar, bool)
}

// batch is a record batch in the course of an evaluation.
type batch struct {
	rec  arrow.RecordBatch
	n    int
	vecs []*vec // decoded columns, by index
}

// Bind checks e against a schema: every column has to be there (ErrColumn) and every
// operation has to fit the types of its operands (ErrType). Both are user mistakes. A nil e is bound as true.
func Bind(e Expr, schema *arrow.Schema) (*Bound, error) {
	if e == nil {
		e = Lit(true)
	}
	if err := e.validate(); err != nil {
		return nil, fmt.Errorf("bind expression: %w", err)
	}
	b := &binder{schema: schema, seen: map[int]bool{}}
	root, err := b.bind(e)
	if err != nil {
		return nil, fault.Mark(fault.Usage, fmt.Errorf("bind expression %s: %w", shorten(e.String()), err))
	}
	return &Bound{schema: schema, root: root, used: b.used}, nil
}

// Type is the type of the values.
func (b *Bound) Type() Type { return b.root.typ }

// DataType is the type of the arrays that Eval returns: for a plain column the column's own, else Type().Arrow().
func (b *Bound) DataType() arrow.DataType {
	if b.root.op == opCol {
		return b.schema.Field(b.root.column).Type
	}
	return b.root.typ.Arrow()
}

// Nullable reports whether values may be null. It is false only where no null is possible.
func (b *Bound) Nullable() bool { return b.root.nullable }

// Expr is the expression that was bound.
func (b *Bound) Expr() Expr { return b.root.expr }

// Columns are the indices in the schema of the columns that are read, in order of first use.
func (b *Bound) Columns() []int { return b.used }

type binder struct {
	schema *arrow.Schema
	used   []int
	seen   map[int]bool
}

func (b *binder) bind(e Expr) (*term, error) {
	switch e.op {
	case opCol:
		return b.col(e)
	case opLit:
		v := e.lit.vec()
		return &term{op: opLit, typ: v.typ, nullable: e.lit.value == nil, expr: e, konst: v}, nil
	}
	t := &term{op: e.op, expr: e}
	for _, a := range e.args {
		arg, err := b.bind(a)
		if err != nil {
			return nil, err
		}
		t.args = append(t.args, arg)
		t.fallible = t.fallible || arg.fallible
		t.nullable = t.nullable || arg.nullable
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	return t.fold(), nil
}

func (b *binder) col(e Expr) (*term, error) {
	at := b.schema.FieldIndices(e.text)
	if len(at) != 1 {
		return nil, b.unknownColumn(e.text, len(at))
	}
	i, f := at[0], b.schema.Field(at[0])
	if !b.seen[i] {
		b.seen[i] = true
		b.used = append(b.used, i)
	}
	t := TypeOf(f.Type)
	nullable := f.Nullable || t.Kind == Null || f.Type.ID() == arrow.DICTIONARY
	return &term{op: opCol, typ: t, nullable: nullable, expr: e, column: i,
		run: func(b *batch, _ bitmap) (*vec, error) { return b.column(i, t), nil }}, nil
}

func (b *binder) unknownColumn(name string, found int) error {
	if found > 1 {
		return fmt.Errorf("%w: there are %d columns named %q", ErrColumn, found, name)
	}
	names := make([]string, b.schema.NumFields())
	for i := range names {
		names[i] = b.schema.Field(i).Name
	}
	if near := nearest(name, names); near != "" {
		return fmt.Errorf("%w %q: did you mean %q?", ErrColumn, name, near)
	}
	return fmt.Errorf("%w %q: there are %s", ErrColumn, name, shorten(strings.Join(names, ", ")))
}

// fold replaces an operation on constants by its result. One that fails is left to fail when
// a row needs it, so that it may stand in a branch that no row takes.
func (t *term) fold() *term {
	for _, a := range t.args {
		if a.konst == nil {
			return t
		}
	}
	v, err := t.run(&batch{n: 1}, nil)
	if err != nil {
		return t
	}
	v = v.spread(1)
	v.konst, v.alien = true, false
	return &term{op: opLit, typ: t.typ, nullable: v.valid != nil && !v.valid.has(0), expr: t.expr, konst: v}
}

// eval computes the term's values.
func (t *term) eval(b *batch, need bitmap) (*vec, error) {
	if t.konst != nil {
		return t.konst, nil
	}
	return t.run(b, need)
}

// evalAll computes the values of all arguments.
func (t *term) evalAll(b *batch, need bitmap) ([]*vec, error) {
	out := make([]*vec, len(t.args))
	for i, a := range t.args {
		var err error
		if out[i], err = a.eval(b, need); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *batch) column(i int, t Type) *vec {
	if b.vecs[i] == nil {
		b.vecs[i] = columnVec(b.rec.Column(i), t)
	}
	return b.vecs[i]
}

// check finds the operation's type and its run function.
func (t *term) check() error {
	switch t.op {
	case opEq, opNe, opLt, opLe, opGt, opGe:
		return t.bindCompare()
	case opAnd, opOr:
		return t.bindLogic()
	case opNot:
		return t.bindNot()
	case opIsNull, opIsNotNull:
		t.bindIsNull()
		return nil
	case opIn:
		return t.bindIn()
	case opBetween:
		return t.bindBetween()
	case opLike:
		return t.bindLike()
	case opAdd, opSub, opMul, opDiv:
		return t.bindArithmetic()
	case opNeg, opAbs:
		return t.bindSign()
	case opRound:
		return t.bindRound()
	case opCase:
		return t.bindCase()
	case opCoalesce:
		return t.bindCoalesce()
	case opNullIf:
		return t.bindNullIf()
	case opCast:
		return t.bindCast()
	}
	return fmt.Errorf("%w: unknown operation %s", ErrType, t.op)
}

// typeErrorf is a complaint about the operation's operands.
func (t *term) typeErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: in %s: %s", ErrType, shorten(t.expr.String()), fmt.Sprintf(format, args...))
}

// describe names an operand and its type in messages.
func (t *term) describe() string {
	if t.expr.op == opLit {
		return t.typ.String() + " " + t.expr.String()
	}
	return t.expr.String() + " (" + t.typ.String() + ")"
}

// failed is the error of the operation on a row.
func (t *term) failed(row int, err error) error {
	return &EvalError{Expr: shorten(t.expr.String()), Row: row, Err: err}
}
