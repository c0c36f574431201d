package jsonio_test

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/connectors/jsonio"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// Numbers are decimals, never floats; nested objects can be columns.
func ExampleInfer() {
	ctx := context.Background()
	store := storagetest.NewMemory("inbox", nil)
	text := `{"id":1,"amount":10.25,"customer":{"id":"C-7","since":"2019-03-01"}}` + "\n"
	if err := store.Put(ctx, "raw/a.ndjson", []byte(text), storage.PutOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	schema, err := jsonio.Infer(ctx, store, "raw/*.ndjson", jsonio.Options{Flatten: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range schema.Fields() {
		fmt.Println(f.Name, f.Type)
	}
	// Output:
	// id int64
	// amount decimal(18, 2)
	// customer.id utf8
	// customer.since date32
}
