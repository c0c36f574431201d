package faults_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/millrace/millrace/internal/faults"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// The reply to the first write is lost, though the write was done.
func ExampleWrap() {
	ctx := context.Background()
	inner := storagetest.NewMemory("lake", nil)
	store := faults.Wrap(inner, 42, faults.StoreRule{Op: faults.OpPut, Executed: true, When: faults.When{Times: 1}})
	err := store.Put(ctx, "metadata.json", []byte("{}"), storage.PutOptions{})
	_, statErr := store.Stat(ctx, "metadata.json")
	fmt.Println(errors.Is(err, faults.ErrInjected), statErr)
	// Output: true <nil>
}
