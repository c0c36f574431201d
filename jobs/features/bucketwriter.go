package features

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/dataset"
)

// bucketWriter writes features that come bucket by bucket, in the table's order: they stream into
// files as they come, and nothing is held or sorted.
type bucketWriter struct {
	p      *Plan
	task   dataset.TaskID
	spec   catalog.TableSpec
	totals totals

	bucket int32 // of out
	out    dataset.Writer
	files  []catalog.DataFile
	of     []int32
}

// Write adds features, all of one bucket.
func (w *bucketWriter) Write(ctx context.Context, rec arrow.RecordBatch) error {
	if rec.NumRows() == 0 {
		return nil
	}
	one := array.NewSlice(rec.Column(0), 0, 1)
	defer one.Release()
	w.of = dataset.BucketNumbers(one, w.spec.Buckets, w.of[:0])
	if w.out == nil || w.of[0] != w.bucket {
		if err := w.open(ctx, w.of[0]); err != nil {
			return err
		}
	}
	w.totals.add(rec)
	return w.out.Write(ctx, rec) // which checks each row's bucket
}

// open ends the files of one bucket and starts those of another.
func (w *bucketWriter) open(ctx context.Context, bucket int32) error {
	if err := w.end(ctx); err != nil {
		return err
	}
	task := w.task
	task.Run, task.Partition = "features-"+w.p.nonce, int64(bucket)
	out, err := w.p.o.Lake.DatasetTables().NewWriter(ctx, dataset.WriteSpec{
		Table: w.p.o.Table, Schema: w.p.schema, Key: w.spec.Key, Mode: dataset.Add,
		Layout: dataset.Layout{BucketBy: w.spec.BucketBy, Buckets: w.spec.Buckets, SortBy: w.spec.SortBy},
	}, task)
	if err != nil {
		return err
	}
	w.bucket, w.out = bucket, out
	return nil
}

func (w *bucketWriter) end(ctx context.Context) error {
	if w.out == nil {
		return nil
	}
	files, err := w.out.Close(ctx)
	if err != nil {
		return err
	}
	w.out = nil
	for _, data := range files {
		var f catalog.DataFile
		if err := json.Unmarshal(data, &f); err != nil {
			return fmt.Errorf("describe a data file: %w", err)
		}
		w.files = append(w.files, f)
	}
	return nil
}

// Close ends the files and describes them.
func (w *bucketWriter) Close(ctx context.Context) ([][]byte, error) {
	if err := w.end(ctx); err != nil {
		return nil, err
	}
	return report(w.files, w.totals)
}

// Abort drops the file in progress; those that ended are collected by maintenance.
func (w *bucketWriter) Abort(ctx context.Context) {
	if w.out != nil {
		w.out.Abort(ctx)
	}
}
