package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/parquetfile"
)

// readFile visits all rows of a Parquet file of the lake in their order, deleted ones too, as columns of the
// given fields. Batches are released after each visit.
func readFile(ctx context.Context, lake *catalog.Lake, path string, opts parquetfile.ReaderOptions, visit func(arrow.RecordBatch) error) (err error) {
	store, name, err := lake.Storage(ctx, path)
	if err != nil {
		return err
	}
	in, err := store.Open(ctx, name)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	f, err := parquetfile.OpenFile(in, in.Size())
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	r, err := f.NewReader(ctx, opts)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
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

// readFields are the fields as a reader wants them: an old file may lack any column but those of the key.
func readFields(schema *arrow.Schema, key []string) []arrow.Field {
	out := slices.Clone(schema.Fields())
	for i := range out {
		out[i].Nullable = !slices.Contains(key, out[i].Name)
	}
	return out
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

// readDeletes visits the rows that a position-delete file deletes.
func readDeletes(ctx context.Context, lake *catalog.Lake, path string, visit func(file string, row int64)) error {
	return readFile(ctx, lake, path, parquetfile.ReaderOptions{Fields: deleteFields()}, func(rec arrow.RecordBatch) error {
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
