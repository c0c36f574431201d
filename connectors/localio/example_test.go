package localio_test

import (
	"context"
	"fmt"
	"os"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/storage"
)

// A folder is a store: an object is a file that is whole or absent.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := localio.Open(dir, localio.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := store.Create(ctx, "inbox/statement.csv")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Abort()
	fmt.Fprintln(w, "entry_id,amount")
	_, missing := store.Stat(ctx, "inbox/statement.csv")
	fmt.Println("before Close:", missing != nil)
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}
	var s storage.Store = store
	for info, err := range s.List(ctx, "inbox/") {
		fmt.Println(info.Name, info.Size, err)
	}
	// Output:
	// before Close: true
	// inbox/statement.csv 16 <nil>
}
