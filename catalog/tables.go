package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/sdk/fault"
)

// Table properties of this package's own.
const (
	PropKind = "millrace.kind" // the TableKind
	PropKey  = "millrace.key"  // the key columns, separated by commas
)

// newTable is what a catalog needs to create a table.
type newTable struct {
	schema     *iceberg.Schema
	partition  *iceberg.PartitionSpec
	order      table.SortOrder
	properties iceberg.Properties
}

// defaultProperties are those of every new table. Other engines obey them too.
func defaultProperties() iceberg.Properties {
	return iceberg.Properties{
		table.PropertyFormatVersion:               "2",
		table.MetadataCompressionKey:              table.MetadataCompressionCodecGzip,
		table.ManifestMergeEnabledKey:             "true",
		table.MetadataPreviousVersionsMaxKey:      "20",
		table.MetadataDeleteAfterCommitEnabledKey: "true",
		table.WriteDeleteModeKey:                  "merge-on-read",
		"write.update.mode":                       "merge-on-read",
		"write.merge.mode":                        "merge-on-read",
	}
}

// EnsureTable makes the table, and its namespace, where there is none. An existing table is
// evolved by its schema policy to hold data of spec.Schema; a SchemaError says what is refused.
// The other fields of spec (layout, key, properties) have no effect on an existing table.
func (l *Lake) EnsureTable(ctx context.Context, spec TableSpec) error {
	made, err := spec.build()
	if err != nil {
		return err
	}
	for {
		st, err := l.backend.read(ctx)
		if err != nil {
			return fmt.Errorf("ensure table %s: %w", spec.Name, err)
		}
		if _, ok := st.heads[spec.Name]; ok {
			return l.evolveTable(ctx, spec)
		}
		namespace, _ := splitName(spec.Name)
		if err := l.backend.createNamespace(ctx, namespace); err != nil {
			return fmt.Errorf("ensure table %s: %w", spec.Name, err)
		}
		err = l.backend.create(ctx, spec.Name, made)
		if err == nil {
			l.cfg.Logger.DebugContext(ctx, "table made", "table", spec.Name)
			return nil
		}
		if !errors.Is(err, errExists) { // else somebody was faster: evolve that one
			return err
		}
	}
}

func (l *Lake) evolveTable(ctx context.Context, spec TableSpec) error {
	return l.UpdateTables(ctx, []string{spec.Name}, func(name string, m table.Metadata) ([]table.Update, []table.Requirement, error) {
		ch, err := evolveFor(name, m, spec.Schema, false)
		return ch.updates, ch.reqs, err
	})
}

// Validate reports everything that is wrong with the spec, as one fault.Usage (or a SchemaError).
func (s TableSpec) Validate() error {
	_, err := s.build()
	return err
}

func (s TableSpec) build() (newTable, error) {
	if err := checkTableName(s.Name); err != nil {
		return newTable{}, err
	}
	sc, err := newSchema(s.Name, s.Schema)
	if err != nil {
		return newTable{}, err
	}
	if err := s.check(sc); err != nil {
		return newTable{}, fault.Mark(fault.Usage, fmt.Errorf("table %s: %w", s.Name, err))
	}
	out := newTable{schema: sc, order: table.UnsortedSortOrder, properties: defaultProperties()}
	if s.BucketBy != "" {
		col, _ := sc.FindFieldByName(s.BucketBy)
		p := iceberg.NewPartitionSpec(iceberg.PartitionField{
			SourceIDs: []int{col.ID}, FieldID: 1000, Name: s.BucketBy + "_bucket",
			Transform: iceberg.BucketTransform{NumBuckets: s.Buckets},
		})
		out.partition = &p
	}
	if len(s.SortBy) > 0 {
		if out.order, err = sortOrder(sc, s.SortBy); err != nil {
			return newTable{}, fault.Usagef("table %s: sort order: %w", s.Name, err)
		}
	}
	text, ok, err := withFieldMetadata(nil, sc, s.Schema)
	if err != nil {
		return newTable{}, fmt.Errorf("table %s: %w", s.Name, err)
	}
	if ok {
		out.properties[propFields] = text
	}
	kind := s.Kind
	if kind == "" {
		kind = Plain
	}
	out.properties[PropKind] = string(kind)
	if len(s.Key) > 0 {
		out.properties[PropKey] = strings.Join(s.Key, ",")
	}
	maps.Copy(out.properties, s.Properties)
	return out, nil
}

func (s TableSpec) check(sc *iceberg.Schema) error {
	var errs []error
	need := func(what, column string) *iceberg.NestedField {
		f, ok := sc.FindFieldByName(column)
		if !ok {
			errs = append(errs, fmt.Errorf("%s column %q is not in the schema (columns are %s)", what, column, strings.Join(columnNames(sc), ", ")))
			return nil
		}
		return &f
	}
	for _, c := range s.Key {
		if f := need("key", c); f != nil && (!f.Required || strings.Contains(c, ",")) {
			errs = append(errs, fmt.Errorf("key column %q must not be nullable, nor have a comma in its name", c))
		}
	}
	if s.Kind == Mirror && len(s.Key) == 0 {
		errs = append(errs, errors.New("a mirror needs key columns"))
	}
	if !slices.Contains([]TableKind{"", Plain, ChangeLog, Mirror, DeadLetter}, s.Kind) {
		errs = append(errs, fmt.Errorf("unknown kind %q", s.Kind))
	}
	if s.BucketBy != "" {
		f := need("bucket", s.BucketBy)
		if s.Buckets < 1 || s.Buckets > 65536 {
			errs = append(errs, fmt.Errorf("%d buckets: use 1 to 65536", s.Buckets))
		} else if f != nil && !(iceberg.BucketTransform{NumBuckets: s.Buckets}).CanTransform(f.Type) {
			errs = append(errs, fmt.Errorf("bucket column %q has type %s, which cannot be hashed", s.BucketBy, f.Type))
		}
	} else if s.Buckets != 0 {
		errs = append(errs, fmt.Errorf("%d buckets without a column to bucket by", s.Buckets))
	}
	for _, c := range s.SortBy {
		need("sort", c)
	}
	if p := s.Properties[PropSchemaPolicy]; p != "" {
		if _, err := policyOf(s.Properties); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func columnNames(sc *iceberg.Schema) []string {
	names := make([]string, sc.NumFields())
	for i, f := range sc.Fields() {
		names[i] = f.Name
	}
	return names
}

func sortOrder(sc *iceberg.Schema, columns []string) (table.SortOrder, error) {
	fields := make([]table.SortField, len(columns))
	for i, c := range columns {
		f, _ := sc.FindFieldByName(c)
		fields[i] = table.SortField{SourceIDs: []int{f.ID}, Transform: iceberg.IdentityTransform{}, Direction: table.SortASC, NullOrder: table.NullsFirst}
	}
	return table.NewSortOrder(1, fields)
}

// layoutOf reads the bucket column, the number of buckets and the sort columns back from
// metadata. A table that another engine partitions in another way has no bucket column here.
func layoutOf(m table.Metadata, sc *iceberg.Schema) (bucketBy string, buckets int, sortBy []string) {
	spec := m.PartitionSpec()
	if spec.NumFields() == 1 {
		f := spec.Field(0)
		if b, ok := f.Transform.(iceberg.BucketTransform); ok && len(f.SourceIDs) == 1 {
			if name, found := sc.FindColumnName(f.SourceIDs[0]); found {
				bucketBy, buckets = name, b.NumBuckets
			}
		}
	}
	order := m.SortOrder()
	for _, f := range order.Fields() {
		name, found := sc.FindColumnName(f.SourceID())
		if _, plain := f.Transform.(iceberg.IdentityTransform); !found || !plain || f.Direction != table.SortASC {
			return bucketBy, buckets, nil
		}
		sortBy = append(sortBy, name)
	}
	return bucketBy, buckets, sortBy
}

func specOf(name string, m table.Metadata, sc *iceberg.Schema) (TableSpec, error) {
	s := TableSpec{Name: name, Kind: TableKind(m.Properties().Get(PropKind, string(Plain))), Properties: maps.Clone(m.Properties())}
	if key := m.Properties()[PropKey]; key != "" {
		s.Key = strings.Split(key, ",")
	}
	s.BucketBy, s.Buckets, s.SortBy = layoutOf(m, sc)
	var err error
	s.Schema, err = arrowSchema(sc, m.Properties())
	return s, err
}
