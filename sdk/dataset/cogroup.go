package dataset

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset/internal/scatter"
)

// CoFunc maps some rows of two datasets to a batch. All rows of a key, of both
// sides, are in one call, in no order, together with those of other keys; either batch
// may be empty. It must not change or keep its arguments, nor return what shares their memory: their room is used again.
type CoFunc func(ctx context.Context, left, right arrow.RecordBatch) (arrow.RecordBatch, error)

// CoMaker makes the function that one task runs, as a [Maker] does.
type CoMaker func(config string) (CoFunc, error)

// RegisterCoMaker makes a function usable with [CoGroup], here and in every worker that runs the same binary. Call it
// in an init function. The function must be declared at package level.
func RegisterCoMaker(m func(config string) (CoFunc, error)) {
	registerFunction(m, &function{coMaker: m})
}

// CoGroup runs a made function ([RegisterCoMaker]) over the rows of two
// datasets by their keys: leftKeys and rightKeys are equally many columns of equal types, in pairs. Nulls are equal to nulls.
// Nothing is sorted: rows meet by a hash of their key. It is the cheapest way to
// compare two datasets; [Join] is for results that are rows of both sides.
//
// A table that is bucketed by one of the keys stays where it is; other rows are moved, into as many
// partitions as the options say. Rows that meet within a task are cut into clusters that fit into RunOptions.Memory, all but the
// rows of one key, which are held at once. Columns of nested and dictionary types are refused.
func CoGroup(_ beam.Scope, left, right Rows, leftKeys, rightKeys []string, m func(config string) (CoFunc, error), config string, out *arrow.Schema, opts ...Option) Dataset {
	n := derived(nodeCoGroup, left, right)
	if n.err != nil {
		return Dataset{n}
	}
	n.schema, n.join = out, &joinSpec{Left: leftKeys, Right: rightKeys}
	n.apply(opts)
	if err := n.checkCoGroup(); err != nil {
		return n.fail("cogroup: %w", err)
	}
	name, err := registered(m, "RegisterCoMaker")
	if err != nil {
		return n.fail("cogroup: %w", err)
	}
	if _, err := m(config); err != nil {
		return n.fail("cogroup with %s: %w", shortName(name), err)
	}
	n.fn, n.config = name, config
	return Dataset{n}
}

func (n *node) checkCoGroup() error {
	if n.err != nil {
		return n.err
	}
	if len(n.join.Left) == 0 || len(n.join.Left) != len(n.join.Right) {
		return fmt.Errorf("name at least one key column, and as many on both sides: %v and %v", n.join.Left, n.join.Right)
	}
	for side, keys := range [][]string{n.join.Left, n.join.Right} {
		schema := n.in[side].schema
		if err := scatter.Supported(schema); err != nil {
			return err
		}
		if _, err := scatter.Hasher(schema, keys); err != nil {
			return err
		}
	}
	for i := range n.join.Left {
		l, _ := n.in[0].schema.FieldsByName(n.join.Left[i])
		r, _ := n.in[1].schema.FieldsByName(n.join.Right[i])
		if !arrow.TypeEqual(l[0].Type, r[0].Type) {
			return fmt.Errorf("the keys %s and %s are of different types, %s and %s", n.join.Left[i], n.join.Right[i], l[0].Type, r[0].Type)
		}
	}
	return nil
}

// coGroup brings the rows of both sides together, moving neither, one or both.
func (c *compiler) coGroup(n *node) (*fragment, error) {
	var sides [2]*fragment
	for i, keys := range [][]string{n.join.Left, n.join.Right} {
		f, err := c.compile(n.in[i], want{keys, fieldNames(n.in[i].schema)})
		if err != nil {
			return nil, err
		}
		sides[i] = f
	}
	target := partition{Kind: partCluster, Columns: n.join.Left, N: n.partitions}
	if sides[0].spread(n.join.Left) || sides[1].spread(n.join.Right) {
		target = joinPartition(n, sides[0], sides[1])
	}
	for i, keys := range [][]string{n.join.Left, n.join.Right} {
		there := target.renamed(n.join.Left, keys)
		if sides[i].isAt(there) {
			continue
		}
		f, err := c.clustered(n.in[i], sides[i], there, keys)
		if err != nil {
			return nil, err
		}
		sides[i] = f
	}
	f := merged(&op{Kind: opCoGroup, Func: n.fn, Config: n.config, Join: n.join, Schema: wireSchema{n.schema}}, sides[0], sides[1])
	return f, nil
}

// coFuncOf is what a registered maker makes of the configuration.
func coFuncOf(name, config string) (CoFunc, error) {
	f, err := lookup(name)
	if err != nil {
		return nil, err
	}
	if f.coMaker == nil {
		return nil, fmt.Errorf("function %s is not registered for CoGroup", name)
	}
	made, err := f.coMaker(config)
	if err != nil {
		return nil, fmt.Errorf("cogroup with %s: %w", shortName(name), err)
	}
	if made == nil {
		return nil, errors.New("cogroup with " + shortName(name) + ": it made no function")
	}
	return made, nil
}
