package dataset

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/fault"
)

// conform gives a batch the schema that was promised for it, taking over the
// reference. Types may differ in what does not change a value: a decimal's
// precision where it grows, the spelling of UTC. A column that was promised without nulls must have none.
func conform(b arrow.RecordBatch, want *arrow.Schema) (arrow.RecordBatch, error) {
	if b.Schema() == want {
		return b, nil
	}
	defer b.Release()
	if int(b.NumCols()) != want.NumFields() {
		return nil, fmt.Errorf("a batch has %d columns %v, want %d: %v", b.NumCols(), fieldNames(b.Schema()), want.NumFields(), fieldNames(want))
	}
	cols := make([]arrow.Array, want.NumFields())
	for i, f := range want.Fields() {
		have := b.Schema().Field(i)
		if have.Name != f.Name || !compatible(have.Type, f.Type) {
			return nil, fmt.Errorf("column %d of a batch is %s %s, want %s %s", i+1, have.Name, have.Type, f.Name, f.Type)
		}
		col := b.Column(i)
		if !f.Nullable && col.NullN() > 0 {
			return nil, fmt.Errorf("column %s holds a null, but is declared without nulls: %s", f.Name, nullHelp)
		}
		if !arrow.TypeEqual(col.DataType(), f.Type) {
			col = retyped(col, f.Type)
			defer col.Release()
		}
		cols[i] = col
	}
	return array.NewRecordBatch(want, cols, b.NumRows()), nil
}

const nullHelp = "declare it nullable (in a struct: make the field a pointer)"

// retyped is the same data under another type.
func retyped(col arrow.Array, t arrow.DataType) arrow.Array {
	d := col.Data()
	data := array.NewData(t, d.Len(), d.Buffers(), d.Children(), d.NullN(), d.Offset())
	defer data.Release()
	return array.MakeFromData(data)
}

// compatible reports whether values of type have are values of type want bit by bit.
func compatible(have, want arrow.DataType) bool {
	if arrow.TypeEqual(have, want) {
		return true
	}
	switch w := want.(type) {
	case *arrow.Decimal128Type:
		h, ok := have.(*arrow.Decimal128Type)
		return ok && h.Scale == w.Scale && h.Precision <= w.Precision
	case *arrow.TimestampType:
		h, ok := have.(*arrow.TimestampType)
		return ok && h.Unit == w.Unit && isUTC(h.TimeZone) && isUTC(w.TimeZone)
	}
	return false
}

func isUTC(zone string) bool {
	switch zone {
	case "UTC", "Etc/UTC", "+00:00", "Z":
		return true
	}
	return false
}

// checkSchema compares what a scan reads with what the author's type says, before any row is read.
func checkSchema(have, want *arrow.Schema) error {
	if have.NumFields() != want.NumFields() {
		return fault.Usagef("it has the columns %v, the pipeline wants %v", fieldNames(have), fieldNames(want))
	}
	for i, f := range want.Fields() {
		h := have.Field(i)
		if h.Name != f.Name {
			return fault.Usagef("column %d is %s, the pipeline wants %s", i+1, h.Name, f.Name)
		}
		if !compatible(h.Type, f.Type) {
			return fault.Usagef("column %s is %s, the pipeline wants %s", f.Name, h.Type, f.Type)
		}
	}
	return nil
}

// relabelled gives a batch a schema of equal types, taking over the reference.
func relabelled(b arrow.RecordBatch, schema *arrow.Schema) arrow.RecordBatch {
	if b.Schema() == schema {
		return b
	}
	defer b.Release()
	return array.NewRecordBatch(schema, b.Columns(), b.NumRows())
}
