package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// ReadOptions govern OpenSplit. The zero value reads the split's files one after the other.
type ReadOptions struct {
	// Filter leaves out the rows for which it is not true; nil keeps all. A plan does not filter rows, so it is given here again. Row
	// groups are left out by their statistics, and columns are decoded only where some row is kept. An evaluation that
	// fails (an overflow) fails the read, also on a row that is deleted.
	Filter expr.Expr
	// Table is the table's whole schema, needed where Filter names columns that are not among those read.
	Table *arrow.Schema
	// MergeBy, if set, merges the files into one order of these columns (usually Layout.SortBy of the plan), which every
	// file must have: that is checked while reading, and a file without it fails with ErrNotSorted. The columns must be
	// in the schema that is read.
	MergeBy []string
	// Dictionaries are text columns to give as dictionary<int32, string>. Not with MergeBy.
	Dictionaries []string
	// BatchRows is how many rows a batch holds at most. 0: 16,384.
	BatchRows int
	// PrefetchBytes bounds the stored bytes that are held of all open files together. 0: 128 MiB.
	PrefetchBytes int64
	// Allocator is where batches' buffers come from; nil: Go's heap. A parquetfile.Recycler spares a scan that keeps no values much work.
	// Rows that had to be copied (merged, or beside deleted ones) are on Go's heap in any case.
	Allocator memory.Allocator
	// Parallelism is how many files are decoded at once where MergeBy opens all of them. 0: 2.
	Parallelism int
}

func (o *ReadOptions) fill() {
	if o.BatchRows <= 0 {
		o.BatchRows = 1 << 14
	}
	if o.PrefetchBytes <= 0 {
		o.PrefetchBytes = 128 << 20
	}
	if o.Parallelism <= 0 {
		o.Parallelism = 2
	}
}

// OpenSplit reads a split of a scan. schema is the plan's: its columns are found in each file by field id, widened to
// its types, and null where a file is older than the column. Rows that position deletes name are left out; the delete
// files are read once, before OpenSplit returns. The stream reads ahead in goroutines of its own, which Close ends.
func (l *Lake) OpenSplit(ctx context.Context, schema *arrow.Schema, split ScanSplit, opts ReadOptions) (Batches, error) {
	opts.fill()
	sort, err := mergeColumns(schema, split, opts)
	if err != nil {
		return nil, fmt.Errorf("read a split: %w", err)
	}
	s := &splitReader{lake: l, schema: schema, opts: opts}
	if opts.Dictionaries != nil {
		s.schema = dictionarySchema(schema, opts.Dictionaries)
	}
	if s.fields, err = withFilter(s.schema, opts); err != nil {
		return nil, fmt.Errorf("read a split: %w", err)
	}
	if s.deleted, err = l.readDeletes(ctx, split); err != nil {
		return nil, fmt.Errorf("read a split: %w", err)
	}
	if sort == nil {
		return newAhead(ctx, s.schema, nil, "", func(ctx context.Context, out func(arrow.RecordBatch) error) error {
			for _, f := range split.Files {
				if err := s.file(ctx, f, opts.PrefetchBytes, out); err != nil {
					return err
				}
			}
			return nil
		}), nil
	}
	slots := make(chan struct{}, opts.Parallelism)
	in := make([]Batches, len(split.Files))
	for i, f := range split.Files {
		in[i] = newAhead(ctx, schema, slots, f.Path, func(ctx context.Context, out func(arrow.RecordBatch) error) error {
			return s.file(ctx, f, opts.PrefetchBytes/int64(len(in)), out)
		})
	}
	return newRowMerger(schema, sort, in, opts.BatchRows), nil
}

func mergeColumns(schema *arrow.Schema, split ScanSplit, opts ReadOptions) ([]int, error) {
	if opts.MergeBy == nil {
		return nil, nil
	}
	if opts.Dictionaries != nil {
		return nil, fault.Usagef("merging gives texts, not dictionaries")
	}
	var sort []int
	for _, name := range opts.MergeBy {
		i := columns.Index(schema, name)
		if i < 0 {
			return nil, fault.Usagef("merge by %q, which is not among the columns that are read", name)
		}
		if err := columns.CheckSortType(name, schema.Field(i).Type); err != nil {
			return nil, err
		}
		sort = append(sort, i)
	}
	for _, f := range split.Files {
		if !f.Sorted {
			return nil, fmt.Errorf("merge: %s is not sorted by the table's order: %w", f.Path, ErrNotSorted)
		}
	}
	return sort, nil
}

func dictionarySchema(s *arrow.Schema, names []string) *arrow.Schema {
	fields := s.Fields()
	for i, f := range fields {
		if slices.Contains(names, f.Name) && (f.Type.ID() == arrow.STRING || f.Type.ID() == arrow.BINARY) {
			fields[i].Type = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: f.Type}
		}
	}
	meta := s.Metadata()
	return arrow.NewSchema(fields, &meta)
}

// splitReader reads the files of one split.
type splitReader struct {
	lake    *Lake
	schema  *arrow.Schema // of the batches that are given out
	fields  []arrow.Field // to read: those of schema, then those that only the filter needs
	opts    ReadOptions
	deleted map[string][]int64
}

// file passes one file's rows to out, which takes the batches over.
func (s *splitReader) file(ctx context.Context, f ScanFile, prefetch int64, out func(arrow.RecordBatch) error) error {
	err := s.read(ctx, f, prefetch, out)
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("read %s: %w", f.Path, err)
	}
	return err
}

func (s *splitReader) read(ctx context.Context, f ScanFile, prefetch int64, out func(arrow.RecordBatch) error) (err error) {
	pf, closeFile, err := s.lake.openParquet(ctx, f.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	want := parquetfile.ReaderOptions{Fields: s.fields, RowGroups: f.RowGroups, BatchRows: s.opts.BatchRows, PrefetchBytes: prefetch, Allocator: s.opts.Allocator}
	var filter *fileFilter
	if s.opts.Filter != nil {
		if filter, err = newFileFilter(s.opts.Filter, s.fields, pf, f.RowGroups); err != nil {
			return err
		}
		want.Fields, want.Where = filter.fields, filter.where()
		want.RowGroups = groupsFor(filter.bound, s.fields, pf, f.RowGroups)
	}
	r, err := pf.NewReader(ctx, want)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return s.rows(ctx, r, filter, s.deleted[f.Path], out)
}

// rows passes a file's rows on, without those that the filter or deletes leave out.
func (s *splitReader) rows(ctx context.Context, r *parquetfile.Reader, filter *fileFilter, deleted []int64, out func(arrow.RecordBatch) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if filter != nil {
			rec, err = filter.apply(rec, r.Row(), deleted)
		} else {
			rec, err = liveRows(rec, r.Row(), deleted)
		}
		if err != nil {
			return err
		}
		if rec == nil {
			continue
		}
		if filter != nil {
			rec = outward(rec, s.schema)
		}
		if err := out(rec); err != nil {
			return err
		}
	}
}

// openParquet opens a data or delete file of the lake.
func (l *Lake) openParquet(ctx context.Context, location string) (*parquetfile.File, func() error, error) {
	store, name, err := l.files.resolve(ctx, location)
	if err != nil {
		return nil, nil, err
	}
	r, err := store.Open(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	f, err := parquetfile.OpenFile(r, r.Size())
	if err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	return f, r.Close, nil
}
