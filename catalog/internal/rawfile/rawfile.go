// Package rawfile reads the lake's files row by position, deleted rows too, for the writers that keep track of positions.
//
// Nouns. A position is the number of a row in its file, from 0. A [Bitmap] is a set of positions. A
// position-delete file names rows of data files that are not in the table any more.
//
// Errors are the storage's and parquetfile's, naming the file.
package rawfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/parquetfile"
	"github.com/millrace/millrace/sdk/storage"
)

// Reader streams all rows of one file. It is not safe for concurrent use.
type Reader struct {
	path string
	in   storage.Reader
	r    *parquetfile.Reader
}

// Open opens a Parquet file of the lake at a full location.
func Open(ctx context.Context, lake *catalog.Lake, path string, opts parquetfile.ReaderOptions) (*Reader, error) {
	store, name, err := lake.Storage(ctx, path)
	if err != nil {
		return nil, err
	}
	in, err := store.Open(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	f, err := parquetfile.OpenFile(in, in.Size())
	if err == nil {
		var r *parquetfile.Reader
		if r, err = f.NewReader(ctx, opts); err == nil {
			return &Reader{path, in, r}, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), in.Close())
}

// Next gives the next rows, which the caller releases, or io.EOF.
func (r *Reader) Next() (arrow.RecordBatch, error) {
	rec, err := r.r.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", r.path, err)
	}
	return rec, err
}

// Close lets go of the file.
func (r *Reader) Close() error { return errors.Join(r.r.Close(), r.in.Close()) }

// Read visits all rows of a file in their order. Batches are released after each visit.
func Read(ctx context.Context, lake *catalog.Lake, path string, opts parquetfile.ReaderOptions, visit func(arrow.RecordBatch) error) (err error) {
	r, err := Open(ctx, lake, path, opts)
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
		err = visit(rec)
		rec.Release()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

func deleteFields() []arrow.Field {
	id := func(n int) arrow.Metadata {
		return arrow.NewMetadata([]string{catalog.FieldIDKey}, []string{strconv.Itoa(n)})
	}
	return []arrow.Field{
		{Name: "file_path", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, Metadata: id(catalog.DeletePathFieldID)},
		{Name: "pos", Type: arrow.PrimitiveTypes.Int64, Metadata: id(catalog.DeletePosFieldID)},
	}
}

// Deletes visits the rows that a position-delete file deletes, in its order.
func Deletes(ctx context.Context, lake *catalog.Lake, path string, visit func(file string, row int64)) error {
	return Read(ctx, lake, path, parquetfile.ReaderOptions{Fields: deleteFields()}, func(rec arrow.RecordBatch) error {
		files, ok := rec.Column(0).(*array.Dictionary)
		if !ok {
			return fmt.Errorf("read %s: its paths are %s", path, rec.Column(0).DataType())
		}
		names, ok := files.Dictionary().(*array.String)
		if !ok {
			return fmt.Errorf("read %s: its paths are %s", path, files.Dictionary().DataType())
		}
		for r, row := range rec.Column(1).(*array.Int64).Int64Values() {
			visit(names.Value(files.GetValueIndex(r)), row)
		}
		return nil
	})
}
