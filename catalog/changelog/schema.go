package changelog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
)

// Names of the log.
const (
	Suffix       = "_changes" // added to a table's name
	BeforePrefix = "_before_" // added to a value column's name
)

// The event's own columns, in this order at the front of each log.
const (
	ColOp          = "_op"           // utf8: r, c, u, d or t
	ColCommittedAt = "_committed_at" // timestamptz, microseconds: the source's commit time
	ColTx          = "_tx"           // utf8, null where unknown: the source transaction's id
	ColTxOrder     = "_tx_order"     // int64, null where unknown: the event's number in its transaction, from 1
	ColLSN         = "_lsn"          // int64, null where the source has none: orders the events of one source log
	ColShard       = "_shard"        // utf8: the shard of the stream
	ColOffset      = "_offset"       // int64: the position in the shard
)

const eventColumns = 7

// Timestamp is the type of the log's times: microseconds, UTC.
var Timestamp = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}

func eventFields() []arrow.Field {
	i64, str := arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String
	return []arrow.Field{
		{Name: ColOp, Type: str},
		{Name: ColCommittedAt, Type: Timestamp},
		{Name: ColTx, Type: str, Nullable: true},
		{Name: ColTxOrder, Type: i64, Nullable: true},
		{Name: ColLSN, Type: i64, Nullable: true},
		{Name: ColShard, Type: str},
		{Name: ColOffset, Type: i64},
	}
}

// Name is the log's name of a table: "ledger.entries" gives "ledger.entries_changes".
func Name(table string) string { return table + Suffix }

// Schema is the log's schema of a table with the given value columns. Field metadata (such as
// field ids) is left out: the log has ids of its own. A value column must not have the name of
// an event column nor begin with the before prefix (fault.Usage).
func Schema(values *arrow.Schema) (*arrow.Schema, error) {
	fields := eventFields()
	own := make(map[string]bool, eventColumns)
	for _, f := range fields {
		own[f.Name] = true
	}
	n := values.NumFields()
	fields = append(fields, make([]arrow.Field, 2*n)...)
	for i, f := range values.Fields() {
		if own[f.Name] || strings.HasPrefix(f.Name, BeforePrefix) {
			return nil, fault.Usagef("column %q: the name belongs to the change log; rename the column or leave it out of the stream", f.Name)
		}
		fields[eventColumns+i] = arrow.Field{Name: f.Name, Type: f.Type, Nullable: true}
		fields[eventColumns+n+i] = arrow.Field{Name: BeforePrefix + f.Name, Type: f.Type, Nullable: true}
	}
	return arrow.NewSchema(fields, nil), nil
}

// SpecFor derives the layout of a table's log from the table's own: unpartitioned, sorted by
// shard and offset, with the table's properties that are about content (see [ControlProperty]).
func SpecFor(table catalog.TableSpec) (catalog.TableSpec, error) {
	schema, err := Schema(table.Schema)
	if err != nil {
		return catalog.TableSpec{}, fmt.Errorf("change log of %s: %w", table.Name, err)
	}
	spec := catalog.TableSpec{
		Name:   Name(table.Name),
		Schema: schema,
		Kind:   catalog.ChangeLog,
		SortBy: []string{ColShard, ColOffset},
	}
	if c, ok := table.Properties[ControlProperty]; ok {
		spec.Properties = map[string]string{ControlProperty: c}
	}
	return spec, nil
}

// Grow widens a table's value columns so that they hold the rows of the batches: new columns are
// added as nullable, and a column becomes as wide as its widest (see catalog.Evolve). It returns values itself
// where they hold them already. A column that no type can hold is a *catalog.SchemaError.
func Grow(table string, values *arrow.Schema, batches []*source.Batch) (*arrow.Schema, error) {
	fields, changed := slices.Clone(values.Fields()), false
	for _, b := range batches {
		for _, f := range b.Row.Schema().Fields() {
			at := slices.IndexFunc(fields, func(have arrow.Field) bool { return have.Name == f.Name })
			if at < 0 {
				f.Nullable, changed = true, true
				fields = append(fields, f)
				continue
			}
			w := columns.Widen(fields[at].Type, f.Type)
			if w == nil {
				return nil, &catalog.SchemaError{Table: table, Column: f.Name, Old: fields[at].Type.String(), New: f.Type.String(),
					Reason: "no column can hold both; write the new data to another column or table"}
			}
			if !arrow.TypeEqual(w, fields[at].Type) {
				fields[at].Type, changed = w, true
			}
		}
	}
	if !changed {
		return values, nil
	}
	return arrow.NewSchema(fields, nil), nil
}
