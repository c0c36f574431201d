package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/dataset/internal/columns"
	"github.com/millrace/millrace/sdk/dataset/internal/runs"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
	"github.com/millrace/millrace/sdk/storage"
)

// exchange writes the task's rows as one staged file of sorted segments, a
// few for each partition: one each time the memory budget is reached. The file's
// name comes from the task's identity, so that another attempt replaces it.
func (t *task) exchange(ctx context.Context, rows stream.Stream, ex *exchangeSpec) ([]message, error) {
	buf, err := runs.NewBuffer(ex.Schema.Schema, ex.Sort)
	if err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	partOf, err := ex.Partition.partitioner(ex.Schema.Schema)
	if err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	x := &exchangeWriter{task: t, spec: ex, buf: buf, partOf: partOf, name: t.id.String() + ".arrow"}
	defer x.abort()
	err = stream.Each(ctx, rows, func(b arrow.RecordBatch) error {
		buf.Add(b)
		if buf.Bytes() < t.run.config.Memory {
			return nil
		}
		return x.flush(ctx)
	})
	if err != nil {
		return nil, err
	}
	return x.close(ctx)
}

type exchangeWriter struct {
	task   *task
	spec   *exchangeSpec
	buf    *runs.Buffer
	partOf func(arrow.RecordBatch, []int32) []int32
	name   string
	file   storage.Writer
	size   int64
	seq    int
	out    []message
}

// flush sorts and writes what is in memory.
func (x *exchangeWriter) flush(ctx context.Context) error {
	if x.buf.Rows() == 0 {
		return nil
	}
	if x.file == nil {
		f, err := x.task.staged.area.create(ctx, x.name)
		if err != nil {
			return err
		}
		x.file = f
	}
	for part, picks := range x.buf.Order(max(x.spec.Partition.N, 1), x.partOf) {
		if len(picks) == 0 {
			continue
		}
		if err := x.segment(ctx, int64(part), picks); err != nil {
			return err
		}
	}
	x.buf.Reset()
	return nil
}

func (x *exchangeWriter) segment(ctx context.Context, part int64, picks []columns.Pick) error {
	seg, err := runs.WriteSegment(ctx, x.file, x.size, x.buf, picks, x.task.run.config.BatchRows)
	if err != nil {
		return fmt.Errorf("stage %d rows for partition %d: %w", len(picks), part, err)
	}
	x.size += seg.Length
	x.seq++
	p := piece{Source: x.spec.ID, File: x.name, Segment: &seg, By: x.task.id.Partition, Seq: x.seq, Sorted: x.spec.Sort}
	data, err := p.encode()
	if err != nil {
		return err
	}
	x.out = append(x.out, message{part, data})
	return nil
}

// close ends the file. Every partition gets a message, so that each has a task also where nothing arrives.
func (x *exchangeWriter) close(ctx context.Context) ([]message, error) {
	if err := x.flush(ctx); err != nil {
		return nil, err
	}
	if x.file != nil {
		if err := x.file.Close(); err != nil {
			return nil, fmt.Errorf("finish staged file %s: %w", x.name, err)
		}
		x.task.run.counters.bytesStaged.Add(x.size)
	}
	return withEmpty(x.out, x.spec.ID, max(x.spec.Partition.N, 1))
}

// withEmpty adds a message to each partition that has none.
func withEmpty(out []message, source string, parts int) ([]message, error) {
	has := make(map[int64]bool, len(out))
	for _, m := range out {
		has[m.partition] = true
	}
	data, err := piece{Source: source}.encode()
	if err != nil {
		return nil, err
	}
	for part := range int64(parts) {
		if !has[part] {
			out = append(out, message{part, data})
		}
	}
	return out, nil
}

func (x *exchangeWriter) abort() {
	if x.file != nil {
		x.file.Abort() // after Close it does nothing; a leftover is removed with the staging area
	}
	x.buf.Reset()
}

// write writes the task's rows to a table.
func (t *task) write(ctx context.Context, rows stream.Stream, w *writeSpec) ([]message, error) {
	tables, err := t.run.opened.tables(ctx, w.Ref)
	if err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	out, err := tables.NewWriter(ctx, w.spec(t.run.config.ID, t.stage.ID), t.id)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write table %s: %w", w.Table, err), rows.Close())
	}
	m, err := t.pour(ctx, rows, out)
	if err != nil {
		return nil, fmt.Errorf("write table %s: %w", w.Table, err)
	}
	return m, nil
}

func (t *task) writeSink(ctx context.Context, rows stream.Stream, s *sinkSpec) ([]message, error) {
	sink, err := t.run.opened.sink(ctx, s.Ref)
	if err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	out, err := sink.NewWriter(ctx, s.Schema.Schema, t.id)
	if err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	return t.pour(ctx, rows, out)
}

// pour writes all rows and reports the files to the commit.
func (t *task) pour(ctx context.Context, rows stream.Stream, out Writer) ([]message, error) {
	defer out.Abort(ctx)
	var n int64
	err := stream.Each(ctx, rows, func(b arrow.RecordBatch) error {
		n += b.NumRows()
		return out.Write(ctx, b)
	})
	if err != nil {
		return nil, err
	}
	files, err := out.Close(ctx)
	if err != nil {
		return nil, err
	}
	t.run.counters.rowsWritten.Add(n)
	data, err := json.Marshal(written{Files: files, Rows: n})
	if err != nil {
		return nil, fmt.Errorf("describe written files: %w", err)
	}
	return []message{{0, data}}, nil
}
