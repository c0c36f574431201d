package catalog

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"pgregory.net/rapid"
)

func metadataOf(t interface{ Fatal(...any) }, s *arrow.Schema, policy SchemaPolicy) table.Metadata {
	sc, err := newSchema("t", s)
	if err != nil {
		t.Fatal(err)
	}
	m, err := table.NewMetadata(sc, nil, table.UnsortedSortOrder, "file:///t", iceberg.Properties{PropSchemaPolicy: string(policy)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func column(name string, typ arrow.DataType, nullable bool) arrow.Field {
	return arrow.Field{Name: name, Type: typ, Nullable: nullable}
}

func schemaOfFields(fields ...arrow.Field) *arrow.Schema { return arrow.NewSchema(fields, nil) }

func TestMergeSchema(t *testing.T) {
	t.Parallel()
	i32, i64, str := arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String
	f32, f64 := arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64
	dec := func(p, s int32) arrow.DataType { return &arrow.Decimal128Type{Precision: p, Scale: s} }
	utc, local := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, &arrow.TimestampType{Unit: arrow.Microsecond}
	city := func(fields ...arrow.Field) arrow.DataType { return arrow.StructOf(fields...) }
	for name, c := range map[string]struct {
		table, data, want arrow.Field // want of no type: refused; of the table's: unchanged
	}{
		"int to long":          {column("a", i32, false), column("a", i64, false), column("a", i64, false)},
		"int in a long":        {column("a", i64, false), column("a", i32, false), column("a", i64, false)},
		"small int":            {column("a", i32, false), column("a", arrow.PrimitiveTypes.Int8, false), column("a", i32, false)},
		"float to double":      {column("a", f32, false), column("a", f64, false), column("a", f64, false)},
		"long to double":       {column("a", i64, false), column("a", f64, false), arrow.Field{}},
		"more precision":       {column("a", dec(10, 2), false), column("a", dec(12, 2), false), column("a", dec(12, 2), false)},
		"less precision":       {column("a", dec(12, 2), false), column("a", dec(10, 2), false), column("a", dec(12, 2), false)},
		"another scale":        {column("a", dec(12, 2), false), column("a", dec(12, 3), false), arrow.Field{}},
		"decimal to long":      {column("a", dec(12, 0), false), column("a", i64, false), arrow.Field{}},
		"required to optional": {column("a", str, false), column("a", str, true), column("a", str, true)},
		"optional stays so":    {column("a", str, true), column("a", str, false), column("a", str, true)},
		"zone lost":            {column("a", utc, false), column("a", local, false), arrow.Field{}},
		"another zone":         {column("a", utc, false), column("a", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "Europe/Prague"}, false), column("a", utc, false)},
		"text to binary":       {column("a", str, false), column("a", arrow.BinaryTypes.Binary, false), arrow.Field{}},
		"struct grows":         {column("a", city(column("x", i32, true)), true), column("a", city(column("x", i64, true), column("y", str, false)), true), column("a", city(column("x", i64, true), column("y", str, true)), true)},
		"struct to text":       {column("a", city(column("x", i32, true)), true), column("a", str, true), arrow.Field{}},
		"text to struct":       {column("a", str, true), column("a", city(column("x", i32, true)), true), arrow.Field{}},
		"list widens":          {column("a", arrow.ListOfNonNullable(i32), true), column("a", arrow.ListOf(i64), true), column("a", arrow.ListOf(i64), true)},
		"map widens":           {column("a", arrow.MapOf(str, i32), true), column("a", arrow.MapOf(str, i64), true), column("a", arrow.MapOf(str, i64), true)},
		"list to map":          {column("a", arrow.ListOf(i32), true), column("a", arrow.MapOf(str, i32), true), arrow.Field{}},
		"unsigned 64":          {column("a", i64, true), column("a", arrow.PrimitiveTypes.Uint64, true), arrow.Field{}},
	} {
		m := metadataOf(t, schemaOfFields(c.table), Evolve)
		ch, err := evolveFor("t", m, schemaOfFields(c.data), true)
		if c.want.Type == nil {
			var se *SchemaError
			if !errors.As(err, &se) || se.Column == "" || se.Reason == "" {
				t.Errorf("%s: %v, want a schema error", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		wanted := metadataOf(t, schemaOfFields(c.want), Evolve).CurrentSchema()
		if got := ch.schema.Fields(); len(got) != 1 || !got[0].Type.Equals(wanted.Fields()[0].Type) || got[0].Required != wanted.Fields()[0].Required {
			t.Errorf("%s: %v, want %v", name, ch.schema, wanted)
		}
	}
}

func TestUnstorableTypes(t *testing.T) {
	t.Parallel()
	for name, typ := range map[string]arrow.DataType{
		"uint64":           arrow.PrimitiveTypes.Uint64,
		"half float":       arrow.FixedWidthTypes.Float16,
		"milliseconds":     arrow.FixedWidthTypes.Timestamp_ms,
		"nanoseconds":      arrow.FixedWidthTypes.Timestamp_ns,
		"time in ms":       arrow.FixedWidthTypes.Time32ms,
		"negative scale":   &arrow.Decimal128Type{Precision: 5, Scale: -2},
		"too much scale":   &arrow.Decimal128Type{Precision: 5, Scale: 6},
		"null":             arrow.Null,
		"duration":         arrow.FixedWidthTypes.Duration_us,
		"in a struct":      arrow.StructOf(column("x", arrow.PrimitiveTypes.Uint64, true)),
		"twice the column": arrow.StructOf(column("x", arrow.PrimitiveTypes.Int64, true)),
	} {
		fields := []arrow.Field{column("ok", arrow.PrimitiveTypes.Int64, false), column("a", typ, true)}
		if name == "twice the column" {
			fields = append(fields, fields[0])
		}
		err := TableSpec{Name: "ledger.t", Schema: schemaOfFields(fields...)}.Validate()
		if !errors.Is(err, ErrSchema) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSpecFaults(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*TableSpec){
		"name":            func(s *TableSpec) { s.Name = "entries" },
		"name parts":      func(s *TableSpec) { s.Name = "ledger..entries" },
		"name with slash": func(s *TableSpec) { s.Name = "ledger.a/b" },
		"kind":            func(s *TableSpec) { s.Kind = "table" },
		"mirror's key":    func(s *TableSpec) { s.Key = nil },
		"key":             func(s *TableSpec) { s.Key = []string{"nosuch"} },
		"nullable key":    func(s *TableSpec) { s.Key = []string{"memo"} },
		"bucket column":   func(s *TableSpec) { s.BucketBy = "nosuch" },
		"no buckets":      func(s *TableSpec) { s.Buckets = 0 },
		"buckets alone":   func(s *TableSpec) { s.BucketBy = "" },
		"sort column":     func(s *TableSpec) { s.SortBy = []string{"nosuch"} },
		"policy":          func(s *TableSpec) { s.Properties = map[string]string{PropSchemaPolicy: "sometimes"} },
	} {
		s := entrySpec("ledger.entries")
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		spoil(&s)
		if err := s.Validate(); err == nil {
			t.Errorf("a wrong %s is accepted", name)
		}
	}
}

// TestEvolutionHoldsBoth: whatever two schemas the table meets in turn, if it accepts the second,
// it still holds the first, ids stay with their columns, and a second look changes nothing.
func TestEvolutionHoldsBoth(t *testing.T) {
	t.Parallel()
	types := []arrow.DataType{
		arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String,
		&arrow.Decimal128Type{Precision: 10, Scale: 2}, &arrow.Decimal128Type{Precision: 20, Scale: 2},
		arrow.StructOf(column("x", arrow.PrimitiveTypes.Int32, false)), arrow.StructOf(column("x", arrow.PrimitiveTypes.Int64, true), column("y", arrow.BinaryTypes.String, false)),
		arrow.ListOf(arrow.PrimitiveTypes.Int32), arrow.ListOf(arrow.PrimitiveTypes.Int64),
	}
	schemas := rapid.Custom(func(t *rapid.T) *arrow.Schema {
		var fields []arrow.Field
		for i, use := range rapid.SliceOfN(rapid.Bool(), 4, 4).Draw(t, "use") {
			if use || i == 0 {
				fields = append(fields, column(fmt.Sprint("c", i), rapid.SampledFrom(types).Draw(t, "type"), rapid.Bool().Draw(t, "nullable")))
			}
		}
		if rapid.Bool().Draw(t, "reverse") {
			slices.Reverse(fields)
		}
		return schemaOfFields(fields...)
	})
	rapid.Check(t, func(t *rapid.T) {
		first, second := schemas.Draw(t, "first"), schemas.Draw(t, "second")
		m := metadataOf(t, first, Evolve)
		before := m.CurrentSchema()
		ch, err := evolveFor("t", m, second, false)
		if err != nil {
			return
		}
		after, err := table.UpdateTableMetadata(m, ch.updates, "")
		if err != nil {
			t.Fatalf("the change cannot be applied: %v", err)
		}
		for _, old := range before.Fields() {
			if now, ok := after.CurrentSchema().FindFieldByID(old.ID); !ok || now.Name != old.Name {
				t.Fatalf("column %s lost its id", old.Name)
			}
		}
		for _, s := range []*arrow.Schema{second, first} {
			if again, err := evolveFor("t", after, s, false); err != nil || len(again.updates) > 0 && s == second {
				t.Fatalf("after %v, data of %v needs %v, %v", ch.schema, s, again.updates, err)
			}
		}
	})
}
