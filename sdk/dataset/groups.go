package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/dataset/internal/rowkey"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
)

// Maker makes the function that one task runs, from a configuration that the
// author gave when the pipeline was built. What it makes is used by one goroutine, so that
// it may keep room between batches, but no rows: a task that is tried again makes a new one.
type Maker func(config string) (BatchFunc, error)

// RegisterMaker makes a function usable with [MapWith] and [MapGroups], here and
// in every worker that runs the same binary. Call it in an init function. The
// function must be declared at package level.
func RegisterMaker(m func(config string) (BatchFunc, error)) {
	registerFunction(m, &function{maker: m})
}

// MapWith is [MapBatches] with a function that is made of a configuration
// ([RegisterMaker]), which travels with the pipeline, in clear. Making one is tried while the pipeline is built.
func MapWith(_ beam.Scope, in Rows, m func(config string) (BatchFunc, error), config string, opts ...MapOption) Dataset {
	return made(derived(nodeMap, in), "map", m, config, opts)
}

// MapGroups runs a made function ([RegisterMaker]) over whole groups of rows:
// a batch that it is given has all rows of each key in it, keys ascending, nulls
// first; equal keys are never in two batches. Rows of one key come in no order unless [Within] says one.
//
// A table that is bucketed by one of the key columns is mapped bucket by bucket without moving rows, and without
// sorting if it is sorted so; else rows are moved ([Spread]), sorted within the memory budget. The
// rows of one group are held in memory at once.
func MapGroups(_ beam.Scope, in Rows, keys []string, m func(config string) (BatchFunc, error), config string, opts ...MapOption) Dataset {
	n := derived(nodeMapGroups, in)
	if n.err == nil && len(keys) == 0 {
		return n.fail("map groups: name at least one key column")
	}
	n.by = keys
	d := made(n, "map groups", m, config, opts)
	if n.err != nil {
		return d
	}
	n.apply(nil)
	if _, err := rowkey.New(n.in[0].schema, plus(slices.Clone(keys), n.within...)); err != nil {
		return n.fail("map groups: %w", err)
	}
	return d
}

// Within is the order of the rows of one key, ascending, nulls first. Only for MapGroups.
func Within(columns ...string) MapOption { return func(n *node) { n.within = columns } }

// Spread is into how many partitions MapGroups cuts rows that must be moved; default DefaultPartitions.
func Spread(partitions int) MapOption { return func(n *node) { n.partitions = partitions } }

func made(n *node, what string, m func(config string) (BatchFunc, error), config string, opts []MapOption) Dataset {
	if n.err != nil {
		return Dataset{n}
	}
	n.schema = n.in[0].schema
	for _, o := range opts {
		o(n)
	}
	name, err := registered(m, "RegisterMaker")
	if err != nil {
		return n.fail("%s: %w", what, err)
	}
	if _, err := m(config); err != nil {
		return n.fail("%s with %s: %w", what, shortName(name), err)
	}
	n.fn, n.config = name, config
	return Dataset{n}
}

// groups brings the rows of each key into one task, in order.
func (c *compiler) groups(n *node) (*fragment, error) {
	in, err := c.compile(n.in[0], want{n.by, fieldNames(n.in[0].schema)})
	if err != nil {
		return nil, err
	}
	order := plus(slices.Clone(n.by), n.within...)
	if !in.spread(n.by) {
		if in, err = c.exchange(n, in, partitionBy(n.in[0].schema, n.by, n.partitions), order); err != nil {
			return nil, err
		}
	}
	f := in.over(op{Kind: opMapGroups, Func: n.fn, Config: n.config, Keys: n.by, Sort: order, Schema: wireSchema{n.schema}})
	f.part = nil
	return f, nil
}

func (t *task) groups(ctx context.Context, o *op) (stream.Stream, error) {
	f, err := functionOf(o.Func, o.Config)
	if err != nil {
		return nil, err
	}
	in, err := t.sorted(ctx, o.In[0], o.Sort)
	if err != nil {
		return nil, err
	}
	g, err := wholeGroups(in, o.In[0].Schema.Schema, o.Keys)
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return mapStream(g, o.Func, f, o.Schema.Schema), nil
}

// wholeGroups cuts a sorted stream anew so that no two batches have a key in
// common. All but the rows beside a border are passed on without copying.
func wholeGroups(in stream.Stream, schema *arrow.Schema, keys []string) (stream.Stream, error) {
	enc, err := rowkey.New(schema, keys)
	if err != nil {
		return nil, err
	}
	return &grouper{in: in, schema: schema, enc: enc}, nil
}

type grouper struct {
	in      stream.Stream
	schema  *arrow.Schema
	enc     *rowkey.Encoder
	keys    rowkey.Keys
	held    []arrow.RecordBatch // the last group so far, of which more may come
	heldKey []byte
	ready   []arrow.RecordBatch // whole groups, not yet handed over
	ended   bool
}

func (g *grouper) Next(ctx context.Context) (arrow.RecordBatch, error) {
	for len(g.ready) == 0 {
		if g.ended {
			return nil, io.EOF
		}
		b, err := g.in.Next(ctx)
		if errors.Is(err, io.EOF) {
			g.ended = true
			err = g.letGo()
		} else if err == nil {
			err = g.add(b)
			b.Release()
		}
		if err != nil {
			return nil, err
		}
	}
	b := g.ready[0]
	g.ready = g.ready[1:]
	return b, nil
}

// add takes a batch apart: what goes on with the held group, whole groups, and the last one, which is held.
func (g *grouper) add(b arrow.RecordBatch) error {
	n := int(b.NumRows())
	if n == 0 {
		return nil
	}
	g.enc.Encode(b, &g.keys)
	from := 0
	if len(g.held) > 0 {
		for from < n && bytes.Equal(g.keys.At(from), g.heldKey) {
			from++
		}
		if from > 0 {
			g.held = append(g.held, b.NewSlice(0, int64(from)))
		}
		if from == n {
			return nil
		}
		if err := g.letGo(); err != nil {
			return err
		}
	}
	last := n - 1
	for last > from && bytes.Equal(g.keys.At(last-1), g.keys.At(n-1)) {
		last--
	}
	if last > from {
		g.ready = append(g.ready, b.NewSlice(int64(from), int64(last)))
	}
	g.held = append(g.held, b.NewSlice(int64(last), int64(n)))
	g.heldKey = append(g.heldKey[:0], g.keys.At(n-1)...)
	return nil
}

// letGo makes the held group ready.
func (g *grouper) letGo() error {
	defer func() { g.held = nil }()
	switch len(g.held) {
	case 0:
		return nil
	case 1:
		g.ready = append(g.ready, g.held[0])
		return nil
	}
	cols := make([]arrow.Array, g.schema.NumFields())
	parts := make([]arrow.Array, len(g.held))
	var rows int64
	for i := range cols {
		for k, h := range g.held {
			parts[k] = h.Column(i)
		}
		col, err := array.Concatenate(parts, memory.DefaultAllocator)
		if err != nil {
			return fmt.Errorf("put the rows of a group together: %w", err)
		}
		defer col.Release()
		cols[i] = col
	}
	for _, h := range g.held {
		rows += h.NumRows()
		h.Release()
	}
	g.ready = append(g.ready, array.NewRecordBatch(g.schema, cols, rows))
	return nil
}

func (g *grouper) Close() error {
	for _, b := range append(g.ready, g.held...) {
		b.Release()
	}
	g.ready, g.held, g.ended = nil, nil, true
	return g.in.Close()
}
