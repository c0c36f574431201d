package dataset

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"crypto/sha256"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/dataset/internal/join"
	"github.com/millrace/millrace/sdk/dataset/internal/runs"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
)

// task runs a stage's operators over one partition's pieces.
type task struct {
	run    *Run
	stage  *stage
	id     TaskID
	pieces map[string][]piece // by source
	staged stagedFiles
}

// newTask decodes a task's input. Pieces come in any order; they are put into
// one that depends on their content only, so that attempts of a task do the same.
func newTask(run *Run, st *stage, partition int64, inputs [][]byte) (*task, error) {
	slices.SortFunc(inputs, slices.Compare)
	t := &task{run: run, stage: st, pieces: map[string][]piece{}}
	digest := sha256.New()
	for _, in := range inputs {
		p, err := decodePiece(in)
		if err != nil {
			return nil, err
		}
		digest.Write(in)
		if !p.empty() {
			t.pieces[p.Source] = append(t.pieces[p.Source], p)
		}
	}
	for _, ps := range t.pieces {
		slices.SortStableFunc(ps, func(a, b piece) int {
			return cmp.Or(cmp.Compare(a.By, b.By), cmp.Compare(a.Seq, b.Seq))
		})
	}
	t.id = TaskID{Run: run.config.ID, Stage: st.ID, Partition: partition, Digest: hex.EncodeToString(digest.Sum(nil)[:6])}
	return t, nil
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// do runs the task and returns the messages for the next stage.
func (t *task) do(ctx context.Context) (out []message, err error) {
	area, err := t.run.staging(ctx)
	if err != nil {
		return nil, err
	}
	t.staged.area = area
	defer func() { err = errors.Join(err, t.staged.close()) }()
	rows, _, err := t.build(ctx, t.stage.Root, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.stage.Name, err)
	}
	switch o := t.stage.Output; {
	case o.Exchange != nil && o.Exchange.Cluster != nil:
		out, err = t.cluster(ctx, rows, o.Exchange)
	case o.Exchange != nil:
		out, err = t.exchange(ctx, rows, o.Exchange)
	case o.Write != nil:
		out, err = t.write(ctx, rows, o.Write)
	default:
		out, err = t.writeSink(ctx, rows, o.Sink)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.stage.Name, err)
	}
	return out, nil
}

// build makes the stream of an operator. want is an order that the consumer
// could use; have is the order that the stream really has, by a prefix of its columns, nil if unknown.
func (t *task) build(ctx context.Context, o *op, want []string) (s stream.Stream, have []string, err error) {
	switch o.Kind {
	case opLeaf:
		return t.leaf(ctx, o, want)
	case opUnion:
		s, err := t.union(ctx, o)
		return s, nil, err
	case opSort:
		s, err := t.sorted(ctx, o.In[0], o.Sort)
		return s, o.Sort, err
	case opJoin:
		return t.join(ctx, o)
	case opPartial:
		in, _, err := t.build(ctx, o.In[0], nil)
		if err != nil {
			return nil, nil, err
		}
		s, err := t.partial(in, o.Group)
		return s, nil, err
	case opFinal:
		in, _, err := t.build(ctx, o.In[0], nil)
		if err != nil {
			return nil, nil, err
		}
		s, err := t.final(in, o.Group, false)
		return s, o.Group.Keys, err
	case opGroup:
		s, err := t.group(ctx, o)
		return s, o.Group.Keys, err
	case opMapGroups:
		s, err := t.groups(ctx, o)
		return s, nil, err
	case opCoGroup:
		s, err := t.coGroup(ctx, o)
		return s, nil, err
	}
	return t.rowByRow(ctx, o, want)
}

// rowByRow builds the operators that take batches as they come.
func (t *task) rowByRow(ctx context.Context, o *op, want []string) (s stream.Stream, have []string, err error) {
	if o.Kind == opProject {
		want = throughProject(o.Items, want)
	}
	in, have, err := t.build(ctx, o.In[0], want)
	if err != nil {
		return nil, nil, err
	}
	switch o.Kind {
	case opFilter:
		s, err = filterStream(in, o.In[0].Schema.Schema, o.Filter)
	case opProject:
		have = outOfProject(o.Items, have)
		s, err = projectStream(in, o.In[0].Schema.Schema, o.Items)
	case opMap:
		have = nil
		var f BatchFunc
		if f, err = functionOf(o.Func, o.Config); err == nil {
			s = mapStream(in, o.Func, f, o.Schema.Schema)
		}
	case opMapRows:
		have = nil
		s, err = mapRowsStream(in, o.Func, t.run.config.BatchRows)
	default:
		err = fmt.Errorf("unknown operator %q: the worker's program is older than the pipeline's", o.Kind)
	}
	if err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	return s, have, nil
}

// leaf reads the task's pieces of one source.
func (t *task) leaf(ctx context.Context, o *op, want []string) (stream.Stream, []string, error) {
	pieces := t.pieces[o.Source]
	ins := make([]stream.Stream, len(pieces))
	ordered := len(want) > 0 && len(pieces) > 0
	for _, p := range pieces {
		ordered = ordered && hasPrefix(p.Sorted, want)
	}
	if !ordered {
		want = nil
	}
	for i, p := range pieces {
		if p.Segment != nil {
			ins[i] = stream.Lazy(func(ctx context.Context) (stream.Stream, error) { return t.segment(ctx, p) })
			continue
		}
		ins[i] = stream.Lazy(func(ctx context.Context) (stream.Stream, error) { return t.split(ctx, o, p, want) })
	}
	if o.Sort != nil { // an exchange's runs are sorted
		s, err := runs.Merge(o.Schema.Schema, o.Sort, t.run.config.BatchRows, ins...)
		return s, o.Sort, err
	}
	if ordered {
		s, err := runs.Merge(o.Schema.Schema, want, t.run.config.BatchRows, ins...)
		return s, want, err
	}
	return stream.Concat(ins...), nil, nil
}

func (t *task) segment(ctx context.Context, p piece) (stream.Stream, error) {
	f, err := t.staged.file(ctx, p.File)
	if err != nil {
		return nil, err
	}
	return runs.ReadSegment(f, *p.Segment), nil
}

func (t *task) split(ctx context.Context, o *op, p piece, order []string) (stream.Stream, error) {
	s, err := t.openSplit(ctx, o.Scan, *p.Split, order)
	if err != nil {
		return nil, err
	}
	want := o.Schema.Schema
	next := func(ctx context.Context) (arrow.RecordBatch, error) {
		b, err := s.Next(ctx)
		if err != nil {
			return nil, err
		}
		t.run.counters.rowsRead.Add(b.NumRows())
		return conform(b, want)
	}
	return stream.Func{OnNext: next, OnClose: s.Close}, nil
}

func (t *task) openSplit(ctx context.Context, scan *scanSpec, split Split, order []string) (stream.Stream, error) {
	if scan.Table == "" {
		r, err := t.run.opened.reader(ctx, scan.Ref)
		if err != nil {
			return nil, err
		}
		return r.Open(ctx, split, t.run.config.BatchRows)
	}
	tables, err := t.run.opened.tables(ctx, scan.Ref)
	if err != nil {
		return nil, err
	}
	opts := scan.options(t.run.config.BatchRows)
	opts.Order = order
	return tables.OpenSplit(ctx, scan.Table, split, opts)
}

func (t *task) union(ctx context.Context, o *op) (stream.Stream, error) {
	var ins []stream.Stream
	for _, in := range o.In {
		s, _, err := t.build(ctx, in, nil)
		if err != nil {
			return nil, errors.Join(err, stream.CloseAll(ins...))
		}
		schema := o.Schema.Schema
		ins = append(ins, stream.Func{OnNext: func(ctx context.Context) (arrow.RecordBatch, error) {
			b, err := s.Next(ctx)
			if err != nil {
				return nil, err
			}
			return relabelled(b, schema), nil
		}, OnClose: s.Close})
	}
	return stream.Concat(ins...), nil
}

// sorted builds an operator and sorts its rows unless they are in order already.
func (t *task) sorted(ctx context.Context, o *op, by []string) (stream.Stream, error) {
	in, have, err := t.build(ctx, o, by)
	if err != nil || hasPrefix(have, by) {
		return in, err
	}
	return t.sortStream(in, o.Schema.Schema, by), nil
}

func (t *task) sortStream(in stream.Stream, schema *arrow.Schema, by []string) stream.Stream {
	cfg := t.run.config
	lazy := stream.Lazy(func(ctx context.Context) (stream.Stream, error) {
		sorter, err := runs.NewSorter(schema, by, cfg.Memory, cfg.BatchRows, cfg.SpillDir)
		if err != nil {
			return nil, err
		}
		err = stream.Each(ctx, in, func(b arrow.RecordBatch) error { return sorter.Add(ctx, b) })
		if err != nil {
			return nil, errors.Join(err, sorter.Close())
		}
		out, err := sorter.Sorted(ctx)
		t.run.counters.bytesSpilled.Add(sorter.Spilled())
		return out, err
	})
	return stream.Func{OnNext: lazy.Next, OnClose: func() error { return errors.Join(lazy.Close(), in.Close()) }}
}

func (t *task) join(ctx context.Context, o *op) (stream.Stream, []string, error) {
	left, right := o.In[0], o.In[1]
	spec, err := o.Join.spec(left.Schema.Schema, right.Schema.Schema)
	if err != nil {
		return nil, nil, err
	}
	ls, err := t.sorted(ctx, left, o.Join.Left)
	if err != nil {
		return nil, nil, err
	}
	rs, err := t.sorted(ctx, right, o.Join.Right)
	if err != nil {
		return nil, nil, errors.Join(err, ls.Close())
	}
	s, err := spec.Stream(ls, rs, t.run.config.BatchRows)
	return s, o.Join.Left, err
}

func (j *joinSpec) spec(left, right *arrow.Schema) (*join.Spec, error) {
	keep := make([]join.Column, len(j.Keep))
	for i, k := range j.Keep {
		keep[i] = join.Column{From: k.From, To: k.To}
	}
	return join.New(join.Kind(j.Kind), left, right, j.Left, j.Right, keep)
}

func hasPrefix(have, want []string) bool {
	return len(have) >= len(want) && len(want) > 0 && slices.Equal(have[:len(want)], want)
}
