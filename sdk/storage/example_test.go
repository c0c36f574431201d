package storage_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

func ExampleGlob() {
	ctx := context.Background()
	store := storagetest.NewMemory("inbox", nil)
	for _, name := range []string{"raw/2026-11/a.json", "raw/2026-12/late/b.json", "raw/2027-01/c.json"} {
		if err := store.Put(ctx, name, []byte("{}"), storage.PutOptions{}); err != nil {
			fmt.Println(err)
		}
	}
	found, err := storage.Glob(ctx, store, "raw/2026-*/**/*.json")
	for _, info := range found {
		fmt.Println(info.Name, info.Size)
	}
	fmt.Println(err)
	// Output:
	// raw/2026-11/a.json 2
	// raw/2026-12/late/b.json 2
	// <nil>
}

// A program lists the storage that it can reach; nothing registers itself.
func ExampleResolver() {
	stores := storage.Resolver{"file": localio.Opener(localio.Options{})}
	_, err := stores.Open(context.Background(), "ftp://old.example/inbox")
	fmt.Println(err)
	// Output: cannot open "ftp://old.example/inbox": no storage for scheme "ftp"; known are file
}

// Put with IfAbsent lets exactly one of several writers win.
func ExampleStore_ifAbsent() {
	ctx := context.Background()
	var store storage.Store = storagetest.NewMemory("locks", nil)
	for _, who := range []string{"first", "second"} {
		err := store.Put(ctx, "leader", []byte(who), storage.PutOptions{IfAbsent: true})
		fmt.Println(who, "won:", !errors.Is(err, storage.ErrExist))
	}
	// Output:
	// first won: true
	// second won: false
}
