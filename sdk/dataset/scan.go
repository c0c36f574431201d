package dataset

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/record"
)

// ScanOption alters Scan and ScanTable.
type ScanOption func(*scanSettings)

type scanSettings struct {
	columns []string
	at      At
}

// Columns reads only the named columns, in this order; default: those of the row type, or of the
// table. A chain reads no more of them than it uses in any case.
func Columns(names ...string) ScanOption { return func(s *scanSettings) { s.columns = names } }

// AtCut reads the state after the commit with that number.
func AtCut(cut int64) ScanOption { return func(s *scanSettings) { s.at = At{Cut: cut} } }

// AtSnapshot reads a snapshot of the table.
func AtSnapshot(id int64) ScanOption { return func(s *scanSettings) { s.at = At{Snapshot: id} } }

// AtTag reads the state that a tag names.
func AtTag(tag string) ScanOption { return func(s *scanSettings) { s.at = At{Tag: tag} } }

// AtBusinessDate reads the state at the end of a business date.
func AtBusinessDate(day time.Time) ScanOption {
	return func(s *scanSettings) { s.at = At{BusinessDate: day} }
}

// AtTime reads the last state committed at or before t.
func AtTime(t time.Time) ScanOption { return func(s *scanSettings) { s.at = At{Time: t} } }

// AtPosition reads the state that holds the change stream up to a position.
func AtPosition(p change.Position) ScanOption {
	return func(s *scanSettings) { s.at = At{Position: &p} }
}

// Scan reads a table of a lake as rows of type T: its columns are T's fields (see
// package record), which the table must have with the same types; a column
// that may be null in the table may be a plain field in T, and a null that is read then fails the run.
//
// All scans of a run read one consistent state of the lake, the latest when the run starts, unless an option says otherwise.
func Scan[T any](s beam.Scope, lk Lake, table string, opts ...ScanOption) Dataset {
	schema, err := record.SchemaOf[T]()
	if err != nil {
		n := &node{kind: nodeScan}
		return n.fail("scan %s: %w", table, err)
	}
	return scanTable(lk, table, schema, opts)
}

// ScanTable reads a table of a lake as it is. The schema is asked for when the pipeline is built.
func ScanTable(ctx context.Context, _ beam.Scope, lk Lake, table string, opts ...ScanOption) Dataset {
	info, err := lk.DatasetTables().Describe(ctx, table)
	if err != nil {
		n := &node{kind: nodeScan}
		return n.fail("scan %s: %w", table, err)
	}
	d := scanTable(lk, table, info.Schema, opts)
	d.n.described = &info
	return d
}

func scanTable(lk Lake, table string, schema *arrow.Schema, opts []ScanOption) Dataset {
	set := scanSettings{}
	for _, o := range opts {
		o(&set)
	}
	n := &node{kind: nodeScan, schema: schema}
	if set.columns != nil {
		fields := make([]arrow.Field, len(set.columns))
		for i, name := range set.columns {
			at := schema.FieldIndices(name)
			if len(at) != 1 {
				return n.fail("scan %s: there is no column %q: the columns are %s", table, name, strings.Join(fieldNames(schema), ", "))
			}
			fields[i] = schema.Field(at[0])
		}
		n.schema = arrow.NewSchema(fields, nil)
	}
	n.tables = lk.DatasetTables()
	ref := n.tables.Ref()
	n.scan = &scanSpec{Ref: ref, Table: table, At: set.at, live: handle{handleKey{"tables", ref}, n.tables}}
	return Dataset{n}
}

// Read makes a dataset of a reader: files, generated rows, anything that is no
// table. It is what connectors build their own Read on, as in parquetio.Read.
func Read(_ beam.Scope, r Reader) Dataset {
	n := &node{kind: nodeScan, schema: r.Schema()}
	if n.schema == nil {
		return n.fail("read %s: the reader has no schema", r.Ref().Kind)
	}
	ref := r.Ref()
	n.scan = &scanSpec{Ref: ref, live: handle{handleKey{"reader", ref}, r}}
	return Dataset{n}
}

// described is a message's name of a scan.
func (s *scanSpec) name() string {
	if s.Table != "" {
		return s.Table
	}
	return fmt.Sprintf("%s reader", s.Ref.Kind)
}
