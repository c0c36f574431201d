package csvio_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// A statement as a bank sends it: its own marks, and one bad line.
func Example() {
	ctx := context.Background()
	store := storagetest.NewMemory("inbox", nil)
	text := "Konto;Betrag;Tag\n000042;1.234,50;24.12.2026\n000042;-0,5;24.12.2026\n000043;oops;24.12.2026\n"
	if err := store.Put(ctx, "statement.csv", []byte(text), storage.PutOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	opts := csvio.Options{
		Delimiter: ";", SampleRows: 2,
		Text: files.TextOptions{DecimalMark: ",", GroupMark: ".", DateLayouts: []string{"02.01.2006"}},
		OnReject: func(_ context.Context, r files.Reject) error {
			fmt.Println("rejected:", r)
			return nil
		},
	}
	var err error
	if opts.Schema, err = csvio.Infer(ctx, store, "*.csv", opts); err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range opts.Schema.Fields() {
		fmt.Println(f.Name, f.Type)
	}
	splits, err := csvio.Splits(ctx, store, "*.csv", opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, split := range splits {
		if err := printSplit(ctx, store, split, opts); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// Konto utf8
	// Betrag decimal(18, 2)
	// Tag date32
	// rejected: statement.csv:4: column Betrag: "oops" as decimal(18, 2): not a decimal number
	// [1234.50 -0.50]
	// 2 rows, 1 rejects
}

func printSplit(ctx context.Context, store storage.Store, split files.Split, opts csvio.Options) error {
	r, err := csvio.Open(ctx, store, split, opts)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		batch, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			fmt.Printf("%d rows, %d rejects\n", r.Counts().Rows, r.Counts().Rejects)
			return nil
		}
		if err != nil {
			return err
		}
		var amounts []string
		for row := range int(batch.NumRows()) {
			text, err := files.AppendValue(nil, batch.Column(1), row)
			if err != nil {
				return err
			}
			amounts = append(amounts, string(text))
		}
		fmt.Println(amounts)
		batch.Release()
	}
}

// A set of files is written with what a receiver checks it against.
func ExampleNewWriter() {
	ctx := context.Background()
	store := storagetest.NewMemory("outbox", nil)
	w, err := csvio.NewWriter(store, "features/2026-11-23", schema(col("id", money(0))), csvio.WriteOptions{
		WriterOptions: files.WriterOptions{MaxBytes: 64 << 20, Compression: files.Gzip},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := w.Close(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Files[0].Name, m.Rows, files.PutManifest(ctx, store, "features/2026-11-23.manifest.json", m))
	// Output: features/2026-11-23-00000.csv.gz 0 <nil>
}
