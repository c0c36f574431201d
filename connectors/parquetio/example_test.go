package parquetio_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/filestest"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// A set of Parquet files with its manifest, and one column of it read back, split by split.
func Example() {
	ctx := context.Background()
	store := storagetest.NewMemory("exports", nil)
	if err := export(ctx, store); err != nil {
		fmt.Println(err)
		return
	}
	opts := parquetio.Options{Columns: []string{"amount"}}
	splits, err := parquetio.Splits(ctx, store, "day/*.parquet", opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, split := range splits {
		if err := show(ctx, store, split, opts); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 2 rows in 1 files
	// [10.5 -10.5]
}

func export(ctx context.Context, store storage.Store) error {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	}, nil)
	rows := filestest.Rows(schema, []any{1, "10.50"}, []any{2, "-10.50"})
	defer rows.Release()
	w, err := parquetio.NewWriter(store, "day/entries", schema, parquetio.WriteOptions{})
	if err != nil {
		return err
	}
	if err := w.Write(ctx, rows); err != nil {
		return errors.Join(err, w.Abort())
	}
	m, err := w.Close(ctx)
	if err != nil {
		return err
	}
	fmt.Println(m.Rows, "rows in", len(m.Files), "files")
	return files.PutManifest(ctx, store, "day/entries.manifest.json", m)
}

func show(ctx context.Context, store storage.Store, split files.Split, opts parquetio.Options) error {
	r, err := parquetio.Open(ctx, store, split, opts)
	if err != nil {
		return err
	}
	defer r.Close()
	batch, err := r.Next(ctx)
	if err != nil {
		return err
	}
	defer batch.Release()
	fmt.Println(batch.Column(0))
	return nil
}
