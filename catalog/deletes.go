package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// deletedPaths reads which data files a position-delete file names. It is needed only where
// bounds leave a doubt: whether a compaction and an ingest met at the same file.
func (l *Lake) deletedPaths(ctx context.Context, d *liveFile) (map[string]bool, error) {
	if lower, upper := d.lower[DeletePathFieldID], d.upper[DeletePathFieldID]; lower != nil && string(lower) == string(upper) {
		return map[string]bool{string(lower): true}, nil
	}
	store, name, err := l.files.resolve(ctx, d.path)
	if err != nil {
		return nil, err
	}
	r, err := store.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read deletes %s: %w", d.path, err)
	}
	defer r.Close()
	paths, err := readPaths(r, r.Size())
	if err != nil {
		return nil, fmt.Errorf("read deletes %s: %w", d.path, err)
	}
	return paths, nil
}

// readPaths collects the distinct values of the column file_path of a Parquet file.
func readPaths(r io.ReaderAt, size int64) (map[string]bool, error) {
	f, err := parquet.OpenFile(r, size)
	if err != nil {
		return nil, err
	}
	leaf, ok := f.Schema().Lookup("file_path")
	if !ok {
		return nil, errors.New("it has no column file_path")
	}
	out := map[string]bool{}
	for _, group := range f.RowGroups() {
		if err := collectPaths(group.ColumnChunks()[leaf.ColumnIndex], out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func collectPaths(chunk parquet.ColumnChunk, out map[string]bool) error {
	pages := chunk.Pages()
	defer pages.Close()
	var buf [256]parquet.Value
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		values := page.Values()
		for {
			n, err := values.ReadValues(buf[:])
			for _, v := range buf[:n] {
				if !out[string(v.ByteArray())] { // looking up without copying: most rows name one of few files
					out[string(v.ByteArray())] = true
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		parquet.Release(page)
	}
}
