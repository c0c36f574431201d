package catalog

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/sdk/fault"
)

// SchemaPolicy says what happens when new data does not have the table's schema.
// It is kept in the table property millrace.schema-policy.
type SchemaPolicy string

// The policies. Data that is only narrower than the table (int in a long column,
// a smaller precision, a required column in an optional one) fits under each of them.
const (
	// Evolve adopts compatible changes: a new column (as optional), int to long, float to double,
	// a larger decimal precision at the same scale, required to optional, a column that is gone
	// (which becomes optional). Others are refused. This is the default.
	Evolve SchemaPolicy = "evolve"
	// Fail refuses every change.
	Fail SchemaPolicy = "fail"
	// Ignore leaves new columns out and keeps the table as it is; whatever does not fit is refused.
	Ignore SchemaPolicy = "ignore"
)

// PropSchemaPolicy is the table property that holds the policy.
const PropSchemaPolicy = "millrace.schema-policy"

func policyOf(props iceberg.Properties) (SchemaPolicy, error) {
	switch p := SchemaPolicy(props.Get(PropSchemaPolicy, string(Evolve))); p {
	case Evolve, Fail, Ignore:
		return p, nil
	default:
		return "", fault.Usagef("table property %s is %q: use evolve, fail or ignore", PropSchemaPolicy, p)
	}
}

// merger folds the schema of new data into a table's.
type merger struct {
	fieldConverter
	policy  SchemaPolicy
	changed bool
}

// mergeSchema returns the table's schema as it must be to hold in's data, with new ids above the
// table's last, and whether that differs from the present one.
func mergeSchema(name string, m table.Metadata, in *arrow.Schema) (*iceberg.Schema, bool, error) {
	policy, err := policyOf(m.Properties())
	if err != nil {
		return nil, false, fmt.Errorf("table %s: %w", name, err)
	}
	last := m.LastColumnID()
	g := &merger{fieldConverter: fieldConverter{name, func() int { last++; return last }}, policy: policy}
	cur := m.CurrentSchema()
	fields, err := g.merge("", cur.Fields(), in.Fields())
	if err != nil {
		return nil, false, err
	}
	if !g.changed {
		return cur, false, nil
	}
	ids := make([]int, len(cur.IdentifierFieldIDs))
	copy(ids, cur.IdentifierFieldIDs)
	return iceberg.NewSchemaWithIdentifiers(nextSchemaID(m), ids, fields...), true, nil
}

func nextSchemaID(m table.Metadata) int {
	id := 0
	for _, s := range m.Schemas() {
		id = max(id, s.ID+1)
	}
	return id
}

func (g *merger) refuse(path, old, now, reason string) error {
	return &SchemaError{Table: g.table, Column: path, Old: old, New: now, Reason: reason}
}

func (g *merger) merge(path string, cur []iceberg.NestedField, in []arrow.Field) ([]iceberg.NestedField, error) {
	out := slices.Clone(cur)
	byName := make(map[string]arrow.Field, len(in))
	for _, f := range in {
		byName[f.Name] = f
	}
	if len(byName) != len(in) {
		return nil, g.refuse(join(path, "*"), "", "", "column names must be unique")
	}
	for i, old := range cur {
		p := join(path, old.Name)
		f, ok := byName[old.Name]
		delete(byName, old.Name)
		var err error
		if !ok {
			err = g.gone(p, &out[i])
		} else {
			err = g.both(p, &out[i], f)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, f := range in {
		if _, isNew := byName[f.Name]; !isNew || g.policy == Ignore {
			continue
		}
		p := join(path, f.Name)
		if g.policy == Fail {
			return nil, g.refuse(p, "", f.Type.String(), "the table's policy is fail: add the column on purpose, or set "+PropSchemaPolicy+" to evolve or ignore")
		}
		add, err := g.field(p, f)
		if err != nil {
			return nil, err
		}
		add.Required = false // rows that are there already have none
		out, g.changed = append(out, add), true
	}
	return out, nil
}

// gone handles a column that the new data lacks.
func (g *merger) gone(path string, f *iceberg.NestedField) error {
	switch {
	case g.policy == Fail:
		return g.refuse(path, f.Type.String(), "", "the table's policy is fail: the new data must have the column")
	case !f.Required:
		return nil
	case g.policy == Ignore:
		return g.refuse(path, f.Type.String(), "", "the column is required, and the policy ignore does not change it; set "+PropSchemaPolicy+" to evolve")
	}
	f.Required, g.changed = false, true
	return nil
}

// both handles a column that table and new data have.
func (g *merger) both(path string, f *iceberg.NestedField, in arrow.Field) error {
	if f.Required && in.Nullable {
		if g.policy != Evolve {
			return g.refuse(path, "required "+f.Type.String(), "nullable "+in.Type.String(), "the column may not be null; set "+PropSchemaPolicy+" to evolve")
		}
		f.Required, g.changed = false, true
	}
	t, err := g.types(path, f.Type, in.Type)
	f.Type = t
	return err
}

// types returns the type that holds the values of both.
func (g *merger) types(path string, cur iceberg.Type, in arrow.DataType) (iceberg.Type, error) {
	switch cur := cur.(type) {
	case *iceberg.StructType:
		if st, ok := in.(*arrow.StructType); ok {
			fields, err := g.merge(path, cur.FieldList, st.Fields())
			return &iceberg.StructType{FieldList: fields}, err
		}
	case *iceberg.ListType:
		if lt, ok := in.(arrow.ListLikeType); ok && in.ID() != arrow.MAP {
			el := cur.ElementField()
			err := g.both(join(path, "element"), &el, lt.ElemField())
			return &iceberg.ListType{ElementID: cur.ElementID, Element: el.Type, ElementRequired: el.Required}, err
		}
	case *iceberg.MapType:
		if mt, ok := in.(*arrow.MapType); ok {
			return g.maps(path, cur, mt)
		}
	default:
		return g.primitives(path, cur, in)
	}
	return nil, g.refuse(path, cur.String(), in.String(), "no column can hold both; write the new data to another column or table")
}

func (g *merger) maps(path string, cur *iceberg.MapType, in *arrow.MapType) (iceberg.Type, error) {
	key, value := cur.KeyField(), cur.ValueField()
	if err := g.both(join(path, "key"), &key, in.KeyField()); err != nil {
		return nil, err
	}
	err := g.both(join(path, "value"), &value, in.ItemField())
	return &iceberg.MapType{KeyID: cur.KeyID, KeyType: key.Type, ValueID: cur.ValueID, ValueType: value.Type, ValueRequired: value.Required}, err
}

func (g *merger) primitives(path string, cur iceberg.Type, in arrow.DataType) (iceberg.Type, error) {
	now, err := g.typ(path, in)
	if err != nil {
		return nil, err
	}
	if cur.Equals(now) || widens(now, cur) {
		return cur, nil
	}
	if !widens(cur, now) {
		return nil, g.refuse(path, cur.String(), now.String(), "no column can hold both; write the new data to another column or table")
	}
	if g.policy != Evolve {
		return nil, g.refuse(path, cur.String(), now.String(), "the column is too narrow; set "+PropSchemaPolicy+" to evolve")
	}
	g.changed = true
	return now, nil
}

// widens reports whether every value of from is a value of to, and Iceberg reads old files so.
func widens(from, to iceberg.Type) bool {
	switch f := from.(type) {
	case iceberg.Int32Type:
		return to.Equals(iceberg.PrimitiveTypes.Int64)
	case iceberg.Float32Type:
		return to.Equals(iceberg.PrimitiveTypes.Float64)
	case iceberg.DecimalType:
		t, ok := to.(iceberg.DecimalType)
		return ok && t.Scale() == f.Scale() && t.Precision() > f.Precision()
	}
	return false
}

// schemaChange is what a commit must do to a table's schema, if anything.
type schemaChange struct {
	schema  *iceberg.Schema // that new files have
	updates []table.Update
	reqs    []table.Requirement
}

// evolveFor plans the change that lets the table hold data of schema in. With checkIDs, columns
// of in that carry field ids must carry the ids that the table has or will have: otherwise the files
// were written for another schema, which is an ErrConflict.
func evolveFor(name string, m table.Metadata, in *arrow.Schema, checkIDs bool) (schemaChange, error) {
	sc, changed, err := mergeSchema(name, m, in)
	if err != nil {
		return schemaChange{}, err
	}
	if checkIDs {
		for _, f := range in.Fields() {
			id, has := fieldID(f)
			if col, ok := sc.FindFieldByName(f.Name); has && ok && col.ID != id {
				return schemaChange{}, fmt.Errorf("table %s, column %s: files have field id %d, the table %d: %w", name, f.Name, id, col.ID, ErrConflict)
			}
		}
	}
	out := schemaChange{schema: sc}
	if changed {
		out.updates = []table.Update{table.NewAddSchemaUpdate(sc), table.NewSetCurrentSchemaUpdate(-1)}
		out.reqs = []table.Requirement{table.AssertCurrentSchemaID(m.CurrentSchema().ID), table.AssertLastAssignedFieldID(m.LastColumnID())}
	}
	text, more, err := withFieldMetadata(m.Properties(), sc, in)
	if err != nil {
		return out, fmt.Errorf("table %s: %w", name, err)
	}
	if more {
		out.updates = append(out.updates, table.NewSetPropertiesUpdate(iceberg.Properties{propFields: text}))
	}
	return out, nil
}
