package mirror

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/columns"
)

// schemaIn is the schema of the rows that stay: the columns of all batches, each as wide as its widest.
// A column of the table counts as nullable only where a row that stays has a null, whatever the batches
// say: deletes have nulls everywhere and are not written. nil if there are no rows.
func (e *epoch) schemaIn() (*arrow.Schema, error) {
	if e.rowsThatStay() == 0 {
		return nil, nil
	}
	var fields []arrow.Field
	at := map[string]int{}
	for _, b := range e.events.batches {
		for _, f := range b.Row.Schema().Fields() {
			i, ok := at[f.Name]
			if !ok {
				at[f.Name] = len(fields)
				fields = append(fields, arrow.Field{Name: f.Name, Type: f.Type, Metadata: f.Metadata})
				continue
			}
			w := columns.Widen(fields[i].Type, f.Type)
			if w == nil {
				return nil, &catalog.SchemaError{Table: e.m.name, Column: f.Name, Old: fields[i].Type.String(), New: f.Type.String(),
					Reason: "one epoch has both types and no column can hold both"}
			}
			fields[i].Type = w
		}
	}
	for i := range fields {
		fields[i].Nullable = e.nullable(fields[i].Name)
	}
	return arrow.NewSchema(fields, nil), nil
}

// nullable reports whether a column is to be nullable: it is new or is so already, or some row that stays lacks it.
func (e *epoch) nullable(name string) bool {
	t := columns.Index(e.m.spec.Schema, name)
	if t < 0 || e.m.spec.Schema.Field(t).Nullable {
		return true
	}
	for i, b := range e.events.batches {
		c := columns.Index(b.Row.Schema(), name)
		if c >= 0 && b.Row.Column(c).NullN() == 0 {
			continue
		}
		for r := range b.Rows() {
			if e.stays(i, r) && (c < 0 || b.Row.Column(c).IsNull(r)) {
				return true
			}
		}
	}
	return false
}

// conformBatch gives a batch's rows the table's columns, with nulls where it lacks one. Columns that the
// table does not take (the policy "ignore") are left out.
func conformBatch(table string, schema *arrow.Schema, rec arrow.RecordBatch, nulls *columns.Nulls) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, schema.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for _, f := range schema.Fields() {
		at := columns.Index(rec.Schema(), f.Name)
		if at < 0 {
			cols = append(cols, nulls.Column(f.Type, int(rec.NumRows())))
			continue
		}
		c, err := columns.Conform(rec.Column(at), f.Type)
		if err != nil {
			return nil, &catalog.SchemaError{Table: table, Column: f.Name, Old: f.Type.String(), New: rec.Column(at).DataType().String(),
				Reason: "no column can hold both; write the new data to another column or table"}
		}
		cols = append(cols, c)
	}
	return array.NewRecordBatch(schema, cols, rec.NumRows()), nil
}

// keyColumns picks the key's columns out of a batch of the table's schema.
func keyColumns(rec arrow.RecordBatch, key []string) []arrow.Array {
	out := make([]arrow.Array, len(key))
	for i, k := range key {
		out[i] = rec.Column(columns.Index(rec.Schema(), k))
	}
	return out
}

// withoutNulls views a column whose nulls belong to rows that do not matter.
func withoutNulls(col arrow.Array) arrow.Array {
	d := col.Data()
	bufs := slices.Clone(d.Buffers())
	bufs[0] = nil
	data := array.NewData(d.DataType(), d.Len(), bufs, nil, 0, d.Offset())
	defer data.Release()
	return array.MakeFromData(data)
}
