// Package datasettest helps to test pipelines of datasets.
//
// [Tables] is a lake in memory: put rows in, run a pipeline over it on any
// runner whose workers are this process, and read what it wrote. It keeps the
// contract of dataset.Tables: atomic commits, idempotent by identity, buckets, sorted files, pinned states.
package datasettest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
)

// Kind is the kind of the Ref of Tables.
const Kind = "memory"

// Tables is a lake in memory. It is safe for concurrent use. It is a dataset.Lake and a dataset.Tables.
type Tables struct {
	name string

	mu     sync.Mutex
	cut    int64
	tables map[string]*table
	done   map[string]bool // identities that were committed
	staged map[string][]file
}

// table is the history of a table: what it held after each cut that changed it.
type table struct {
	schema *arrow.Schema
	layout dataset.Layout
	key    []string
	states []state
}

type state struct {
	cut   int64
	files []file
}

// file is a batch of rows of one bucket.
type file struct {
	bucket int
	batch  arrow.RecordBatch
}

// NewTables makes an empty lake. The name tells it apart from others in one pipeline.
func NewTables(name string) *Tables {
	return &Tables{name: name, tables: map[string]*table{}, done: map[string]bool{}, staged: map[string][]file{}}
}

// DatasetTables is t.
func (t *Tables) DatasetTables() dataset.Tables { return t }

// Ref names the lake.
func (t *Tables) Ref() dataset.Ref { return dataset.Ref{Kind: Kind, Config: t.name} }

// Put creates or replaces a table. Each batch becomes a file; of a bucketed
// layout, one file a bucket and batch. Rows must be in the layout's order already.
func (t *Tables) Put(name string, layout dataset.Layout, schema *arrow.Schema, batches ...arrow.RecordBatch) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var files []file
	for _, b := range batches {
		fs, err := split(b, layout)
		if err != nil {
			return err
		}
		files = append(files, fs...)
	}
	t.cut++
	t.tables[name] = &table{schema: schema, layout: layout, states: []state{{t.cut, files}}}
	return nil
}

// split cuts a batch into files by bucket.
func split(b arrow.RecordBatch, layout dataset.Layout) ([]file, error) {
	b.Retain()
	if layout.BucketBy == "" {
		return []file{{-1, b}}, nil
	}
	at := b.Schema().FieldIndices(layout.BucketBy)
	if len(at) != 1 {
		return nil, fmt.Errorf("no bucket column %q", layout.BucketBy)
	}
	of := dataset.BucketNumbers(b.Column(at[0]), layout.Buckets, nil)
	var files []file
	for n := range layout.Buckets {
		var parts []arrow.RecordBatch
		for row := range of {
			if of[row] == int32(n) {
				parts = append(parts, b.NewSlice(int64(row), int64(row)+1))
			}
		}
		if len(parts) == 0 {
			continue
		}
		joined, err := concat(b.Schema(), parts)
		if err != nil {
			return nil, err
		}
		files = append(files, file{n, joined})
	}
	return files, nil
}

func concat(schema *arrow.Schema, parts []arrow.RecordBatch) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, schema.NumFields())
	rows := int64(0)
	for _, p := range parts {
		rows += p.NumRows()
	}
	for c := range cols {
		arrays := make([]arrow.Array, len(parts))
		for i, p := range parts {
			arrays[i] = p.Column(c)
		}
		col, err := array.Concatenate(arrays, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		cols[c] = col
	}
	return array.NewRecordBatch(schema, cols, rows), nil
}

// Rows is all rows of a table's latest state as one batch, in no order. It fails for a table that does not exist.
func (t *Tables) Rows(name string) (arrow.RecordBatch, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tb, ok := t.tables[name]
	if !ok {
		return nil, fmt.Errorf("table %s: %w", name, dataset.ErrNoTable)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, tb.schema)
	defer b.Release()
	parts := []arrow.RecordBatch{b.NewRecordBatch()}
	for _, f := range tb.states[len(tb.states)-1].files {
		parts = append(parts, f.batch)
	}
	return concat(tb.schema, parts)
}

// Files is how many files a table's latest state has.
func (t *Tables) Files(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	tb, ok := t.tables[name]
	if !ok {
		return 0
	}
	return len(tb.states[len(tb.states)-1].files)
}

// Commits is the number of the latest cut.
func (t *Tables) Commits() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cut
}

// Pin is the latest cut.
func (t *Tables) Pin(context.Context) (dataset.At, error) {
	return dataset.At{Cut: t.Commits()}, nil
}

// Describe returns what a table is now.
func (t *Tables) Describe(_ context.Context, name string) (dataset.TableInfo, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tb, ok := t.tables[name]
	if !ok {
		return dataset.TableInfo{}, fault.Mark(fault.Usage, fmt.Errorf("table %s: %w", name, dataset.ErrNoTable))
	}
	return dataset.TableInfo{Schema: tb.schema, Layout: tb.layout, Key: tb.key}, nil
}

type splitData struct {
	State int `json:"state"`
	File  int `json:"file"`
}

// PlanScan makes one split of each file.
func (t *Tables) PlanScan(ctx context.Context, name string, opts dataset.ScanOptions) (dataset.ScanPlan, error) {
	info, err := t.Describe(ctx, name)
	if err != nil {
		return dataset.ScanPlan{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	tb := t.tables[name]
	at := len(tb.states) - 1
	for opts.At.Cut > 0 && at >= 0 && tb.states[at].cut > opts.At.Cut {
		at--
	}
	plan := dataset.ScanPlan{Schema: info.Schema, Layout: tb.layout}
	if opts.Columns != nil {
		fields := make([]arrow.Field, len(opts.Columns))
		for i, c := range opts.Columns {
			f := info.Schema.FieldIndices(c)
			if len(f) != 1 {
				return plan, fault.Usagef("table %s has no column %q", name, c)
			}
			fields[i] = info.Schema.Field(f[0])
		}
		plan.Schema = arrow.NewSchema(fields, nil)
	}
	if at < 0 {
		return plan, nil
	}
	for i, f := range tb.states[at].files {
		data, err := json.Marshal(splitData{at, i})
		if err != nil {
			return plan, err
		}
		plan.Splits = append(plan.Splits, dataset.Split{Bucket: f.bucket, Rows: f.batch.NumRows(), Data: data})
	}
	return plan, nil
}

// OpenSplit reads a file in batches.
func (t *Tables) OpenSplit(_ context.Context, name string, sp dataset.Split, opts dataset.ScanOptions) (dataset.BatchReader, error) {
	var d splitData
	if err := json.Unmarshal(sp.Data, &d); err != nil {
		return nil, fmt.Errorf("decode split: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	batch := t.tables[name].states[d.State].files[d.File].batch
	return newReader(batch, opts)
}

// NewWriter collects batches.
func (t *Tables) NewWriter(_ context.Context, spec dataset.WriteSpec, task dataset.TaskID) (dataset.Writer, error) {
	return &writer{t: t, spec: spec, id: spec.Identity + "/" + task.String()}, nil
}

type writer struct {
	t    *Tables
	spec dataset.WriteSpec
	id   string
	rows []arrow.RecordBatch
}

func (w *writer) Write(_ context.Context, b arrow.RecordBatch) error {
	b.Retain()
	w.rows = append(w.rows, b)
	return nil
}

func (w *writer) Close(context.Context) ([][]byte, error) {
	if len(w.rows) == 0 {
		return nil, nil
	}
	all, err := concat(w.spec.Schema, w.rows)
	if err != nil {
		return nil, err
	}
	files, err := split(all, w.spec.Layout)
	if err != nil {
		return nil, err
	}
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	w.t.staged[w.id] = files
	return [][]byte{[]byte(w.id)}, nil
}

func (w *writer) Abort(context.Context) { w.rows = nil }

// Commit shows the files.
func (t *Tables) Commit(_ context.Context, spec dataset.WriteSpec, files [][]byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done[spec.Identity] {
		return nil
	}
	tb, ok := t.tables[spec.Table]
	if !ok {
		tb = &table{schema: spec.Schema, layout: spec.Layout, key: spec.Key}
		t.tables[spec.Table] = tb
	}
	t.cut++
	next := state{cut: t.cut}
	if spec.Mode == dataset.Add && len(tb.states) > 0 {
		next.files = slices.Clone(tb.states[len(tb.states)-1].files)
	}
	for _, id := range files {
		staged, ok := t.staged[string(id)]
		if !ok {
			return fmt.Errorf("commit table %s: file %s was never written", spec.Table, id)
		}
		next.files = append(next.files, staged...)
	}
	slices.SortStableFunc(next.files, func(a, b file) int { return cmp.Compare(a.bucket, b.bucket) })
	tb.states = append(tb.states, next)
	t.done[spec.Identity] = true
	return nil
}
