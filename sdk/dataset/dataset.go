package dataset

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
	"github.com/millrace/millrace/sdk/expr"
)

// Dataset is a lazy chain of operators over record batches of a known schema.
// It is immutable and may be used several times in one pipeline; the part of
// the chain after the last exchange is then computed each time. A Dataset belongs to one pipeline.
//
// A mistake in building a chain does not panic and is not returned: the dataset
// carries it (Err), everything built on it too, and [Prepare] reports it before anything runs.
type Dataset struct{ n *node }

// Rows is what operators take: a Dataset or a Grouped.
type Rows interface {
	node() *node
}

func (d Dataset) node() *node {
	if d.n == nil {
		return &node{err: errors.New("a dataset was used that no operator made")}
	}
	return d.n
}

// Schema is the schema of the rows; nil if Err is not nil.
func (d Dataset) Schema() *arrow.Schema {
	n := d.node()
	if n.err != nil {
		return nil
	}
	return n.schema
}

// Err is the first mistake that was made in building the dataset.
func (d Dataset) Err() error { return d.node().err }

type nodeKind int

const (
	nodeScan nodeKind = iota + 1
	nodeBeam
	nodeFilter
	nodeProject
	nodeMap
	nodeMapRows
	nodeUnion
	nodeSort
	nodeExchange
	nodeGroup
	nodeJoin
	nodeMapGroups
	nodeCoGroup
)

// node is a step of the logical plan.
type node struct {
	kind   nodeKind
	in     []*node
	schema *arrow.Schema
	err    error

	scan       *scanSpec
	tables     Tables // of a scan of a table
	described  *TableInfo
	staged     exchanged // of nodeBeam
	filter     expr.Expr
	items      []expr.Named
	fn         string // registered name
	config     string // of a made function
	within     []string
	by         []string
	partitions int
	group      *groupSpec
	join       *joinSpec
	joinPrefix string

	exchanges map[string]exchanged // built already, by what they are
}

// derived starts a node over inputs. It carries their first mistake.
func derived(kind nodeKind, in ...Rows) *node {
	n := &node{kind: kind, partitions: DefaultPartitions}
	for _, r := range in {
		i := r.node()
		n.in = append(n.in, i)
		if n.err == nil {
			n.err = i.err
		}
	}
	return n
}

// fail records a mistake.
func (n *node) fail(format string, args ...any) Dataset {
	if n.err == nil {
		n.err = fmt.Errorf(format, args...)
	}
	return Dataset{n}
}

// layout asks once for the scanned table's layout.
func (n *node) layout(ctx context.Context) (Layout, error) {
	if n.described == nil {
		info, err := n.tables.Describe(ctx, n.scan.Table)
		if err != nil {
			return Layout{}, fmt.Errorf("scan %s: %w", n.scan.Table, err)
		}
		n.described = &info
	}
	return n.described.Layout, nil
}

// Filter keeps the rows for which cond is true: not false, not null. Directly over a
// scan of a table it also spares reading files and row groups that hold no such row.
func Filter(_ beam.Scope, in Rows, cond expr.Expr) Dataset {
	n := derived(nodeFilter, in)
	if n.err != nil {
		return Dataset{n}
	}
	n.schema, n.filter = n.in[0].schema, cond
	if err := checkFilter(n.schema, cond); err != nil {
		return n.fail("filter: %w", err)
	}
	return Dataset{n}
}

// Item is one column of a projection.
type Item struct {
	name string
	expr expr.Expr
}

// Column keeps a column.
func Column(name string) Item { return Item{name, expr.Col(name)} }

// As names a computed column.
func As(name string, e expr.Expr) Item { return Item{name, e} }

// Project makes rows of the items, in their order.
func Project(_ beam.Scope, in Rows, items ...Item) Dataset {
	n := derived(nodeProject, in)
	if n.err != nil {
		return Dataset{n}
	}
	for _, it := range items {
		n.items = append(n.items, expr.Named{Name: it.name, Expr: it.expr})
	}
	schema, err := projectSchema(n.in[0].schema, n.items)
	if err != nil {
		return n.fail("project: %w", err)
	}
	n.schema = schema
	return Dataset{n}
}

// Select keeps the named columns, in this order.
func Select(s beam.Scope, in Rows, columns ...string) Dataset {
	items := make([]Item, len(columns))
	for i, c := range columns {
		items[i] = Column(c)
	}
	return Project(s, in, items...)
}

// Union is the rows of all inputs, which must have the same columns and types, in no
// order. A column is nullable if it is so in any of them.
func Union(_ beam.Scope, ins ...Rows) Dataset {
	n := derived(nodeUnion, ins...)
	if n.err != nil {
		return Dataset{n}
	}
	if len(ins) == 0 {
		return n.fail("union: no datasets given")
	}
	fields := slices.Clone(n.in[0].schema.Fields())
	for i, in := range n.in[1:] {
		if in.schema.NumFields() != len(fields) {
			return n.fail("union: dataset %d has %d columns, the first has %d", i+2, in.schema.NumFields(), len(fields))
		}
		for c, f := range in.schema.Fields() {
			if f.Name != fields[c].Name || !arrow.TypeEqual(f.Type, fields[c].Type) {
				return n.fail("union: column %d is %s %s in dataset %d and %s %s in the first", c+1, f.Name, f.Type, i+2, fields[c].Name, fields[c].Type)
			}
			fields[c].Nullable = fields[c].Nullable || f.Nullable
		}
	}
	n.schema = arrow.NewSchema(fields, nil)
	return Dataset{n}
}

// Sort orders the rows within each partition by the columns, ascending, nulls
// first; rows that are equal by them keep no order. It spills to local disk
// beyond RunOptions.Memory. There is no order between partitions: for one, put Repartition(s, in, 1) before it.
func Sort(_ beam.Scope, in Rows, columns ...string) Dataset {
	n := derived(nodeSort, in)
	if n.err != nil {
		return Dataset{n}
	}
	n.schema, n.by = n.in[0].schema, columns
	if len(columns) == 0 {
		return n.fail("sort: name at least one column")
	}
	if _, err := rowkey.New(n.schema, columns); err != nil {
		return n.fail("sort: %w", err)
	}
	return Dataset{n}
}

// Repartition moves the rows into n partitions (at least 1) so that rows with equal
// values of the columns are together. Without columns all rows come into partition 0.
func Repartition(_ beam.Scope, in Rows, partitions int, columns ...string) Dataset {
	n := derived(nodeExchange, in)
	if n.err != nil {
		return Dataset{n}
	}
	n.schema, n.by, n.partitions = n.in[0].schema, columns, partitions
	if partitions < 1 {
		return n.fail("repartition: %d partitions: want at least 1", partitions)
	}
	if len(columns) == 0 {
		n.partitions = 1
	}
	if _, err := rowkey.New(n.schema, columns); err != nil {
		return n.fail("repartition: %w", err)
	}
	return Dataset{n}
}

// Option alters GroupBy and Join.
type Option func(*node)

// Partitions is into how many partitions rows are cut where they must be moved; default DefaultPartitions.
func Partitions(n int) Option { return func(x *node) { x.partitions = n } }

func (n *node) apply(opts []Option) {
	for _, o := range opts {
		o(n)
	}
	if n.partitions < 1 && n.err == nil {
		n.err = fmt.Errorf("%d partitions: want at least 1", n.partitions)
	}
}
