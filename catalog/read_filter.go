package catalog

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// withFilter gives the fields to read from files: the wanted ones, and behind them those that only the filter needs.
func withFilter(schema *arrow.Schema, opts ReadOptions) ([]arrow.Field, error) {
	fields := schema.Fields()
	if opts.Filter == nil {
		return fields, nil
	}
	all := schema
	if opts.Table != nil {
		all = opts.Table
	}
	bound, err := expr.Bind(opts.Filter, all)
	if err != nil {
		return nil, err
	}
	if k := bound.Type().Kind; k != expr.Bool && k != expr.Null {
		return nil, fault.Usagef("filter %s is a %s: it has to be a bool", opts.Filter, bound.Type())
	}
	for _, i := range bound.Columns() {
		f := all.Field(i)
		if columns.Index(schema, f.Name) < 0 {
			fields = append(fields, f)
		}
	}
	return fields, nil
}

// fileFilter decides on the rows of one file. Text columns that the file holds as dictionaries are decided on as such.
type fileFilter struct {
	fields []arrow.Field // to read
	used   []int         // of fields, those that the filter looks at
	bound  *expr.Bound   // over the used fields
	chosen *expr.Selection
}

// newFileFilter binds the filter to a file.
func newFileFilter(e expr.Expr, fields []arrow.Field, pf *parquetfile.File, groups []int) (*fileFilter, error) {
	f := &fileFilter{fields: slices.Clone(fields)}
	whole, err := expr.Bind(e, arrow.NewSchema(fields, nil))
	if err != nil {
		return nil, err
	}
	f.used = whole.Columns()
	sub := make([]arrow.Field, len(f.used))
	for k, i := range f.used {
		if t := fields[i].Type; t.ID() == arrow.STRING && pf.Indexed(nameIn(pf, fields[i]), groups) {
			f.fields[i].Type = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: t}
		}
		sub[k] = f.fields[i]
	}
	f.bound, err = expr.Bind(e, arrow.NewSchema(sub, nil))
	return f, err
}

// nameIn is the name that a column has in a file, which a renamed one keeps.
func nameIn(pf *parquetfile.File, f arrow.Field) string {
	id, ok := fieldID(f)
	for _, have := range pf.Schema().Fields() {
		if i, has := fieldID(have); ok && has && i == id || (!ok || !has) && have.Name == f.Name {
			return have.Name
		}
	}
	return ""
}

// where has the filter decided while the file is read.
func (f *fileFilter) where() *parquetfile.Where {
	return &parquetfile.Where{Columns: f.used, Keep: func(rec arrow.RecordBatch) (bool, error) {
		var err error
		f.chosen, err = f.bound.Select(rec)
		return err == nil && f.chosen.Count() > 0, err
	}}
}

// apply leaves the rows that were not chosen, or are deleted, out of the batch that was decided on last, which begins at a row
// of its file. It takes the batch over; the result is nil if nothing is left.
func (f *fileFilter) apply(rec arrow.RecordBatch, from int64, deleted []int64) (arrow.RecordBatch, error) {
	lo, _ := slices.BinarySearch(deleted, from)
	hi, _ := slices.BinarySearch(deleted, from+rec.NumRows())
	if lo == hi {
		if int64(f.chosen.Count()) == rec.NumRows() {
			return rec, nil
		}
		defer rec.Release()
		return f.chosen.Apply(rec)
	}
	defer rec.Release()
	var refs []columns.Ref
	gone := deleted[lo:hi]
	f.chosen.Rows(func(i int) bool {
		for len(gone) > 0 && gone[0] < from+int64(i) {
			gone = gone[1:]
		}
		if len(gone) == 0 || gone[0] != from+int64(i) {
			refs = append(refs, columns.Ref{Row: uint32(i)})
		}
		return true
	})
	if len(refs) == 0 {
		return nil, nil
	}
	return columns.Gather(rec.Schema(), []arrow.RecordBatch{rec}, refs)
}

// outward gives a batch the schema that was asked for: without the columns that only the filter needed, and with texts
// where dictionaries were not wanted. It takes the batch over.
func outward(rec arrow.RecordBatch, schema *arrow.Schema) arrow.RecordBatch {
	defer rec.Release()
	cols := make([]arrow.Array, schema.NumFields())
	for i := range cols {
		c := rec.Column(i)
		if d, ok := c.(*array.Dictionary); ok && schema.Field(i).Type.ID() != arrow.DICTIONARY {
			cols[i] = decodeDictionary(d)
			defer cols[i].Release()
			continue
		}
		cols[i] = c
	}
	return array.NewRecordBatch(schema, cols, rec.NumRows())
}

// groupsFor leaves out the row groups in which, by the file's statistics, no row is true under the filter.
func groupsFor(bound *expr.Bound, fields []arrow.Field, pf *parquetfile.File, groups []int) []int {
	if groups == nil {
		for i := range pf.RowGroups() {
			groups = append(groups, i)
		}
	}
	rows := pf.RowGroups()
	out := []int{}
	for _, g := range groups {
		if g >= 0 && g < len(rows) {
			stats := pf.Columns(g)
			verdict := bound.Prune(func(column string) (expr.Stats, bool) { return groupStats(column, fields, pf, stats, rows[g].Rows) })
			if verdict == expr.Never {
				continue
			}
		}
		out = append(out, g)
	}
	return out
}

// groupStats finds a column's statistics in a row group. A column that the file lacks is null throughout.
func groupStats(column string, fields []arrow.Field, pf *parquetfile.File, stats []parquetfile.ColumnStats, rows int64) (expr.Stats, bool) {
	i := slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == column })
	if i < 0 {
		return expr.Stats{}, false
	}
	name := nameIn(pf, fields[i])
	if name == "" {
		return expr.Stats{Nulls: rows, Rows: rows}, true
	}
	at := pf.Schema().FieldIndices(name)
	for _, s := range stats {
		if s.Name == name && len(at) == 1 {
			t := pf.Schema().Field(at[0]).Type
			return expr.Stats{Min: boundValue(t, s.Min), Max: boundValue(t, s.Max), Nulls: s.Nulls, Rows: rows}, true
		}
	}
	return expr.Stats{}, false
}

// boundValue is a bound of a file's statistics in the form that expressions compare; nil if it has none.
func boundValue(t arrow.DataType, v any) any {
	switch t := t.(type) {
	case *arrow.Date32Type:
		if d, ok := v.(int64); ok {
			return expr.Day(d)
		}
		return nil
	case *arrow.TimestampType:
		if n, ok := v.(int64); ok {
			return arrow.Timestamp(n).ToTime(t.Unit)
		}
		return nil
	case arrow.DecimalType:
		n, ok := v.(decimal128.Num)
		if !ok {
			return nil
		}
		d, err := money.NewFromInt128(money.Int128{Lo: n.LowBits(), Hi: n.HighBits()}, int(t.GetScale()))
		if err != nil {
			return nil
		}
		return d
	case *arrow.Time32Type, *arrow.Time64Type:
		return nil
	}
	return v
}
