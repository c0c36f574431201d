package features

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/feature"
)

// sink writes features to the plan's table. Where rows were exchanged it computes them first.
type sink struct{ p *Plan }

var _ dataset.Sink = sink{}

// Ref names the sink. Its plan lives in this process: a remote worker cannot open it.
func (s sink) Ref() dataset.Ref { return dataset.Ref{Kind: kind, Config: s.p.id()} }

// NewWriter starts one task's files.
func (s sink) NewWriter(ctx context.Context, _ *arrow.Schema, task dataset.TaskID) (dataset.Writer, error) {
	p := s.p
	t, err := p.o.Lake.Table(ctx, p.o.Table)
	if err != nil {
		return nil, err
	}
	spec, err := t.Spec()
	if err != nil {
		return nil, err
	}
	if layout := p.entries.plan.Layout; p.merge && spec.BucketBy == p.account.Name && spec.Buckets == layout.Buckets {
		return &bucketWriter{p: p, task: task, spec: spec, totals: newTotals(p.asOf), bucket: -1}, nil
	}
	if spec.Schema, err = p.o.Lake.ResolveSchema(ctx, p.o.Table, p.schema); err != nil {
		return nil, err
	}
	fw, err := p.o.Lake.NewFileWriter(catalog.Target{Location: t.Location(), Spec: spec}, catalog.WriterOptions{
		EpochID: fmt.Sprintf("features-%s-%d", p.nonce, task.Partition), Nonce: newNonce(), MemoryBytes: 64 << 20})
	if err != nil {
		return nil, err
	}
	w := &writer{files: fw, schema: spec.Schema, totals: newTotals(p.asOf)}
	for _, f := range w.schema.Fields() {
		at := -1
		if i := p.schema.FieldIndices(f.Name); len(i) == 1 {
			at = i[0]
		}
		w.from = append(w.from, at)
	}
	if p.merge {
		return w, nil
	}
	out := newRowBuilder(p.schema, p.o.Zone)
	return &computing{writer: w, account: p.account.Type, engine: engine{account: p.account.Type, asOf: p.asOf, out: out}}, nil
}

func newNonce() string {
	var nonce [4]byte
	rand.Read(nonce[:]) // never fails
	return hex.EncodeToString(nonce[:])
}

// written is what a task reports to the commit.
type written struct {
	Files  []catalog.DataFile `json:"files"`
	Totals totals             `json:"totals"`
}

// writer writes rows of features.
type writer struct {
	files  *catalog.FileWriter
	schema *arrow.Schema
	from   []int // by column of the table: that of the features, -1 for none
	totals totals
}

// Write adds features.
func (w *writer) Write(ctx context.Context, rec arrow.RecordBatch) error {
	if rec.NumRows() == 0 {
		return nil
	}
	w.totals.add(rec)
	cols := make([]arrow.Array, len(w.from))
	for i, at := range w.from {
		if at >= 0 {
			cols[i] = rec.Column(at)
			continue
		}
		nulls := array.MakeArrayOfNull(memory.DefaultAllocator, w.schema.Field(i).Type, int(rec.NumRows()))
		defer nulls.Release()
		cols[i] = nulls
	}
	arranged := array.NewRecordBatch(w.schema, cols, rec.NumRows())
	defer arranged.Release()
	return w.files.Write(ctx, arranged)
}

// Close ends the files and describes them.
func (w *writer) Close(ctx context.Context) ([][]byte, error) {
	files, err := w.files.Close(ctx)
	if err != nil {
		return nil, err
	}
	return report(files, w.totals)
}

// report describes a task's files to the commit.
func report(files []catalog.DataFile, t totals) ([][]byte, error) {
	if err := t.seal(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(written{Files: files, Totals: t})
	if err != nil {
		return nil, fmt.Errorf("describe written files: %w", err)
	}
	return [][]byte{data}, nil
}

// Abort deletes what was written; what cannot be deleted now is collected by maintenance.
func (w *writer) Abort(ctx context.Context) { _ = w.files.Abort(context.WithoutCancel(ctx)) }

// computing makes features of exchanged rows, which come in eventOrder, and writes them.
type computing struct {
	*writer
	account arrow.DataType
	engine  engine
}

// Write takes exchanged rows in.
func (c *computing) Write(ctx context.Context, rec arrow.RecordBatch) error {
	key, kinds := keys(rec.Column(0)), rec.Column(2).(*array.Int32)
	seen := rec.Column(1).(*array.Timestamp)
	booked, amount := rec.Column(3).(*array.Timestamp), rec.Column(4).(*array.Decimal128)
	for i := range int(rec.NumRows()) {
		var err error
		switch k := key(i); kinds.Value(i) {
		case rowAccount:
			err = c.engine.list(k, currencyAt(rec, 5, i))
		case rowMovement:
			m := feature.Movement{BookedAt: int64(booked.Value(i)), KnownAt: int64(seen.Value(i)), Amount: int128(amount, i)}
			err = c.engine.move(k, m, currencyAt(rec, 5, i))
		default:
			err = c.engine.ask(k, int64(seen.Value(i)))
		}
		if err != nil {
			return err
		}
		if c.engine.out.rows >= dataset.DefaultBatchRows {
			if err := c.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *computing) flush(ctx context.Context) error {
	b := c.engine.out.batch()
	if b == nil {
		return nil
	}
	defer b.Release()
	return c.writer.Write(ctx, b)
}

// Close ends the last account, and the files.
func (c *computing) Close(ctx context.Context) ([][]byte, error) {
	if err := c.engine.finish(); err != nil {
		return nil, err
	}
	if err := c.flush(ctx); err != nil {
		return nil, err
	}
	c.engine.out.release()
	return c.writer.Close(ctx)
}
