package fixedio_test

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/connectors/fixedio"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// A mainframe's file: rows with a zoned amount, and a trailer that counts them.
func Example() {
	ctx := context.Background()
	store := storagetest.NewMemory("inbox", nil)
	if err := store.Put(ctx, "cards.txt", []byte("DA1  00100{\nDA2  00025}\nT0002\n"), storage.PutOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	opts := fixedio.Options{Layout: fixedio.Layout{
		Type: &fixedio.Place{Start: 1, Length: 1}, Rows: []string{"D"},
		Columns: map[string]fixedio.Column{"ref": {Start: 2, Length: 4}, "amount": {Start: 6, Length: 6, Type: fixedio.Zoned, Decimals: 2}},
		Checks:  []fixedio.Check{{Record: "T", Start: 2, Length: 4, Count: fixedio.CountRows}},
	}}
	splits, err := fixedio.Splits(ctx, store, "cards.txt", opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := fixedio.Open(ctx, store, splits[0], opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	b, err := r.Next(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Release()
	for i := range int(b.NumRows()) {
		fmt.Println(b.Column(1).ValueStr(i), b.Column(0).ValueStr(i))
	}
	// Output:
	// A1 10.00
	// A2 -2.50
}
