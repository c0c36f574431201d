package dataset

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/expr"
)

// fragment is a part of a stage: operators, and what feeds their leaves.
type fragment struct {
	op        *op
	scans     []*scanSpec
	exchanges []exchanged
	// part is how rows are spread over tasks; nil if in no way to rely on.
	part *partition
}

// exchanged is the output of an earlier stage.
type exchanged struct {
	id  string
	col beam.PCollection
}

// merged is an operator over several fragments.
func merged(o *op, frags ...*fragment) *fragment {
	f := &fragment{op: o}
	for _, g := range frags {
		f.scans = append(f.scans, g.scans...)
		f.exchanges = append(f.exchanges, g.exchanges...)
		o.In = append(o.In, g.op)
	}
	return f
}

// over puts an operator that keeps rows where they are on top of a fragment.
func (f *fragment) over(o op) *fragment {
	o.In = []*op{f.op}
	return &fragment{op: &o, scans: f.scans, exchanges: f.exchanges, part: f.part}
}

// spread reports whether rows with equal keys are in one task.
func (f *fragment) spread(keys []string) bool {
	return f.part != nil && subset(f.part.Columns, keys)
}

func (f *fragment) schema() *arrow.Schema { return f.op.Schema.Schema }

func (f *fragment) isAt(p partition) bool {
	return f.part != nil && f.part.Kind == p.Kind && f.part.N == p.N && slices.Equal(f.part.Columns, p.Columns)
}

// renamed is the partition by the columns of to that stand where its own stand in from.
func (p partition) renamed(from, to []string) partition {
	out := partition{Kind: p.Kind, N: p.N}
	for _, c := range p.Columns {
		out.Columns = append(out.Columns, to[slices.Index(from, c)])
	}
	return out
}

// want is what the consumer of a node asks for.
type want struct {
	// keys are columns by which rows should be spread over tasks, as far as that needs no moving; nil if it does not matter.
	keys []string
	// need are the columns that are used; nil is all.
	need []string
}

// compiler turns a chain of nodes into stages below one scope.
type compiler struct {
	ctx   context.Context
	scope beam.Scope
	leafs int
}

func (c *compiler) compile(n *node, w want) (*fragment, error) {
	switch n.kind {
	case nodeScan:
		return c.scan(n, w, nil)
	case nodeBeam:
		leaf := &op{Kind: opLeaf, Source: n.staged.id, Schema: wireSchema{n.schema}}
		return &fragment{op: leaf, exchanges: []exchanged{n.staged}}, nil
	case nodeFilter:
		return c.filter(n, w)
	case nodeProject:
		return c.project(n, w)
	case nodeMap, nodeMapRows:
		return c.mapped(n)
	case nodeUnion:
		return c.union(n, w)
	case nodeSort:
		return c.sort(n, w)
	case nodeExchange:
		return c.repartition(n, w, nil)
	case nodeGroup:
		return c.group(n)
	case nodeJoin:
		return c.join(n, w)
	case nodeMapGroups:
		return c.groups(n)
	case nodeCoGroup:
		return c.coGroup(n)
	}
	return nil, fmt.Errorf("unknown kind of dataset %d", n.kind)
}

// scan makes a leaf that reads the needed columns of the rows that pass the
// filter. A bucketed table is read bucket by bucket where the consumer wants its rows by that column.
func (c *compiler) scan(n *node, w want, filter expr.Expr) (*fragment, error) {
	spec := *n.scan
	c.leafs++
	spec.Source = fmt.Sprintf("scan%d", c.leafs)
	spec.Filter = filter
	spec.Schema = wireSchema{n.schema}
	if spec.Table != "" {
		spec.Schema = wireSchema{narrow(n.schema, w.need)}
		spec.Columns = fieldNames(spec.Schema.Schema)
	}
	o := &op{Kind: opLeaf, Source: spec.Source, Scan: &spec, Schema: spec.Schema}
	f := &fragment{op: o, scans: []*scanSpec{&spec}}
	if len(w.keys) == 0 || spec.Table == "" {
		return f, nil
	}
	layout, err := n.layout(c.ctx)
	if err != nil {
		return nil, err
	}
	at := n.schema.FieldIndices(layout.BucketBy)
	if layout.Buckets < 2 || !slices.Contains(w.keys, layout.BucketBy) || len(at) != 1 || !bucketable(n.schema.Field(at[0]).Type) {
		return f, nil
	}
	spec.ByBucket, spec.Layout = true, layout
	f.part = &partition{Kind: partBucket, Columns: []string{layout.BucketBy}, N: layout.Buckets}
	return f, nil
}

// filter sinks into a table's scan, which then prunes files with it and need not read columns that only the filter uses.
func (c *compiler) filter(n *node, w want) (*fragment, error) {
	var all expr.Expr
	for ; n.kind == nodeFilter; n = n.in[0] {
		all = n.filter.And(all)
	}
	if n.kind == nodeScan && n.scan.Table != "" {
		return c.scan(n, w, all)
	}
	in, err := c.compile(n, want{w.keys, plus(w.need, all.Columns()...)})
	if err != nil {
		return nil, err
	}
	return in.over(op{Kind: opFilter, Filter: all, Schema: in.op.Schema}), nil
}

func (c *compiler) project(n *node, w want) (*fragment, error) {
	items := n.items
	if w.need != nil {
		items = slices.DeleteFunc(slices.Clone(items), func(i expr.Named) bool { return !slices.Contains(w.need, i.Name) })
	}
	need := []string{}
	for _, i := range items {
		need = plus(need, i.Expr.Columns()...)
	}
	in, err := c.compile(n.in[0], want{throughProject(items, w.keys), need})
	if err != nil {
		return nil, err
	}
	f := in.over(op{Kind: opProject, Items: items, Schema: wireSchema{narrow(n.schema, projectNames(items))}})
	if f.part != nil {
		p := *f.part
		if p.Columns = outOfProject(items, p.Columns); len(p.Columns) < len(in.part.Columns) {
			f.part = nil
		} else {
			f.part = &p
		}
	}
	return f, nil
}

// mapped runs the author's function, which sees all columns and may change the key.
func (c *compiler) mapped(n *node) (*fragment, error) {
	in, err := c.compile(n.in[0], want{need: fieldNames(n.in[0].schema)})
	if err != nil {
		return nil, err
	}
	kind := opMap
	if n.kind == nodeMapRows {
		kind = opMapRows
	}
	f := in.over(op{Kind: kind, Func: n.fn, Config: n.config, Schema: wireSchema{n.schema}})
	f.part = nil
	return f, nil
}

func (c *compiler) union(n *node, w want) (*fragment, error) {
	schema := narrow(n.schema, w.need)
	frags := make([]*fragment, len(n.in))
	for i, in := range n.in {
		f, err := c.compile(in, want{need: fieldNames(schema)})
		if err != nil {
			return nil, err
		}
		frags[i] = f
	}
	return merged(&op{Kind: opUnion, Schema: wireSchema{schema}}, frags...), nil
}

// sort sinks into an exchange right below it, which hands its rows over in order.
func (c *compiler) sort(n *node, w want) (*fragment, error) {
	need := plus(w.need, n.by...)
	if n.in[0].kind == nodeExchange {
		return c.repartition(n.in[0], want{need: need}, n.by)
	}
	in, err := c.compile(n.in[0], want{w.keys, need})
	if err != nil {
		return nil, err
	}
	return in.over(op{Kind: opSort, Sort: n.by, Schema: in.op.Schema}), nil
}

func (c *compiler) repartition(n *node, w want, sortBy []string) (*fragment, error) {
	in, err := c.compile(n.in[0], want{need: plus(w.need, n.by...)})
	if err != nil {
		return nil, err
	}
	return c.exchange(n, in, partitionBy(n.schema, n.by, n.partitions), sortBy)
}

// group aggregates without moving rows where all rows of a group are in one
// task; else it moves partial states.
func (c *compiler) group(n *node) (*fragment, error) {
	need := slices.Clone(n.group.Keys)
	for _, a := range n.group.Aggs {
		need = plus(need, a.OrderBy...)
		if a.Column != "" {
			need = plus(need, a.Column)
		}
	}
	in, err := c.compile(n.in[0], want{n.group.Keys, need})
	if err != nil {
		return nil, err
	}
	g := *n.group
	g.In = in.op.Schema
	schema := wireSchema{n.schema}
	if in.spread(g.Keys) {
		return in.over(op{Kind: opGroup, Group: &g, Schema: schema}), nil
	}
	plan, err := g.plan()
	if err != nil {
		return nil, err
	}
	states := in.over(op{Kind: opPartial, Group: &g, Schema: wireSchema{plan.State}})
	parts := n.partitions
	if len(g.Keys) == 0 {
		parts = 1
	}
	ex, err := c.exchange(n, states, partitionBy(plan.State, g.Keys, parts), plan.StateOrder)
	if err != nil {
		return nil, err
	}
	return ex.over(op{Kind: opFinal, Group: &g, Schema: schema}), nil
}

// join brings both sides to the same partition, moving neither, one or both.
func (c *compiler) join(n *node, w want) (*fragment, error) {
	j := *n.join
	if w.need != nil {
		j.Keep = slices.DeleteFunc(slices.Clone(j.Keep), func(k renamed) bool { return !slices.Contains(w.need, k.To) })
	}
	left, err := c.compile(n.in[0], want{j.Left, leftNeed(n, w)})
	if err != nil {
		return nil, err
	}
	need := slices.Clone(j.Right)
	for _, k := range j.Keep {
		need = plus(need, k.From)
	}
	right, err := c.compile(n.in[1], want{j.Right, need})
	if err != nil {
		return nil, err
	}
	target := joinPartition(n, left, right)
	if !left.isAt(target) {
		if left, err = c.exchange(n.in[0], left, target, j.Left); err != nil {
			return nil, err
		}
	}
	if there := target.renamed(j.Left, j.Right); !right.isAt(there) {
		if right, err = c.exchange(n.in[1], right, there, j.Right); err != nil {
			return nil, err
		}
	}
	spec, err := j.spec(left.schema(), right.schema())
	if err != nil {
		return nil, err
	}
	f := merged(&op{Kind: opJoin, Join: &j, Schema: wireSchema{spec.Out}}, left, right)
	f.part = &target
	return f, nil
}

// leftNeed are the columns that a join takes from its left side.
func leftNeed(n *node, w want) []string {
	if w.need == nil {
		return nil
	}
	need := slices.Clone(n.join.Left)
	for _, c := range w.need {
		if n.in[0].schema.HasField(c) {
			need = plus(need, c)
		}
	}
	return need
}

// joinPartition chooses where rows meet, in terms of the left side's columns:
// a partition that a side has already, the one with more tasks first, else a new one.
func joinPartition(n *node, left, right *fragment) partition {
	j := n.join
	best := partitionBy(n.in[0].schema, j.Left, n.partitions)
	found := left.spread(j.Left)
	if found {
		best = *left.part
	}
	if right.spread(j.Right) {
		if p := right.part.renamed(j.Right, j.Left); !found || p.N > best.N {
			best = p
		}
	}
	return best
}

// exchange ends the stage of a fragment by handing its rows over, and returns
// the leaf of the next stage. The same exchange of the same node is built once.
func (c *compiler) exchange(n *node, f *fragment, p partition, sortBy []string) (*fragment, error) {
	return c.handOver(n, f, &exchangeSpec{Schema: f.op.Schema, Partition: p, Sort: sortBy})
}

// clustered is an exchange whose rows are brought together by keys instead of sorted.
func (c *compiler) clustered(n *node, f *fragment, p partition, keys []string) (*fragment, error) {
	return c.handOver(n, f, &exchangeSpec{Schema: f.op.Schema, Partition: p, Cluster: keys})
}

func (c *compiler) handOver(n *node, f *fragment, spec *exchangeSpec) (*fragment, error) {
	p := spec.Partition
	memo := fmt.Sprintf("%v by %v in %v of %s %v", p, spec.Sort, spec.Cluster, f.op.Kind, fieldNames(f.schema()))
	ex, ok := n.exchanges[memo]
	if !ok {
		name := "exchange"
		if len(p.Columns) > 0 {
			name += " by " + strings.Join(p.Columns, ", ")
		}
		col := c.stage(name, f, &outputSpec{Exchange: spec})
		ex = exchanged{id: spec.ID, col: col}
		if n.exchanges == nil {
			n.exchanges = map[string]exchanged{}
		}
		n.exchanges[memo] = ex
	}
	leaf := &op{Kind: opLeaf, Source: ex.id, Sort: spec.Sort, Clusters: spec.Cluster != nil, Schema: f.op.Schema}
	return &fragment{op: leaf, exchanges: []exchanged{ex}, part: &p}, nil
}

// stage adds the transforms of one stage: plan the scans, bring a task's pieces together, run the tasks.
func (c *compiler) stage(name string, f *fragment, out *outputSpec) beam.PCollection {
	s := c.scope.Scope(name)
	grouped := inputs(s, f, out.Write != nil && out.Write.Layout.BucketBy != "")
	st := &stage{ID: stageID(grouped), Name: describe(f.op), Root: f.op, Output: out}
	if out.Exchange != nil {
		out.Exchange.ID = "x" + st.ID
	}
	return beam.ParDo(s, &taskFn{taskBase: taskBase{wire: taskWire{RunOptions{}.config(), st}, live: f.live(out)}}, grouped)
}

// inputs is the grouped input of a stage: each task's pieces. Small partitions
// share a task, unless the stage needs exactly one task a partition.
func inputs(s beam.Scope, f *fragment, exact bool) beam.PCollection {
	var cols []beam.PCollection
	if len(f.scans) > 0 {
		plan := &planFn{planWire{Run: RunOptions{}.config(), Scans: f.scans, Pack: !exact && len(f.exchanges) == 0}}
		cols = append(cols, beam.ParDo(s, plan, beam.Impulse(s)))
	}
	var seen []string
	for _, ex := range f.exchanges {
		if !slices.Contains(seen, ex.id) {
			seen = append(seen, ex.id)
			cols = append(cols, ex.col)
		}
	}
	all := cols[0]
	if len(cols) > 1 {
		all = beam.Flatten(s, cols...)
	}
	if len(f.exchanges) > 0 && !exact {
		all = beam.ParDo(s, &packFn{}, beam.GroupByKey(s, beam.ParDo(s, &gatherFn{}, all)))
	}
	return beam.GroupByKey(s, all)
}

// live are the objects that the stage's tasks use in this process.
func (f *fragment) live(out *outputSpec) map[handleKey]any {
	m := handlesOf(f.scans)
	switch {
	case out == nil:
	case out.Write != nil:
		m[out.Write.live.key] = out.Write.live.value
	case out.Sink != nil:
		m[out.Sink.live.key] = out.Sink.live.value
	}
	return m
}

// describe is a stage's operators for messages: scan ledger.entries → filter → group by account_id.
func describe(o *op) string {
	var parts []string
	for _, in := range o.In {
		parts = append(parts, describe(in))
	}
	text := strings.Join(parts, " and ")
	if len(parts) > 1 {
		text = "(" + text + ")"
	}
	switch o.Kind {
	case opLeaf:
		if o.Scan != nil {
			return "scan " + o.Scan.name()
		}
		return "exchanged rows"
	case opMap, opMapRows, opMapGroups:
		return text + " → map " + o.Func[strings.LastIndexByte(o.Func, '/')+1:]
	case opPartial, opFinal, opGroup:
		return text + " → group by " + strings.Join(o.Group.Keys, ", ")
	case opCoGroup:
		return text + " → cogroup with " + o.Func[strings.LastIndexByte(o.Func, '/')+1:]
	case opSort:
		return text + " → sort by " + strings.Join(o.Sort, ", ")
	}
	return text + " → " + string(o.Kind)
}

// stageID names a stage by the number that Beam gave its input: unique in its
// pipeline, and the same each time the pipeline is built alike.
func stageID(c beam.PCollection) string {
	id := strings.TrimLeft(c.String(), "{")
	if end := strings.IndexFunc(id, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		id = id[:end]
	}
	return "s" + id
}
