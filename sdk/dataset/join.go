package dataset

import (
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

// JoinKind says which rows a join keeps.
type JoinKind string

// The kinds of joins.
const (
	InnerJoin JoinKind = "inner"
	LeftJoin  JoinKind = "left"  // and left rows without a match
	RightJoin JoinKind = "right" // and right rows without a match
	FullJoin  JoinKind = "full"  // and both
	SemiJoin  JoinKind = "semi"  // left rows that have a match, once each
	AntiJoin  JoinKind = "anti"  // left rows that have no match
)

// JoinOption alters Join.
type JoinOption func(*node)

// On are the key columns, of the same name on both sides.
func On(columns ...string) JoinOption {
	return func(n *node) { n.join.Left, n.join.Right = columns, columns }
}

// OnPair adds a pair of key columns with different names.
func OnPair(left, right string) JoinOption {
	return func(n *node) {
		n.join.Left = append(n.join.Left, left)
		n.join.Right = append(n.join.Right, right)
	}
}

// Keep are the right side's columns in the result; default: all but its keys.
func Keep(columns ...string) JoinOption {
	return func(n *node) {
		n.join.Keep = []renamed{}
		for _, c := range columns {
			n.join.Keep = append(n.join.Keep, renamed{c, c})
		}
	}
}

// Prefix puts a text before the names of the right side's columns, for sides that share names.
func Prefix(prefix string) JoinOption { return func(n *node) { n.joinPrefix = prefix } }

// How alters how the join is run.
func How(opts ...Option) JoinOption { return func(n *node) { n.apply(opts) } }

// Join joins two datasets by equal keys. The result has the left side's columns,
// then those of the right side but for its keys; in right and full joins the
// left key columns hold the key of rows that have no left side. A key with a null matches nothing.
//
// Both sides are merged in order of the key: the rows of one key on the right
// side are held in memory, so put the side with fewer rows a key there. Tables
// that are bucketed alike by a key are joined bucket by bucket without moving
// rows, and without sorting if they are sorted by the key; if one is
// bucketed only the other one is moved; else both are, sorted within the memory budget.
func Join(_ beam.Scope, kind JoinKind, left, right Rows, opts ...JoinOption) Dataset {
	n := derived(nodeJoin, left, right)
	if n.err != nil {
		return Dataset{n}
	}
	n.join = &joinSpec{Kind: kind}
	for _, o := range opts {
		o(n)
	}
	if n.err != nil {
		return Dataset{n}
	}
	n.keepDefaults()
	spec, err := n.join.spec(n.in[0].schema, n.in[1].schema)
	if err != nil {
		return n.fail("%s join: %w", kind, err)
	}
	n.schema = spec.Out
	return Dataset{n}
}

// keepDefaults completes the list of the right side's columns.
func (n *node) keepDefaults() {
	j := n.join
	if j.Keep == nil {
		for _, f := range n.in[1].schema.Fields() {
			if !subset([]string{f.Name}, j.Right) {
				j.Keep = append(j.Keep, renamed{f.Name, f.Name})
			}
		}
	}
	if j.Kind == SemiJoin || j.Kind == AntiJoin {
		j.Keep = nil
	}
	for i := range j.Keep {
		j.Keep[i].To = n.joinPrefix + j.Keep[i].To
	}
}
