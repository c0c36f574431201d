package arrow15

import (
	v18 "github.com/apache/arrow-go/v18/arrow"
	array18 "github.com/apache/arrow-go/v18/arrow/array"
	v15 "github.com/apache/arrow/go/v15/arrow"
	array15 "github.com/apache/arrow/go/v15/arrow/array"

	"github.com/millrace/millrace/sdk/fault"
)

// ToV15 is the batch rec for code that uses arrow/go/v15, over the same memory. Release it when done.
// It fails with ErrUnsupported.
func ToV15(rec v18.RecordBatch) (v15.Record, error) {
	schema, err := SchemaToV15(rec.Schema())
	if err != nil {
		return nil, err
	}
	cols := make([]v15.Array, rec.NumCols())
	for i, c := range rec.Columns() {
		data := data15(c.Data(), schema.Field(i).Type)
		cols[i] = array15.MakeFromData(data)
		data.Release()
	}
	out := array15.NewRecord(schema, cols, rec.NumRows())
	for _, c := range cols {
		c.Release()
	}
	return out, nil
}

// SchemaToV15 is the schema s for code that uses arrow/go/v15. It fails with ErrUnsupported.
func SchemaToV15(s *v18.Schema) (*v15.Schema, error) {
	fields := make([]v15.Field, s.NumFields())
	for i := range fields {
		f, err := field15(s.Field(i))
		if err != nil {
			return nil, fault.Usagef("column %s: %w", s.Field(i).Name, err)
		}
		fields[i] = f
	}
	meta := metadata15(s.Metadata())
	return v15.NewSchemaWithEndian(fields, &meta, order15(s)), nil
}

// FromV15 is the batch rec, made by code that uses arrow/go/v15, over the same memory. Release it
// when done. It fails with ErrUnsupported.
func FromV15(rec v15.Record) (v18.RecordBatch, error) {
	schema, err := SchemaFromV15(rec.Schema())
	if err != nil {
		return nil, err
	}
	cols := make([]v18.Array, rec.NumCols())
	for i, c := range rec.Columns() {
		data := data18(c.Data(), schema.Field(i).Type)
		cols[i] = array18.MakeFromData(data)
		data.Release()
	}
	out := array18.NewRecordBatch(schema, cols, rec.NumRows())
	for _, c := range cols {
		c.Release()
	}
	return out, nil
}

// SchemaFromV15 is the schema s, made by code that uses arrow/go/v15. It fails with ErrUnsupported.
func SchemaFromV15(s *v15.Schema) (*v18.Schema, error) {
	fields := make([]v18.Field, s.NumFields())
	for i := range fields {
		f, err := field18(s.Field(i))
		if err != nil {
			return nil, fault.Usagef("column %s: %w", s.Field(i).Name, err)
		}
		fields[i] = f
	}
	meta := metadata18(s.Metadata())
	return v18.NewSchemaWithEndian(fields, &meta, order18(s)), nil
}
