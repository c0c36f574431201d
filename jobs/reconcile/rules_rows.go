package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// rowReader makes movements of a source's batches.
type rowReader struct {
	l         *loader
	used      []string // the source's columns
	whereExpr expr.Expr
	where     *expr.Bound // nil where all rows count, or where the scan has filtered
	forms     map[string]rulefile.Form
	reject    files.RejectFunc
}

// reader settles how a source of a schema is read.
func (l *loader) reader(schema *arrow.Schema) (*rowReader, error) {
	r := &rowReader{l: l, forms: map[string]rulefile.Form{}, reject: l.onReject()}
	var err error
	if r.used, err = l.sourceColumns(schema); err != nil {
		return nil, err
	}
	if r.whereExpr, err = l.whereOnce(schema); err != nil {
		return nil, err
	}
	if r.whereExpr != nil && l.report.Table == "" { // a scan filters by itself
		if r.where, err = expr.Bind(r.whereExpr, schema); err != nil {
			return nil, fmt.Errorf("where: %w", err)
		}
	}
	for name, col := range l.spec.Columns {
		if r.forms[name], err = col.Form(name); err != nil {
			return nil, fmt.Errorf("column %s: %w", name, err)
		}
	}
	return r, nil
}

// whereOnce is the side's condition; over a projected table, which lacks columns that only the condition names, it was bound before.
func (l *loader) whereOnce(schema *arrow.Schema) (expr.Expr, error) {
	if l.boundWhere != nil {
		return l.boundWhere, nil
	}
	e, err := l.whereOf(schema)
	l.boundWhere = e
	return e, err
}

// read adds the rows of a batch to the side. place says where a row stands.
func (r *rowReader) read(ctx context.Context, b arrow.RecordBatch, place func(i int) string) error {
	var keep *array.Boolean
	if r.where != nil {
		v, err := r.where.Eval(b)
		if err != nil {
			return fmt.Errorf("where: %w", err)
		}
		defer v.Release()
		keep, _ = v.(*array.Boolean)
		if keep == nil {
			return fault.Usagef("where: the condition is neither true nor false")
		}
	}
	columns := map[string]arrow.Array{}
	for _, n := range r.used {
		columns[n] = b.Column(b.Schema().FieldIndices(n)[0])
	}
	schema := r.l.schema
	m := reconciliation.Movement{Texts: make([]string, len(schema.Texts)), Numbers: make([]money.Decimal, len(schema.Numbers)), Days: make([]int32, len(schema.Days))}
	for i := range int(b.NumRows()) {
		if keep != nil && (keep.IsNull(i) || !keep.Value(i)) {
			continue
		}
		if err := r.movement(&m, columns, i); err != nil {
			rejected := r.reject(ctx, files.Reject{File: r.l.spec.Name, Reason: place(i) + ": " + err.Error()})
			if rejected != nil {
				return fmt.Errorf("%s: %w: %w", place(i), err, rejected)
			}
			continue
		}
		m.Ref = place(i)
		if err := r.l.add(&m); err != nil {
			return err
		}
	}
	return nil
}

// movement makes a row of a batch's.
func (r *rowReader) movement(m *reconciliation.Movement, columns map[string]arrow.Array, i int) (err error) {
	var blank bool
	if m.Amount, blank, err = r.number(reconciliation.ColumnAmount, columns, i); err != nil {
		return err
	}
	m.NoAmount = blank
	if m.Currency, err = r.text(reconciliation.ColumnCurrency, columns, i); err != nil {
		return err
	}
	if m.Date, err = r.day(reconciliation.ColumnDate, columns, i); err != nil {
		return err
	}
	for k, n := range r.l.schema.Texts {
		if m.Texts[k], err = r.text(n, columns, i); err != nil {
			return err
		}
	}
	for k, n := range r.l.schema.Numbers {
		if m.Numbers[k], _, err = r.number(n, columns, i); err != nil {
			return err
		}
	}
	for k, n := range r.l.schema.Days {
		if m.Days[k], err = r.day(n, columns, i); err != nil {
			return err
		}
	}
	return nil
}

func (r *rowReader) text(name string, columns map[string]arrow.Array, i int) (string, error) {
	f, ok := r.forms[name]
	if !ok {
		return "", nil
	}
	if f.Is != "" {
		return f.Is, nil
	}
	c := columns[f.From]
	if c.IsNull(i) {
		return "", nil
	}
	return f.Text.Apply(textOf(c, i)), nil
}

func (r *rowReader) day(name string, columns map[string]arrow.Array, i int) (int32, error) {
	f, ok := r.forms[name]
	if !ok {
		return reconciliation.NoDate, nil
	}
	if f.Is != "" {
		return f.Date.Day(f.Is)
	}
	c := columns[f.From]
	if c.IsNull(i) {
		return reconciliation.NoDate, nil
	}
	switch c := c.(type) {
	case *array.Date32:
		return int32(c.Value(i)), nil
	case *array.Timestamp:
		t := c.DataType().(*arrow.TimestampType)
		at := c.Value(i).ToTime(t.Unit)
		if t.TimeZone == "" { // a clock's time, of no zone
			return reconciliation.DateForm{}.DayOf(at), nil
		}
		return f.Date.DayOf(at), nil
	case *array.String, *array.LargeString:
		d, err := f.Date.Day(textOf(c, i))
		if err != nil {
			return d, fmt.Errorf("column %s: %w", f.From, err)
		}
		return d, nil
	}
	return 0, fault.Usagef("column %s is %s, which is no date", f.From, c.DataType())
}

// number reads a number. blank is true where there is none.
func (r *rowReader) number(name string, columns map[string]arrow.Array, i int) (d money.Decimal, blank bool, err error) {
	f, ok := r.forms[name]
	switch {
	case !ok:
		return d, true, nil
	case f.Is != "":
		d, err = f.Style.Parse([]byte(f.Is))
	case f.Debit != "":
		var credit money.Decimal
		var noDebit, noCredit bool
		if d, noDebit, err = numberOf(f, columns[f.Debit], i); err != nil {
			return d, false, fmt.Errorf("column %s: %w", f.Debit, err)
		}
		if credit, noCredit, err = numberOf(f, columns[f.Credit], i); err != nil {
			return d, false, fmt.Errorf("column %s: %w", f.Credit, err)
		}
		blank = noDebit && noCredit
		d, err = credit.Sub(d)
	default:
		if d, blank, err = numberOf(f, columns[f.From], i); err != nil {
			return d, false, fmt.Errorf("column %s: %w", f.From, err)
		}
		if f.Indicator != "" && slices.Contains(f.DebitWhen, strings.TrimSpace(textOf(columns[f.Indicator], i))) {
			d = d.Neg()
		}
	}
	if f.Negate {
		d = d.Neg()
	}
	return d, blank, err
}
