package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// FieldIDKey is the Arrow field metadata key that holds a column's Iceberg field id, in decimal.
// Every schema that this package returns has it; files must be written with these ids.
const FieldIDKey = "PARQUET:field_id"

// propFields is the table property that keeps the Arrow metadata of columns (such as a currency),
// which Iceberg has no place for: a JSON object by field id.
const propFields = "millrace.fields"

// fieldConverter turns Arrow fields into Iceberg fields with ids from next.
type fieldConverter struct {
	table string
	next  func() int
}

func (c fieldConverter) field(path string, f arrow.Field) (iceberg.NestedField, error) {
	out := iceberg.NestedField{ID: c.next(), Name: f.Name, Required: !f.Nullable}
	var err error
	out.Type, err = c.typ(path, f.Type)
	return out, err
}

func (c fieldConverter) fields(path string, in []arrow.Field) ([]iceberg.NestedField, error) {
	out := make([]iceberg.NestedField, len(in))
	seen := make(map[string]bool, len(in))
	for i, f := range in {
		if f.Name == "" || seen[f.Name] {
			return nil, &SchemaError{Table: c.table, Column: join(path, f.Name), New: f.Type.String(), Reason: "column names must be unique and not empty"}
		}
		seen[f.Name] = true
		var err error
		if out[i], err = c.field(join(path, f.Name), f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// typ maps a type, refusing whatever Iceberg could hold only by changing values.
func (c fieldConverter) typ(path string, dt arrow.DataType) (iceberg.Type, error) {
	refuse := func(reason string) (iceberg.Type, error) {
		return nil, &SchemaError{Table: c.table, Column: path, New: dt.String(), Reason: reason}
	}
	switch dt := dt.(type) {
	case *arrow.BooleanType:
		return iceberg.PrimitiveTypes.Bool, nil
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Uint8Type, *arrow.Uint16Type:
		return iceberg.PrimitiveTypes.Int32, nil
	case *arrow.Int64Type, *arrow.Uint32Type:
		return iceberg.PrimitiveTypes.Int64, nil
	case *arrow.Uint64Type:
		return refuse("lake tables have no unsigned 64-bit type; use decimal(20,0)")
	case *arrow.Float32Type:
		return iceberg.PrimitiveTypes.Float32, nil
	case *arrow.Float64Type:
		return iceberg.PrimitiveTypes.Float64, nil
	case *arrow.Decimal32Type, *arrow.Decimal64Type, *arrow.Decimal128Type:
		d := dt.(arrow.DecimalType)
		if p, s := d.GetPrecision(), d.GetScale(); p < 1 || p > 38 || s < 0 || s > p {
			return refuse("decimals have a precision of 1 to 38 and a scale of 0 to the precision")
		}
		return iceberg.DecimalTypeOf(int(d.GetPrecision()), int(d.GetScale())), nil
	case *arrow.StringType, *arrow.LargeStringType, *arrow.StringViewType:
		return iceberg.PrimitiveTypes.String, nil
	case *arrow.BinaryType, *arrow.LargeBinaryType, *arrow.BinaryViewType:
		return iceberg.PrimitiveTypes.Binary, nil
	case *arrow.FixedSizeBinaryType:
		return iceberg.FixedTypeOf(dt.ByteWidth), nil
	case *arrow.Date32Type:
		return iceberg.PrimitiveTypes.Date, nil
	case *arrow.Time64Type:
		if dt.Unit != arrow.Microsecond {
			return refuse("times are kept in microseconds; use time64[us]")
		}
		return iceberg.PrimitiveTypes.Time, nil
	case *arrow.TimestampType:
		if dt.Unit != arrow.Microsecond {
			return refuse("timestamps are kept in microseconds; use timestamp[us]")
		}
		if dt.TimeZone == "" {
			return iceberg.PrimitiveTypes.Timestamp, nil
		}
		return iceberg.PrimitiveTypes.TimestampTz, nil
	case *arrow.DictionaryType:
		return c.typ(path, dt.ValueType)
	case *arrow.StructType, *arrow.MapType, *arrow.ListType, *arrow.LargeListType:
		return c.nested(path, dt)
	}
	return refuse("lake tables have no such type")
}

func (c fieldConverter) nested(path string, dt arrow.DataType) (iceberg.Type, error) {
	switch dt := dt.(type) {
	case *arrow.StructType:
		fields, err := c.fields(path, dt.Fields())
		return &iceberg.StructType{FieldList: fields}, err
	case *arrow.MapType:
		key, err := c.field(join(path, "key"), dt.KeyField())
		if err != nil {
			return nil, err
		}
		value, err := c.field(join(path, "value"), dt.ItemField())
		return &iceberg.MapType{KeyID: key.ID, KeyType: key.Type, ValueID: value.ID, ValueType: value.Type, ValueRequired: value.Required}, err
	}
	element, err := c.field(join(path, "element"), dt.(arrow.ListLikeType).ElemField())
	return &iceberg.ListType{ElementID: element.ID, Element: element.Type, ElementRequired: element.Required}, err
}

// newSchema converts the schema of a table that does not exist yet.
func newSchema(tableName string, s *arrow.Schema) (*iceberg.Schema, error) {
	if s == nil || s.NumFields() == 0 {
		return nil, &SchemaError{Table: tableName, Column: "*", Reason: "a table needs at least one column"}
	}
	last := 0
	fields, err := fieldConverter{tableName, func() int { last++; return last }}.fields("", s.Fields())
	if err != nil {
		return nil, err
	}
	return iceberg.NewSchema(0, fields...), nil
}

// arrowSchema converts a table's schema, with field ids and the columns' own metadata.
func arrowSchema(sc *iceberg.Schema, props iceberg.Properties) (*arrow.Schema, error) {
	s, err := table.SchemaToArrowSchemaWithOptions(sc, table.ArrowSchemaOptions{IncludeFieldIDs: true})
	if err != nil {
		return nil, fmt.Errorf("convert the table's schema to arrow: %w", err)
	}
	kept, err := fieldMetadata(props)
	if err != nil || len(kept) == 0 {
		return arrow.NewSchema(s.Fields(), nil), err
	}
	fields := s.Fields()
	for i, f := range fields {
		id, _ := fieldID(f)
		m := f.Metadata.ToMap()
		maps.Copy(m, kept[id])
		fields[i].Metadata = arrow.MetadataFrom(m)
	}
	return arrow.NewSchema(fields, nil), nil
}

func fieldMetadata(props iceberg.Properties) (map[int]map[string]string, error) {
	text := props[propFields]
	if text == "" {
		return nil, nil
	}
	kept := map[int]map[string]string{}
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return nil, fmt.Errorf("table property %s: %w", propFields, err)
	}
	return kept, nil
}

// withFieldMetadata adds the metadata of top-level columns to the property that keeps it; ok is false if there is none to add.
func withFieldMetadata(props iceberg.Properties, sc *iceberg.Schema, s *arrow.Schema) (text string, ok bool, err error) {
	kept, err := fieldMetadata(props)
	if err != nil {
		return "", false, err
	}
	if kept == nil {
		kept = map[int]map[string]string{}
	}
	for _, f := range s.Fields() {
		m := f.Metadata.ToMap()
		delete(m, FieldIDKey)
		col, found := sc.FindFieldByName(f.Name)
		if len(m) == 0 || !found || kept[col.ID] != nil {
			continue
		}
		kept[col.ID] = m
		ok = true
	}
	if !ok {
		return "", false, nil
	}
	b, err := json.Marshal(kept)
	return string(b), true, err
}

// fieldID reads a column's field id.
func fieldID(f arrow.Field) (int, bool) {
	text, ok := f.Metadata.GetValue(FieldIDKey)
	if !ok {
		return 0, false
	}
	id, err := strconv.Atoi(text)
	return id, err == nil
}
