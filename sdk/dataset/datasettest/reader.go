package datasettest

import (
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/expr"
)

// reader yields a batch piece by piece, filtered and projected.
type reader struct {
	batch  arrow.RecordBatch
	filter *expr.Bound
	cols   []int
	out    *arrow.Schema
	step   int64
	at     int64
}

func newReader(batch arrow.RecordBatch, opts dataset.ScanOptions) (*reader, error) {
	filter, err := expr.Bind(opts.Filter, batch.Schema())
	if err != nil {
		return nil, err
	}
	r := &reader{batch: batch, filter: filter, step: int64(max(opts.BatchRows, 1)), out: batch.Schema()}
	for i := range batch.Schema().Fields() {
		r.cols = append(r.cols, i)
	}
	if opts.Columns != nil {
		r.cols = nil
		fields := make([]arrow.Field, len(opts.Columns))
		for i, c := range opts.Columns {
			at := batch.Schema().FieldIndices(c)[0] // PlanScan has checked
			r.cols = append(r.cols, at)
			fields[i] = batch.Schema().Field(at)
		}
		r.out = arrow.NewSchema(fields, nil)
	}
	return r, nil
}

// Next returns the next piece.
func (r *reader) Next(context.Context) (arrow.RecordBatch, error) {
	if r.at >= r.batch.NumRows() {
		return nil, io.EOF
	}
	end := min(r.at+r.step, r.batch.NumRows())
	piece := r.batch.NewSlice(r.at, end)
	defer piece.Release()
	r.at = end
	b, err := r.filter.Filter(piece)
	if err != nil {
		return nil, err
	}
	defer b.Release()
	cols := make([]arrow.Array, len(r.cols))
	for i, c := range r.cols {
		cols[i] = b.Column(c)
	}
	return array.NewRecordBatch(r.out, cols, b.NumRows()), nil
}

// Close does nothing.
func (r *reader) Close() error { return nil }
