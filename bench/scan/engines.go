package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// threads is how many threads each engine may use.
const threads = 2

// scenario is one scan.
type scenario struct {
	Name    string
	Columns []string
	Filter  bool // currency = 'CU3' and amount >= 5000.00
}

func scenarios() []scenario {
	var all []string
	for _, f := range schema.Fields() {
		all = append(all, f.Name)
	}
	return []scenario{
		{"all 12 columns", all, false},
		{"3 columns", []string{"amount", "posted_at", "currency"}, false},
		{"filter", []string{"currency", "amount", "balance"}, true},
	}
}

// scanMillrace scans by the lake's own reader, a split at a time on each thread.
func scanMillrace(ctx context.Context, dir string, sc scenario) (map[string]string, error) {
	l, err := openLake(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	cut, err := l.At(ctx, catalog.At{})
	if err != nil {
		return nil, err
	}
	plan, err := cut.PlanScan(ctx, tableName, catalog.ScanOptions{Columns: sc.Columns})
	if err != nil {
		return nil, err
	}
	opts := catalog.ReadOptions{Allocator: parquetfile.NewRecycler(0)}
	if sc.Filter {
		opts.Filter = condition
	}
	return inParallel(ctx, sc, len(plan.Splits), func(ctx context.Context, i int, each func(arrow.RecordBatch) error) error {
		s, err := l.OpenSplit(ctx, plan.Schema, plan.Splits[i], opts)
		if err != nil {
			return err
		}
		return catalog.EachBatch(ctx, s, each)
	})
}

// inParallel works on n pieces with all threads and adds up what they give.
func inParallel(ctx context.Context, sc scenario, n int, piece func(ctx context.Context, i int, each func(arrow.RecordBatch) error) error) (map[string]string, error) {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	parts := make([]*sums, threads)
	for t := range parts {
		parts[t] = newSums(sc.Columns)
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := piece(ctx, i, func(rec arrow.RecordBatch) error { return parts[t].add(rec) }); err != nil {
					return err
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, p := range parts[1:] {
		parts[0].merge(p)
	}
	return parts[0].answer(), nil
}

// condition is the filter scenario's; it gives the sums of the rows that are kept.
var condition = expr.Col("currency").Eq("CU3").And(expr.Col("amount").Ge(5000))

func dataFiles(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "warehouse", "*", "*", "data", "*.parquet"))
	if err == nil && len(files) == 0 {
		err = errors.New("the table has no files")
	}
	return files, err
}

// scanArrowGo scans by arrow-go's own reader, a row group at a time on each thread.
func scanArrowGo(ctx context.Context, dir string, sc scenario) (map[string]string, error) {
	files, err := dataFiles(dir)
	if err != nil {
		return nil, err
	}
	type group struct {
		file string
		n    int
	}
	var groups []group
	for _, f := range files {
		r, err := file.OpenParquetFile(f, false)
		if err != nil {
			return nil, err
		}
		for i := range r.NumRowGroups() {
			groups = append(groups, group{f, i})
		}
		if err := r.Close(); err != nil {
			return nil, err
		}
	}
	return inParallel(ctx, sc, len(groups), func(ctx context.Context, i int, each func(arrow.RecordBatch) error) error {
		return arrowGoGroup(ctx, groups[i].file, groups[i].n, sc, filtered(sc, each))
	})
}

// filtered applies the scenario's filter to the batches of a reader that has none.
func filtered(sc scenario, each func(arrow.RecordBatch) error) func(arrow.RecordBatch) error {
	if !sc.Filter {
		return each
	}
	return func(rec arrow.RecordBatch) error {
		bound, err := expr.Bind(condition, rec.Schema())
		if err != nil {
			return err
		}
		kept, err := bound.Filter(rec)
		if err != nil {
			return err
		}
		defer kept.Release()
		return each(kept)
	}
}

func arrowGoGroup(ctx context.Context, path string, group int, sc scenario, each func(arrow.RecordBatch) error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	pf, err := file.NewParquetReader(f)
	if err != nil {
		return err
	}
	r, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 1 << 14}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	var cols []int
	for _, c := range sc.Columns {
		i := pf.MetaData().Schema.ColumnIndexByName(c)
		if i < 0 {
			return fmt.Errorf("no column %s in %s", c, path)
		}
		cols = append(cols, i)
	}
	rr, err := r.GetRecordReader(ctx, cols, []int{group})
	if err != nil {
		return err
	}
	defer rr.Release()
	for {
		rec, err := rr.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rec, err = inOrder(rec, sc.Columns)
		if err != nil {
			return err
		}
		if err := each(rec); err != nil {
			return err
		}
	}
}

// inOrder puts the columns of a batch, which come in the file's order, into the scenario's.
func inOrder(rec arrow.RecordBatch, names []string) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(names))
	fields := make([]arrow.Field, len(names))
	for i, n := range names {
		at := rec.Schema().FieldIndices(n)
		if len(at) != 1 {
			return nil, fmt.Errorf("column %s is missing", n)
		}
		cols[i], fields[i] = rec.Column(at[0]), rec.Schema().Field(at[0])
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, rec.NumRows()), nil
}
