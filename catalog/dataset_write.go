package catalog

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
)

// NewWriter makes the table if it is not there, empty, and starts one task's
// files. The task's rows come in the table's order and, if it is bucketed, are of
// one bucket, so that they stream into files as they come.
func (d datasetTables) NewWriter(ctx context.Context, spec dataset.WriteSpec, task dataset.TaskID) (dataset.Writer, error) {
	to, err := d.target(ctx, spec)
	if err != nil {
		return nil, err
	}
	var nonce [4]byte
	rand.Read(nonce[:]) // never fails
	fw, err := d.lake.NewFileWriter(to, WriterOptions{EpochID: fileEpoch(task), Nonce: hex.EncodeToString(nonce[:])})
	if err != nil {
		return nil, err
	}
	w := &datasetWriter{fw: fw, out: &bucketFiles{w: fw, bucket: -1}}
	if fw.bucket >= 0 {
		w.out.bucket = int(task.Partition)
	}
	for _, f := range to.Spec.Schema.Fields() {
		at := -1
		if i := spec.Schema.FieldIndices(f.Name); len(i) == 1 {
			at = i[0]
		}
		w.from = append(w.from, at)
	}
	return w, nil
}

// fileEpoch is the task's part of file names.
func fileEpoch(task dataset.TaskID) string {
	name := task.Run + "-" + task.String()
	if plainFileName.MatchString(name) {
		return name
	}
	return task.String()
}

// target is the table as the files must be written for it: evolved to hold the rows, as the commit will do.
func (d datasetTables) target(ctx context.Context, spec dataset.WriteSpec) (Target, error) {
	t, err := d.lake.Table(ctx, spec.Table)
	if errors.Is(err, ErrNotFound) {
		err = d.lake.EnsureTable(ctx, TableSpec{
			Name: spec.Table, Schema: spec.Schema, Kind: Plain, Key: spec.Key,
			BucketBy: spec.Layout.BucketBy, Buckets: spec.Layout.Buckets, SortBy: spec.Layout.SortBy, Properties: spec.Properties,
		})
		if err == nil {
			t, err = d.lake.Table(ctx, spec.Table)
		}
	}
	if err != nil {
		return Target{}, err
	}
	to := Target{Location: t.Location()}
	if to.Spec, err = t.Spec(); err != nil {
		return Target{}, err
	}
	have := dataset.Layout{BucketBy: to.Spec.BucketBy, Buckets: to.Spec.Buckets}
	if have.BucketBy != spec.Layout.BucketBy || have.BucketBy != "" && have.Buckets != spec.Layout.Buckets {
		return Target{}, fault.Retryablef("table %s is laid out as bucket[%d](%s) now, not as bucket[%d](%s) when the pipeline was built: run it again",
			spec.Table, have.Buckets, have.BucketBy, spec.Layout.Buckets, spec.Layout.BucketBy)
	}
	to.Spec.SortBy = spec.Layout.SortBy // the order in which the rows really come
	to.Spec.Schema, err = d.lake.ResolveSchema(ctx, spec.Table, spec.Schema)
	return to, err
}

// datasetWriter streams the rows of one task into files of one bucket.
type datasetWriter struct {
	fw   *FileWriter
	out  *bucketFiles
	from []int // by column of the table: the column of the rows, -1 if they have none
	of   []int32
}

func (w *datasetWriter) Write(ctx context.Context, rec arrow.RecordBatch) error {
	if rec.NumRows() == 0 {
		return nil
	}
	arranged, err := w.arrange(rec)
	if err != nil {
		return err
	}
	defer arranged.Release()
	if err := w.checkBucket(arranged); err != nil {
		return err
	}
	return w.out.write(ctx, arranged)
}

// arrange gives the rows the table's columns.
func (w *datasetWriter) arrange(rec arrow.RecordBatch) (arrow.RecordBatch, error) {
	schema := w.fw.to.Spec.Schema
	cols := make([]arrow.Array, schema.NumFields())
	for i, f := range schema.Fields() {
		if w.from[i] < 0 {
			nulls := array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, int(rec.NumRows()))
			defer nulls.Release()
			cols[i] = nulls
			continue
		}
		cols[i] = rec.Column(w.from[i])
		if arrow.TypeEqual(cols[i].DataType(), f.Type) {
			continue
		}
		conformed, err := columns.Conform(cols[i], f.Type)
		if err != nil {
			return nil, fault.Usagef("column %q: %w", f.Name, err)
		}
		defer conformed.Release()
		cols[i] = conformed
	}
	return array.NewRecordBatch(schema, cols, rec.NumRows()), nil
}

// checkBucket makes sure that no row lands in a file of another bucket: a reader would never find it.
func (w *datasetWriter) checkBucket(rec arrow.RecordBatch) (err error) {
	if w.fw.bucket < 0 {
		return nil
	}
	spec := w.fw.to.Spec
	if w.of, err = BucketRows(w.of[:0], rec.Column(w.fw.bucket), spec.Buckets); err != nil {
		return fmt.Errorf("bucket column %q: %w", spec.BucketBy, err)
	}
	for row, b := range w.of {
		if int(b) != w.out.bucket {
			return fmt.Errorf("row %d with %s=%s belongs to bucket %d, not %d", row, spec.BucketBy, rec.Column(w.fw.bucket).ValueStr(row), b, w.out.bucket)
		}
	}
	return nil
}

// Close ends the files and describes them.
func (w *datasetWriter) Close(ctx context.Context) ([][]byte, error) {
	if err := w.out.finish(); err != nil {
		return nil, err
	}
	files, err := w.fw.Close(ctx)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(files))
	for i, f := range files {
		if out[i], err = json.Marshal(f); err != nil {
			return nil, fmt.Errorf("describe %s: %w", f.Path, err)
		}
	}
	return out, nil
}

// Abort deletes what was written; files that cannot be deleted now are collected by maintenance.
func (w *datasetWriter) Abort(ctx context.Context) {
	w.out.abort()
	if err := w.fw.Abort(ctx); err != nil {
		w.fw.lake.cfg.Logger.WarnContext(ctx, "files of a failed task are left to garbage collection", "table", w.fw.to.Spec.Name, "error", err)
	}
}

// Commit adds the files of all tasks in one step.
func (d datasetTables) Commit(ctx context.Context, spec dataset.WriteSpec, files [][]byte) error {
	change := TableChange{Table: spec.Table, Schema: spec.Schema, ReplaceAll: spec.Mode == dataset.Replace}
	for _, data := range files {
		var f DataFile
		if err := json.Unmarshal(data, &f); err != nil {
			return fmt.Errorf("decode a data file's description: %w", err)
		}
		change.Add = append(change.Add, f)
		change.Totals.Rows += f.Rows
	}
	if len(files) == 0 { // no task has seen to it
		if _, err := d.target(ctx, spec); err != nil {
			return err
		}
	}
	_, err := d.lake.Commit(ctx, Commit{Epoch: spec.Identity, Tables: []TableChange{change}, BusinessDate: spec.BusinessDate})
	return err
}
