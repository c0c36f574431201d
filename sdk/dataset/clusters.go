package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/dataset/internal/scatter"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
	"github.com/millrace/millrace/sdk/spillfile"
	"github.com/millrace/millrace/sdk/storage"
)

// cluster writes the task's rows as one staged file of extents, a few for each
// partition: one each time the memory budget is reached.
func (t *task) cluster(ctx context.Context, rows stream.Stream, ex *exchangeSpec) ([]message, error) {
	buf, err := t.run.clusterBuffer(ex)
	if err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	defer t.run.keep(ex, buf)
	x := &clusterWriter{task: t, spec: ex, name: t.id.String() + ".clusters"}
	defer x.abort()
	err = stream.Each(ctx, rows, func(b arrow.RecordBatch) error {
		buf.Add(b)
		if buf.Bytes() < t.run.config.Memory {
			return nil
		}
		return x.flush(ctx, buf)
	})
	if err == nil && buf.Bytes() > 0 {
		err = x.flush(ctx, buf)
	}
	if err != nil {
		return nil, err
	}
	return x.close(max(ex.Partition.N, 1))
}

// spareBuffer is room that a task has left.
type spareBuffer struct {
	exchange string
	buf      *scatter.Buffer
}

// clusterBuffer is an empty buffer for an exchange: one that a task has left, with its room, or a new one in place of
// another exchange's, so that there are never more of them than tasks that work at once.
func (r *Run) clusterBuffer(ex *exchangeSpec) (*scatter.Buffer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.IndexFunc(r.spare, func(s spareBuffer) bool { return s.exchange == ex.ID })
	if at >= 0 {
		buf := r.spare[at].buf
		r.spare = slices.Delete(r.spare, at, at+1)
		return buf, nil
	}
	r.spare = r.spare[min(1, len(r.spare)):]
	var partOf func(arrow.RecordBatch, []int32) []int32
	if ex.Partition.Kind != partCluster {
		var err error
		if partOf, err = ex.Partition.partitioner(ex.Schema.Schema); err != nil {
			return nil, err
		}
	}
	return scatter.NewBuffer(ex.Schema.Schema, ex.Cluster, max(ex.Partition.N, 1), 0, partOf)
}

// keep leaves a buffer to the exchange's next task.
func (r *Run) keep(ex *exchangeSpec, buf *scatter.Buffer) {
	buf.Reset()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.spare = append(r.spare, spareBuffer{ex.ID, buf})
	}
}

// clusterWriter writes a staged file of extents.
type clusterWriter struct {
	task *task
	spec *exchangeSpec
	name string
	file storage.Writer
	size int64
	seq  int
	out  []message
}

func (x *clusterWriter) flush(ctx context.Context, buf *scatter.Buffer) (err error) {
	if x.file == nil {
		if x.file, err = x.task.staged.area.create(ctx, x.name); err != nil {
			return err
		}
	}
	extents, end, err := buf.Flush(x.file, x.size)
	if err != nil {
		return err
	}
	x.size = end
	for part, e := range extents {
		if e.Length() == 0 {
			continue
		}
		x.seq++
		data, err := piece{Source: x.spec.ID, File: x.name, Extent: &e, By: x.task.id.Partition, Seq: x.seq}.encode()
		if err != nil {
			return err
		}
		x.out = append(x.out, message{int64(part), data})
	}
	return nil
}

// close ends the file. Every partition gets a message, so that each has a task also where nothing arrives.
func (x *clusterWriter) close(parts int) ([]message, error) {
	if x.file != nil {
		if err := x.file.Close(); err != nil {
			return nil, fmt.Errorf("finish staged file %s: %w", x.name, err)
		}
		x.task.run.counters.bytesStaged.Add(x.size)
	}
	return withEmpty(x.out, x.spec.ID, parts)
}

func (x *clusterWriter) abort() {
	if x.file != nil {
		x.file.Abort() // after Close it does nothing; a leftover is removed with the staging area
	}
}

// coGroup runs the author's function over the clusters of both sides.
func (t *task) coGroup(ctx context.Context, o *op) (stream.Stream, error) {
	f, err := coFuncOf(o.Func, o.Config)
	if err != nil {
		return nil, err
	}
	g := &coGrouper{f: f, name: shortName(o.Func), out: o.Schema.Schema, budget: t.run.config.Memory, spill: &spillFile{dir: t.run.config.SpillDir}}
	first := meeting{sides: [2][][]scatter.Located{}}
	for i, keys := range [][]string{o.Join.Left, o.Join.Right} {
		g.schema[i], g.keys[i] = o.In[i].Schema.Schema, keys
		g.collect[i] = scatter.NewCollector(g.schema[i])
		if first.sides[i], err = t.clustersOf(ctx, o.In[i], keys, g.spill); err != nil {
			return nil, errors.Join(err, g.Close())
		}
	}
	g.add(first, 0)
	g.counted = func(n int64) { t.run.counters.bytesSpilled.Add(n) }
	return g, nil
}

// clustersOf are the clusters of an operator's rows: as they were staged, or
// spread here where the rows were not moved.
func (t *task) clustersOf(ctx context.Context, o *op, keys []string, spill *spillFile) ([][]scatter.Located, error) {
	clusters := make([][]scatter.Located, scatter.Fan)
	if o.Clusters {
		for _, p := range t.pieces[o.Source] {
			f, err := t.staged.file(ctx, p.File)
			if err != nil {
				return nil, err
			}
			if err := locate(clusters, f, *p.Extent); err != nil {
				return nil, err
			}
		}
		return clusters, nil
	}
	in, _, err := t.build(ctx, o, nil)
	if err != nil {
		return nil, err
	}
	buf, err := scatter.NewBuffer(o.Schema.Schema, keys, 1, 0, nil)
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	err = stream.Each(ctx, in, func(b arrow.RecordBatch) error {
		buf.Add(b)
		if buf.Bytes() < t.run.config.Memory {
			return nil
		}
		return spill.flush(buf, clusters)
	})
	if err != nil {
		return nil, err
	}
	return clusters, inMemory(buf, clusters)
}

// locate adds an extent's chunks to their clusters.
func locate(clusters [][]scatter.Located, f io.ReaderAt, e scatter.Extent) error {
	if len(e.Chunks) != len(clusters) {
		return fmt.Errorf("staged rows in %d clusters, want %d: the worker's program is not the pipeline's", len(e.Chunks), len(clusters))
	}
	at := e.Offset
	for i, c := range e.Chunks {
		if c.Rows > 0 {
			clusters[i] = append(clusters[i], scatter.Located{File: f, Offset: at, Chunk: c})
		}
		at += c.Length
	}
	return nil
}

// inMemory takes what is left in a buffer without writing it out.
func inMemory(buf *scatter.Buffer, clusters [][]scatter.Located) error {
	if buf.Bytes() == 0 {
		return nil
	}
	var rest bytes.Buffer
	extents, _, err := buf.Flush(&rest, 0)
	if err != nil {
		return err
	}
	return locate(clusters, bytes.NewReader(rest.Bytes()), extents[0])
}

// spillFile is a temporary file for clusters that do not fit into memory. It begins with the first.
type spillFile struct {
	dir  string
	file *spillfile.File
	size int64
}

func (s *spillFile) flush(buf *scatter.Buffer, clusters [][]scatter.Located) (err error) {
	if s.file == nil {
		if s.file, err = spillfile.Open(s.dir); err != nil {
			return err
		}
	}
	extents, end, err := buf.Flush(io.NewOffsetWriter(s.file, s.size), s.size)
	if err != nil {
		return err
	}
	s.size = end
	return locate(clusters, s.file, extents[0])
}

func (s *spillFile) close() error {
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}

// meeting are the clusters of both sides at a level.
type meeting struct{ sides [2][][]scatter.Located }

// due is a cluster that waits for the function.
type due struct {
	sides [2][]scatter.Located
	level int
	whole bool // cannot be cut further
}

// coGrouper is the stream of what the function makes of one cluster after the other.
type coGrouper struct {
	f       CoFunc
	name    string
	out     *arrow.Schema
	schema  [2]*arrow.Schema
	keys    [2][]string
	collect [2]*scatter.Collector
	budget  int64
	spill   *spillFile
	counted func(spilled int64)
	todo    []due // the last one comes next
}

// add queues the clusters of a level.
func (g *coGrouper) add(m meeting, level int) {
	for i := scatter.Fan - 1; i >= 0; i-- {
		d := due{sides: [2][]scatter.Located{m.sides[0][i], m.sides[1][i]}, level: level}
		if len(d.sides[0])+len(d.sides[1]) > 0 {
			g.todo = append(g.todo, d)
		}
	}
}

func (d due) size() (rows, bytes int64) {
	for _, side := range d.sides {
		for _, c := range side {
			rows += c.Rows
			bytes += c.Length
		}
	}
	return rows, bytes
}

func (g *coGrouper) Next(ctx context.Context) (arrow.RecordBatch, error) {
	for len(g.todo) > 0 {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		d := g.todo[len(g.todo)-1]
		g.todo = g.todo[:len(g.todo)-1]
		if _, bytes := d.size(); bytes > g.budget && !d.whole && d.level < scatter.MaxLevel {
			if err := g.cut(ctx, d); err != nil {
				return nil, err
			}
			continue
		}
		return g.call(ctx, d)
	}
	return nil, io.EOF
}

// cut spreads a cluster that is too big over clusters of the next level.
func (g *coGrouper) cut(ctx context.Context, d due) error {
	var m meeting
	level := d.level + 1
	for i := range m.sides {
		m.sides[i] = make([][]scatter.Located, scatter.Fan)
		buf, err := scatter.NewBuffer(g.schema[i], g.keys[i], 1, level, nil)
		if err != nil {
			return err
		}
		for k := range d.sides[i] {
			b, err := g.collect[i].Collect(d.sides[i][k : k+1])
			if err != nil {
				return err
			}
			buf.Add(b)
			b.Release()
			if buf.Bytes() >= g.budget {
				err = g.spill.flush(buf, m.sides[i])
			}
			if err = errors.Join(err, context.Cause(ctx)); err != nil {
				return err
			}
		}
		if buf.Bytes() == 0 {
			continue
		}
		if err := g.spill.flush(buf, m.sides[i]); err != nil {
			return err
		}
	}
	before, queued := len(g.todo), 0
	g.add(m, level)
	if queued = len(g.todo) - before; queued == 1 { // one key, most likely: more cuts would copy it in vain
		g.todo[before].whole = true
	}
	return nil
}

func (g *coGrouper) call(ctx context.Context, d due) (arrow.RecordBatch, error) {
	var in [2]arrow.RecordBatch
	for i := range in {
		b, err := g.collect[i].Collect(d.sides[i])
		if err != nil {
			return nil, err
		}
		defer b.Release()
		in[i] = b
	}
	out, err := g.f(ctx, in[0], in[1])
	if err != nil {
		return nil, fmt.Errorf("cogroup with %s: %w", g.name, err)
	}
	if !out.Schema().Equal(g.out) {
		defer out.Release()
		return nil, fmt.Errorf("cogroup with %s: it returned %s, declared is %s", g.name, out.Schema(), g.out)
	}
	return out, nil
}

func (g *coGrouper) Close() error {
	g.todo = nil
	if g.counted != nil {
		g.counted(g.spill.size)
		g.counted = nil
	}
	return g.spill.close()
}
