package expr

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/fault"
)

// open prepares a batch, which must have the columns that the expression reads, with the
// types and at the places that they have in the bound schema.
func (b *Bound) open(rec arrow.RecordBatch) (*batch, error) {
	if err := checkColumns(rec, b.schema, b.used); err != nil {
		return nil, fmt.Errorf("evaluate %s: %w", shorten(b.root.expr.String()), err)
	}
	return &batch{rec: rec, n: int(rec.NumRows()), vecs: make([]*vec, rec.NumCols())}, nil
}

func checkColumns(rec arrow.RecordBatch, schema *arrow.Schema, used []int) error {
	if rec.Schema() == schema {
		return nil
	}
	for _, i := range used {
		f := schema.Field(i)
		switch {
		case i >= int(rec.NumCols()) || rec.ColumnName(i) != f.Name:
			return fmt.Errorf("%w: column %d of the batch is not %s: bind for each schema", ErrColumn, i, f.Name)
		case !arrow.TypeEqual(rec.Column(i).DataType(), f.Type):
			return fmt.Errorf("%w: column %s is %v, bound as %v: bind for each schema", ErrType, f.Name, rec.Column(i).DataType(), f.Type)
		}
	}
	return nil
}

// Eval computes the values for each row of a batch. A plain column is returned as it is,
// sharing memory with the batch; other arrays have memory of their own. Release the array when done.
// It fails with an EvalError.
func (b *Bound) Eval(rec arrow.RecordBatch) (arrow.Array, error) {
	batch, err := b.open(rec)
	if err != nil {
		return nil, err
	}
	return b.root.array(batch)
}

func (t *term) array(b *batch) (arrow.Array, error) {
	if t.op == opCol {
		c := b.rec.Column(t.column)
		c.Retain()
		return c, nil
	}
	v, err := t.eval(b, nil)
	if err != nil {
		return nil, err
	}
	out, err := v.array(b.n)
	if err != nil {
		return nil, fmt.Errorf("evaluate %s: %w", shorten(t.expr.String()), err)
	}
	return out, nil
}

// Select finds the rows of a batch for which the expression, a bool, is true. It fails with
// ErrType for other types and with an EvalError.
func (b *Bound) Select(rec arrow.RecordBatch) (*Selection, error) {
	if k := b.root.typ.Kind; k != Bool && k != Null {
		return nil, fault.Usagef("%w: %s is a %s: a filter has to be a bool", ErrType, b.root.expr, b.root.typ)
	}
	batch, err := b.open(rec)
	if err != nil {
		return nil, err
	}
	v, err := b.root.eval(batch, nil)
	if err != nil {
		return nil, err
	}
	rows := newBitmap(batch.n)
	if b.root.typ.Kind == Bool {
		rows = v.isTrue(batch.n)
	}
	return &Selection{rows: rows, n: batch.n, count: rows.count()}, nil
}

// Filter returns the rows of a batch for which the expression is true, in order. Release the
// result when done; it may share memory with rec. It fails as Select does.
func (b *Bound) Filter(rec arrow.RecordBatch) (arrow.RecordBatch, error) {
	s, err := b.Select(rec)
	if err != nil {
		return nil, err
	}
	return s.Apply(rec)
}

// Named is an expression and the name of the column that it computes.
type Named struct {
	Name string `json:"name"`
	Expr Expr   `json:"expr"`
}

// Projection computes columns. It is immutable and safe for concurrent use.
type Projection struct {
	in, out *arrow.Schema
	used    []int
	roots   []*term
}

// BindProjection checks a list of named expressions against a schema, as Bind does. Names have to differ.
func BindProjection(schema *arrow.Schema, items ...Named) (*Projection, error) {
	p := &Projection{in: schema}
	fields := make([]arrow.Field, len(items))
	seen := map[string]bool{}
	columns := map[int]bool{}
	for i, item := range items {
		if seen[item.Name] {
			return nil, fault.Usagef("bind projection: two columns are named %q", item.Name)
		}
		seen[item.Name] = true
		b, err := Bind(item.Expr, schema)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", item.Name, err)
		}
		if b.DataType() == nil {
			return nil, fault.Usagef("column %q: %w: %s has no type", item.Name, ErrType, item.Expr)
		}
		fields[i] = arrow.Field{Name: item.Name, Type: b.DataType(), Nullable: b.Nullable()}
		if b.root.op == opCol {
			fields[i].Metadata = schema.Field(b.root.column).Metadata
		}
		p.roots = append(p.roots, b.root)
		for _, c := range b.used {
			if !columns[c] {
				columns[c] = true
				p.used = append(p.used, c)
			}
		}
	}
	p.out = arrow.NewSchema(fields, nil)
	return p, nil
}

// Schema is the schema of the results.
func (p *Projection) Schema() *arrow.Schema { return p.out }

// Columns are the indices in the bound schema of the columns that are read.
func (p *Projection) Columns() []int { return p.used }

// Apply computes the columns for a batch. Plain columns share memory with it. Release the
// result when done. It fails with an EvalError.
func (p *Projection) Apply(rec arrow.RecordBatch) (arrow.RecordBatch, error) {
	if err := checkColumns(rec, p.in, p.used); err != nil {
		return nil, fmt.Errorf("project: %w", err)
	}
	b := &batch{rec: rec, n: int(rec.NumRows()), vecs: make([]*vec, rec.NumCols())}
	cols := make([]arrow.Array, 0, len(p.roots))
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for _, t := range p.roots {
		a, err := t.array(b)
		if err != nil {
			return nil, err
		}
		cols = append(cols, a)
	}
	return array.NewRecordBatch(p.out, cols, rec.NumRows()), nil
}
