package dataset

import (
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset/internal/aggregate"
	"github.com/millrace/millrace/sdk/money"
)

// Grouped is a dataset of one row a group: the key columns, then the aggregates
// in the order in which they were asked for. Its methods return a new value with one more
// aggregate. It can be used wherever a Dataset can.
//
// Results are exact and do not depend on the order or the distribution of the
// rows. Nulls group together; aggregates skip them, but for Count. Without key
// columns all rows are one group, if there are any.
type Grouped struct {
	in   *node
	keys []string
	aggs []aggregate.Spec
	opts []Option
}

// GroupBy groups rows by columns. Follow it with at least one aggregate.
//
// A table that is bucketed by one of the columns is aggregated bucket by bucket
// without moving rows, and in one pass with a group in memory at a time if it is sorted by the
// columns. Else each task aggregates what it reads, and the groups' partial states are exchanged.
func GroupBy(_ beam.Scope, in Rows, columns ...string) Grouped {
	return Grouped{in: in.node(), keys: columns}
}

func (g Grouped) with(a aggregate.Spec) Grouped {
	g.aggs = append(slices.Clone(g.aggs), a)
	return g
}

// With alters how the grouping is run.
func (g Grouped) With(opts ...Option) Grouped {
	g.opts = append(slices.Clone(g.opts), opts...)
	return g
}

// Count is the number of rows: int64.
func (g Grouped) Count(as string) Grouped {
	return g.with(aggregate.Spec{Kind: aggregate.CountRows, As: as})
}

// CountOf is the number of rows in which the column is not null: int64.
func (g Grouped) CountOf(column, as string) Grouped {
	return g.with(aggregate.Spec{Kind: aggregate.Count, Column: column, As: as})
}

// CountDistinct is the exact number of different values that are not null: int64. It costs a state row for each value.
func (g Grouped) CountDistinct(column, as string) Grouped {
	return g.with(aggregate.Spec{Kind: aggregate.Distinct, Column: column, As: as})
}

// Sum adds up: a decimal(p, s) column to decimal(38, s), an integer column to
// int64. A total that does not fit fails the run with an error that wraps
// money.ErrOverflow and names the group; parts of it may be larger than it. Null where every
// value is. Floating-point columns are refused: their sum depends on the order.
func (g Grouped) Sum(column, as string) Grouped {
	return g.with(aggregate.Spec{Kind: aggregate.Sum, Column: column, As: as})
}

// Avg is the exact sum divided by the number of values that are not null, rounded once to decimal(38, scale).
func (g Grouped) Avg(column, as string, scale int, mode money.RoundingMode) Grouped {
	return g.with(aggregate.Spec{Kind: aggregate.Avg, Column: column, As: as, Scale: int32(scale), Rounding: mode})
}

// Min is the least value that is not null, of the column's type.
func (g Grouped) Min(column, as string) Grouped {
	return g.with(aggregate.Spec{Kind: aggregate.Min, Column: column, As: as})
}

// Max is the greatest value that is not null, of the column's type.
func (g Grouped) Max(column, as string) Grouped {
	return g.with(aggregate.Spec{Kind: aggregate.Max, Column: column, As: as})
}

// First is the column's value in the first row by the order among those where it
// is not null; of rows that are equal in the order, the one with the least value.
func (g Grouped) First(column, as string, orderBy ...string) Grouped {
	return g.with(aggregate.Spec{Kind: aggregate.First, Column: column, As: as, OrderBy: orderBy})
}

// Last is the column's value in the last row by the order among those where it
// is not null; of rows that are equal in the order, the one with the greatest value.
func (g Grouped) Last(column, as string, orderBy ...string) Grouped {
	return g.with(aggregate.Spec{Kind: aggregate.Last, Column: column, As: as, OrderBy: orderBy})
}

// Dataset is the grouping as a plain dataset. A Grouped that is used twice is computed once if it is turned into one first.
func (g Grouped) Dataset() Dataset { return Dataset{g.node()} }

func (g Grouped) node() *node {
	if g.in == nil {
		return Dataset{}.node()
	}
	n := derived(nodeGroup, Dataset{g.in})
	if n.err != nil {
		return n
	}
	n.apply(g.opts)
	n.group = &groupSpec{In: wireSchema{g.in.schema}, Keys: g.keys, Aggs: g.aggs}
	plan, err := n.group.plan()
	if err != nil {
		n.fail("group by %s: %w", strings.Join(g.keys, ", "), err)
		return n
	}
	n.schema = plan.Out
	return n
}
