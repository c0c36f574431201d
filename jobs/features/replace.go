package features

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
)

// replacing adds to a change what it takes out of the table as it stands now: all rows before a run over
// pairs, else those of the run's instants. A file that holds others too is written again without them.
// done says that the change is in the table already.
func (p *Plan) replacing(ctx context.Context, ch catalog.TableChange, epoch string, rep *Report) (out catalog.TableChange, done bool, err error) {
	rep.Replaced = 0
	t, err := p.o.Lake.Table(ctx, p.o.Table)
	if err != nil {
		return ch, false, err
	}
	files, err := t.Files(ctx)
	if err != nil {
		return ch, false, err
	}
	own := map[string]bool{}
	for _, f := range ch.Add {
		own[f.Path] = true
	}
	for _, f := range files {
		if own[f.Path] { // another attempt of this commit was applied
			rep.Committed, rep.Snapshot = t.Cut(), t.Snapshot()
			return ch, true, nil
		}
	}
	if p.asOf == nil {
		ch.ReplaceAll, rep.Replaced = true, t.Rows()
		return ch, false, nil
	}
	r := rewriter{p: p, table: t, epoch: epoch}
	if r.asOf, err = r.asOfField(); err != nil {
		return ch, false, err
	}
	ch.Add = append([]catalog.DataFile(nil), ch.Add...)
	for _, f := range files {
		removed, kept, err := r.file(ctx, f)
		if err != nil {
			return ch, false, err
		}
		if removed == 0 {
			continue
		}
		rep.Replaced += removed
		ch.Remove, ch.Based = append(ch.Remove, f.Path), t.Snapshot()
		if kept != nil {
			ch.Add = append(ch.Add, *kept)
		}
	}
	ch.Totals.Deletes = rep.Replaced
	return ch, false, nil
}

// rewriter takes the rows of a run's instants out of files.
type rewriter struct {
	p     *Plan
	table *catalog.Table
	epoch string
	asOf  int // field id
	n     int // files written
}

func (r *rewriter) asOfField() (int, error) {
	schema, err := r.table.Schema()
	if err != nil {
		return 0, err
	}
	at := schema.FieldIndices(ColAsOf)
	if len(at) != 1 {
		return 0, fault.Usagef("the table %s has no column %s", r.table.Name(), ColAsOf)
	}
	id, ok := schema.Field(at[0]).Metadata.GetValue(catalog.FieldIDKey)
	if !ok {
		return 0, fmt.Errorf("the column %s of %s has no field id", ColAsOf, r.table.Name())
	}
	return strconv.Atoi(id)
}

// file tells how many rows of a file are replaced, and writes those that are not to a new one.
func (r *rewriter) file(ctx context.Context, f catalog.TableFile) (removed int64, kept *catalog.DataFile, err error) {
	touched, whole := r.bounds(f)
	if !touched {
		return 0, nil, nil
	}
	if len(f.Deletes) > 0 {
		return 0, nil, fault.Usagef("rows of %s are deleted by position, in %s: compact the table first (millrace maintain)", f.Path, f.Deletes[0])
	}
	if whole {
		return f.Rows, nil, nil
	}
	if removed, err = r.count(ctx, f); err != nil || removed == 0 || removed == f.Rows {
		return removed, nil, err
	}
	rest, err := r.rest(ctx, f)
	if err != nil {
		return 0, nil, err
	}
	if rest.Rows != f.Rows-removed {
		return 0, nil, fmt.Errorf("%s has %d rows, of which %d are replaced and %d are not", f.Path, f.Rows, removed, rest.Rows)
	}
	return removed, &rest, nil
}

// replaced is the filter of the rows that the run replaces.
func (r *rewriter) replaced() expr.Expr {
	instants := make([]any, len(r.p.asOf))
	for i, at := range r.p.asOf {
		instants[i] = time.UnixMicro(at).UTC()
	}
	return expr.Col(ColAsOf).In(instants...)
}

func (r *rewriter) open(ctx context.Context, f catalog.TableFile, filter expr.Expr, columns ...string) (catalog.Batches, error) {
	whole, err := r.table.Schema()
	if err != nil {
		return nil, err
	}
	schema := whole
	if len(columns) > 0 {
		fields := make([]arrow.Field, len(columns))
		for i, c := range columns {
			fields[i] = whole.Field(whole.FieldIndices(c)[0])
		}
		schema = arrow.NewSchema(fields, nil)
	}
	split := catalog.ScanSplit{Bucket: f.Bucket, Files: []catalog.ScanFile{{Path: f.Path, Bytes: f.Bytes, Rows: f.Rows, Sorted: f.Sorted}}}
	in, err := r.p.o.Lake.OpenSplit(ctx, schema, split, catalog.ReadOptions{Filter: filter, Table: whole, PrefetchBytes: 32 << 20})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Path, err)
	}
	return in, nil
}

// count is how many rows of a file are replaced.
func (r *rewriter) count(ctx context.Context, f catalog.TableFile) (n int64, err error) {
	in, err := r.open(ctx, f, r.replaced(), ColAsOf)
	if err != nil {
		return 0, err
	}
	return n, catalog.EachBatch(ctx, in, func(b arrow.RecordBatch) error {
		n += b.NumRows()
		return nil
	})
}

// bounds tells by its statistics whether a file may hold rows of the run's instants, and whether it holds no others.
func (r *rewriter) bounds(f catalog.TableFile) (touched, whole bool) {
	if f.Content != catalog.Rows {
		return false, false
	}
	st := f.Columns[r.asOf]
	if len(st.Lower) != 8 || len(st.Upper) != 8 {
		return true, false
	}
	lower, upper := int64(binary.LittleEndian.Uint64(st.Lower)), int64(binary.LittleEndian.Uint64(st.Upper))
	for _, at := range r.p.asOf {
		touched = touched || lower <= at && at <= upper
		whole = whole || lower == at && upper == at
	}
	return touched, whole
}

// rest writes a file's rows of other instants to a new file.
func (r *rewriter) rest(ctx context.Context, f catalog.TableFile) (out catalog.DataFile, err error) {
	in, err := r.open(ctx, f, r.replaced().Not())
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	spec, err := r.table.Spec()
	if err != nil {
		return out, err
	}
	r.n++
	folder := "data"
	if f.Bucket >= 0 {
		folder = fmt.Sprintf("data/bucket=%d", f.Bucket)
	}
	opts := catalog.FileOptions{Bucket: f.Bucket, Bucketed: f.Bucket >= 0}
	if f.Sorted {
		opts.SortBy = spec.SortBy
	}
	path := fmt.Sprintf("%s/%s/features-%s-%s-rest-%05d.parquet", r.table.Location(), folder, r.p.nonce, r.epoch, r.n)
	out, err = r.p.o.Lake.WriteFile(ctx, path, in.Schema(), batchesOf(ctx, in), opts)
	if err != nil {
		return out, fmt.Errorf("write the rest of %s: %w", f.Path, err)
	}
	return out, nil
}

// batchesOf yields what in reads, and releases it.
func batchesOf(ctx context.Context, in catalog.Batches) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for {
			b, err := in.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			ok := yield(b, nil)
			b.Release()
			if !ok {
				return
			}
		}
	}
}
