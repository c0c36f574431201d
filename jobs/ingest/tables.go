package ingest

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/catalog/mirror"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
)

// follower writes the lake tables of one source table. It is used by one goroutine at a time.
type follower struct {
	table  Table
	spec   catalog.TableSpec // of the mirror; the log's derives from it
	mirror *mirror.Mirror    // nil without a mirror
}

// spec is the mirror's layout.
func (t Table) spec(namespace string) catalog.TableSpec {
	props := map[string]string{}
	if t.AppendOnly {
		props[mirror.PropAppendOnly] = "true"
	}
	if t.Control != "" {
		props[changelog.ControlProperty] = t.Control
	}
	sort := t.SortBy
	if len(sort) == 0 {
		sort = t.Key
	}
	return catalog.TableSpec{Name: namespace + "." + t.Name, Schema: t.Schema, Kind: catalog.Mirror, Key: t.Key,
		BucketBy: t.BucketBy, Buckets: t.Buckets, SortBy: sort, Properties: props}
}

// open makes sure that all lake tables are there, and opens the mirrors.
func open(ctx context.Context, o *Options) (map[string]*follower, error) {
	out := map[string]*follower{}
	if err := o.Lake.EnsureTable(ctx, changelog.DeadLetterSpec(o.Namespace)); err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	for _, t := range o.Tables {
		if out[t.Name] != nil {
			return nil, fault.Usagef("ingest: table %s is listed twice", t.Name)
		}
		f, err := openTable(ctx, o, t)
		if err != nil {
			closeAll(out)
			return nil, fmt.Errorf("ingest: table %s: %w", t.Name, err)
		}
		out[t.Name] = f
	}
	return out, nil
}

func openTable(ctx context.Context, o *Options, t Table) (*follower, error) {
	f := &follower{table: t, spec: t.spec(o.Namespace)}
	if t.History {
		log, err := changelog.SpecFor(f.spec)
		if err != nil {
			return nil, err
		}
		if err := o.Lake.EnsureTable(ctx, log); err != nil {
			return nil, err
		}
	}
	if !t.Mirror {
		return f, nil
	}
	if err := o.Lake.EnsureTable(ctx, f.spec); err != nil {
		return nil, err
	}
	m, err := mirror.Open(ctx, o.Lake, f.spec.Name, mirror.Options{Logger: o.Logger, MemoryBudget: o.IndexMemory})
	if err != nil {
		return nil, err
	}
	f.mirror = m
	return f, nil
}

func closeAll(fs map[string]*follower) {
	for _, f := range fs {
		if f.mirror != nil {
			_ = f.mirror.Close() // it holds temporary files only, and says nothing
		}
	}
}

// grow widens the follower's schema by columns that the batches bring.
func (f *follower) grow(batches []*source.Batch) {
	for _, b := range batches {
		for _, field := range b.Row.Schema().Fields() {
			if _, known := f.spec.Schema.FieldsByName(field.Name); !known {
				field.Nullable = true
				f.spec.Schema = arrow.NewSchema(append(f.spec.Schema.Fields(), field), nil)
			}
		}
	}
}

// apply writes what the batches mean to the table's lake tables.
func (f *follower) apply(ctx context.Context, lake *catalog.Lake, epoch, nonce string, batches []*source.Batch) ([]catalog.TableChange, error) {
	f.grow(batches)
	var out []catalog.TableChange
	if f.table.History {
		ch, err := f.log(ctx, lake, epoch, nonce, batches)
		if err != nil {
			return nil, err
		}
		out = append(out, ch)
	}
	if f.mirror == nil {
		return out, nil
	}
	ch, err := f.mirror.Apply(ctx, epoch, batches)
	if err != nil {
		return nil, err
	}
	return append(out, ch), nil
}

// log writes the batches' rows of the change log.
func (f *follower) log(ctx context.Context, lake *catalog.Lake, epoch, nonce string, batches []*source.Batch) (catalog.TableChange, error) {
	spec, err := changelog.SpecFor(f.spec)
	if err != nil {
		return catalog.TableChange{}, err
	}
	build, err := changelog.NewBuilder(f.spec)
	if err != nil {
		return catalog.TableChange{}, err
	}
	w, err := newWriter(ctx, lake, spec, build.Schema(), epoch, nonce)
	if err != nil {
		return catalog.TableChange{}, err
	}
	defer func() { _ = w.Abort(context.WithoutCancel(ctx)) }() // does nothing after Close
	for _, b := range batches {
		rec, err := build.Rows(b)
		if err != nil {
			return catalog.TableChange{}, err
		}
		err = w.Write(ctx, rec)
		rec.Release()
		if err != nil {
			return catalog.TableChange{}, err
		}
	}
	files, err := w.Close(ctx)
	if err != nil {
		return catalog.TableChange{}, err
	}
	totals, err := build.Totals()
	if err != nil {
		return catalog.TableChange{}, err
	}
	return catalog.TableChange{Table: spec.Name, Schema: build.Schema(), Add: files, Totals: totals}, nil
}

// newWriter opens a file writer for rows of the given schema, which the commit will evolve the table to.
// The table's columns may stand in another order than schema's: write through conform.
func newWriter(ctx context.Context, lake *catalog.Lake, spec catalog.TableSpec, schema *arrow.Schema, epoch, nonce string) (*rowWriter, error) {
	t, err := lake.Table(ctx, spec.Name)
	if err != nil {
		return nil, err
	}
	have, err := t.Spec()
	if err != nil {
		return nil, err
	}
	if have.Schema, err = lake.ResolveSchema(ctx, spec.Name, schema); err != nil {
		return nil, err
	}
	w, err := lake.NewFileWriter(catalog.Target{Location: t.Location(), Spec: have}, catalog.WriterOptions{EpochID: epoch, Nonce: nonce})
	if err != nil {
		return nil, err
	}
	return &rowWriter{w, have.Schema}, nil
}

// rowWriter is a file writer whose rows' columns are put in the table's order first.
type rowWriter struct {
	*catalog.FileWriter
	schema *arrow.Schema
}

// Write writes rows whose columns are found by name; a column that they lack is null.
func (w *rowWriter) Write(ctx context.Context, rec arrow.RecordBatch) error {
	cols := make([]arrow.Array, w.schema.NumFields())
	for i, f := range w.schema.Fields() {
		if at := rec.Schema().FieldIndices(f.Name); len(at) == 1 {
			cols[i] = rec.Column(at[0])
			continue
		}
		nulls := array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, int(rec.NumRows()))
		defer nulls.Release()
		cols[i] = nulls
	}
	ordered := array.NewRecordBatch(w.schema, cols, rec.NumRows())
	defer ordered.Release()
	return w.FileWriter.Write(ctx, ordered)
}

// deadLetters writes rejected events to the dead-letter table.
func deadLetters(ctx context.Context, lake *catalog.Lake, namespace, epoch, nonce string, attempt int, rejected []source.Rejected) (catalog.TableChange, error) {
	spec := changelog.DeadLetterSpec(namespace)
	w, err := newWriter(ctx, lake, spec, spec.Schema, epoch, nonce)
	if err != nil {
		return catalog.TableChange{}, err
	}
	defer func() { _ = w.Abort(context.WithoutCancel(ctx)) }() // does nothing after Close
	rec := changelog.DeadLetters(epoch, attempt, rejected)
	defer rec.Release()
	if err := w.Write(ctx, rec); err != nil {
		return catalog.TableChange{}, err
	}
	files, err := w.Close(ctx)
	if err != nil {
		return catalog.TableChange{}, err
	}
	return catalog.TableChange{Table: spec.Name, Add: files, Totals: changelog.DeadLetterTotals(rejected)}, nil
}
