package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// deletesOpen is how many delete files are read at once.
const deletesOpen = 4

// readDeletes reads a split's position-delete files, each once, and gives the sorted positions by data file.
func (l *Lake) readDeletes(ctx context.Context, split ScanSplit) (map[string][]int64, error) {
	wanted := map[string]bool{}
	var files []string
	for _, f := range split.Files {
		if len(f.Deletes) > 0 {
			wanted[f.Path] = true
			files = append(files, f.Deletes...)
		}
	}
	slices.Sort(files)
	files = slices.Compact(files)
	out := map[string][]int64{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(deletesOpen)
	for _, path := range files {
		g.Go(func() error {
			found := map[string][]int64{}
			if err := l.readDeleteFile(ctx, path, wanted, found); err != nil {
				return fmt.Errorf("read deletes %s: %w", path, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for data, rows := range found {
				out[data] = append(out[data], rows...)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for data, rows := range out {
		slices.Sort(rows)
		out[data] = slices.Compact(rows)
	}
	return out, nil
}

func (l *Lake) readDeleteFile(ctx context.Context, path string, wanted map[string]bool, into map[string][]int64) (err error) {
	pf, closeFile, err := l.openParquet(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFile()) }()
	r, err := pf.NewReader(ctx, parquetfile.ReaderOptions{Fields: deleteSchema.Fields(), Dictionaries: []string{deletePath}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		collectDeletes(rec, wanted, into)
		rec.Release()
	}
}

// collectDeletes adds the positions of wanted data files, run by run of one path.
func collectDeletes(rec arrow.RecordBatch, wanted map[string]bool, into map[string][]int64) {
	paths, pos := rec.Column(0).(*array.Dictionary), rec.Column(1).(*array.Int64).Int64Values()
	names := paths.Dictionary().(*array.String)
	for i := 0; i < len(pos); {
		k := paths.GetValueIndex(i)
		j := i + 1
		for j < len(pos) && paths.GetValueIndex(j) == k {
			j++
		}
		if name := names.Value(k); wanted[name] {
			into[name] = append(into[name], pos[i:j]...)
		}
		i = j
	}
}

// liveRows leaves the deleted rows out of a batch that begins at a row of its file, and takes the batch over. deleted are
// the sorted positions of the file's deleted rows. It is nil if none are left.
func liveRows(rec arrow.RecordBatch, from int64, deleted []int64) (arrow.RecordBatch, error) {
	n := rec.NumRows()
	lo, _ := slices.BinarySearch(deleted, from)
	hi, _ := slices.BinarySearch(deleted, from+n)
	if lo == hi {
		return rec, nil
	}
	defer rec.Release()
	if int64(hi-lo) == n {
		return nil, nil
	}
	refs := make([]columns.Ref, 0, n-int64(hi-lo))
	gone := deleted[lo:hi]
	for i := range n {
		if len(gone) > 0 && gone[0] == from+i {
			gone = gone[1:]
			continue
		}
		refs = append(refs, columns.Ref{Row: uint32(i)})
	}
	return columns.Gather(rec.Schema(), []arrow.RecordBatch{rec}, refs)
}
