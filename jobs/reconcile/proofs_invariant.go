package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/proof"
)

// invariantScale is how many digits after the point numbers have in conditions; ones that have more are a mistake there.
const invariantScale = 10

var invariantNumber = &arrow.Decimal128Type{Precision: 38, Scale: invariantScale}

// invariantRows is how many rows a condition is evaluated over at once.
const invariantRows = 1024

// conditionOf parses a condition and binds it to the columns it may name.
func conditionOf(text string, schema *arrow.Schema) (*expr.Bound, error) {
	e, err := expr.Parse(text)
	if err == nil {
		var b *expr.Bound
		if b, err = expr.Bind(e, schema); err == nil {
			return b, nil
		}
	}
	return nil, fault.Usagef("holds: %w", err)
}

// broken are the rows of a batch for which the condition is not true.
func broken(b *expr.Bound, rows arrow.RecordBatch) (out []int, err error) {
	v, err := b.Eval(rows)
	if err != nil {
		return nil, fmt.Errorf("holds: %w", err)
	}
	defer v.Release()
	truth, ok := v.(*array.Boolean)
	if !ok {
		return nil, fault.Usagef("holds: the condition is %s, neither true nor false", v.DataType())
	}
	for i := range truth.Len() {
		if truth.IsNull(i) || !truth.Value(i) {
			out = append(out, i)
		}
	}
	return out, nil
}

// rowInvariant is a condition that each row of a side fulfils.
type rowInvariant struct {
	condition *expr.Bound
	schema    reconciliation.Schema
	b         *array.RecordBuilder
	refs      []proof.Item // of the rows in b
	rows      int64
	items     []proof.Item
}

func newRowInvariant(spec *rulefile.InvariantProof, schema reconciliation.Schema) (*rowInvariant, error) {
	var fields []arrow.Field
	for _, name := range schema.Names() {
		f := arrow.Field{Name: name, Type: utf8, Nullable: true}
		switch {
		case name == reconciliation.ColumnAmount || slices.Contains(schema.Numbers, name):
			f.Type = invariantNumber
		case name == reconciliation.ColumnDate || slices.Contains(schema.Days, name):
			f.Type = date32
		}
		fields = append(fields, f)
	}
	t := &rowInvariant{schema: schema}
	as := arrow.NewSchema(fields, nil)
	var err error
	if t.condition, err = conditionOf(spec.Holds, as); err != nil {
		return nil, err
	}
	t.b = array.NewRecordBuilder(memory.DefaultAllocator, as)
	return t, nil
}

func (t *rowInvariant) take(_ string, m *reconciliation.Movement) error {
	for i, name := range t.schema.Names() {
		switch b := t.b.Field(i).(type) {
		case *array.Decimal128Builder:
			if name == reconciliation.ColumnAmount && m.NoAmount {
				b.AppendNull()
				continue
			}
			if err := appendNumber(b, columnNumber(&t.schema, m, name)); err != nil {
				return fmt.Errorf("row %s: %s: %w", m.FullRef(), name, err)
			}
		case *array.Date32Builder:
			if d := columnDay(&t.schema, m, name); d == reconciliation.NoDate {
				b.AppendNull()
			} else {
				b.Append(arrow.Date32(d))
			}
		case *array.StringBuilder:
			if text := columnText(&t.schema, m, name); text == "" {
				b.AppendNull()
			} else {
				b.Append(text)
			}
		}
	}
	day := m.Date
	if day == reconciliation.NoDate {
		day = 0
	}
	c := m.Clone()
	t.refs = append(t.refs, proof.Item{Group: []string{c.Ref}, Currency: c.Currency, Day: day, What: "does not hold", Found: m.Amount})
	if len(t.refs) == invariantRows {
		return t.flush()
	}
	return nil
}

func appendNumber(b *array.Decimal128Builder, d money.Decimal) error {
	x, err := d.RescaleExact(invariantScale)
	if err != nil {
		return fmt.Errorf("%s has more than %d digits after the point, or too many before it: %w", d, invariantScale, err)
	}
	c := x.Coefficient()
	b.Append(decimal128.New(c.Hi, c.Lo))
	return nil
}

func (t *rowInvariant) flush() error {
	rows := t.b.NewRecordBatch()
	defer rows.Release()
	bad, err := broken(t.condition, rows)
	if err != nil {
		return err
	}
	for _, i := range bad {
		t.items = append(t.items, t.refs[i])
	}
	t.rows += rows.NumRows()
	t.refs = t.refs[:0]
	return nil
}

func (t *rowInvariant) prove(_ context.Context, _ *RulesOptions, _ []*loader, m proof.Materiality) (proof.Result, error) {
	defer t.b.Release()
	if err := t.flush(); err != nil {
		return proof.Result{}, err
	}
	return proof.Judge(t.rows, t.items, m)
}

// totalsInvariant is a condition over the totals of all sides, by currency.
type totalsInvariant struct {
	condition *expr.Bound
	schema    *arrow.Schema
	sides     []string
	of        map[string]map[string]*sideTotals // by currency and side
}

type sideTotals struct{ rows, debits, credits money.Decimal }

func newTotalsInvariant(spec *rulefile.InvariantProof, f *rulefile.File) (*totalsInvariant, error) {
	t := &totalsInvariant{of: map[string]map[string]*sideTotals{}}
	fields := []arrow.Field{{Name: "currency", Type: utf8}}
	for _, s := range f.Sides {
		t.sides = append(t.sides, s.Name)
		for _, what := range []string{"rows", "total", "debits", "credits"} {
			fields = append(fields, arrow.Field{Name: s.Name + "_" + what, Type: invariantNumber})
		}
	}
	t.schema = arrow.NewSchema(fields, nil)
	var err error
	t.condition, err = conditionOf(spec.Holds, t.schema)
	return t, err
}

func (t *totalsInvariant) take(side string, m *reconciliation.Movement) error {
	by := t.of[m.Currency]
	if by == nil {
		by = map[string]*sideTotals{}
		for _, s := range t.sides {
			by[s] = &sideTotals{}
		}
		t.of[m.Clone().Currency] = by
	}
	s := by[side]
	to := &s.credits
	if m.Amount.Sign() < 0 {
		to = &s.debits
	}
	var err error
	if *to, err = to.Add(m.Amount.Abs()); err != nil {
		return fmt.Errorf("total of side %s in %s: %w", side, m.Currency, err)
	}
	s.rows, err = s.rows.Add(money.FromInt64(1))
	return err
}

func (t *totalsInvariant) prove(_ context.Context, _ *RulesOptions, _ []*loader, m proof.Materiality) (proof.Result, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.schema)
	defer b.Release()
	currencies := slices.Sorted(maps.Keys(t.of))
	for _, c := range currencies {
		b.Field(0).(*array.StringBuilder).Append(c)
		at := 1
		for _, side := range t.sides {
			s := t.of[c][side]
			total, err := s.credits.Sub(s.debits)
			if err != nil {
				return proof.Result{}, fmt.Errorf("total of side %s in %s: %w", side, c, err)
			}
			for _, d := range []money.Decimal{s.rows, total, s.debits, s.credits} {
				if err := appendNumber(b.Field(at).(*array.Decimal128Builder), d); err != nil {
					return proof.Result{}, fmt.Errorf("total of side %s in %s: %w", side, c, err)
				}
				at++
			}
		}
	}
	rows := b.NewRecordBatch()
	defer rows.Release()
	bad, err := broken(t.condition, rows)
	if err != nil {
		return proof.Result{}, err
	}
	var items []proof.Item
	for _, i := range bad {
		items = append(items, proof.Item{Group: []string{currencies[i]}, What: "does not hold"})
	}
	return proof.Judge(int64(len(currencies)), items, m)
}
