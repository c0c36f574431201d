package s3io_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/millrace/millrace/connectors/s3io"
	"github.com/millrace/millrace/internal/s3gateway"
	"github.com/millrace/millrace/sdk/storage"
)

// A bucket on any S3 server is a store. Here the server runs in the same process.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	gateway, err := s3gateway.Start(s3gateway.Config{Root: dir, AccessKey: "example", SecretKey: "not-a-real-secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer gateway.Close()

	opts := s3io.Options{
		Endpoint:    gateway.Endpoint(),
		Credentials: s3io.Credentials{AccessKey: "example", SecretKey: "not-a-real-secret"},
	}
	if err := s3io.EnsureBucket(ctx, "s3://bank", opts); err != nil {
		fmt.Println(err)
		return
	}
	lake, err := s3io.Open(ctx, "s3://bank/lake", opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer lake.Close()

	first := lake.Put(ctx, "leader", []byte("node-1"), storage.PutOptions{IfAbsent: true})
	second := lake.Put(ctx, "leader", []byte("node-2"), storage.PutOptions{IfAbsent: true})
	leader, err := lake.Get(ctx, "leader")
	fmt.Println(first, errors.Is(second, storage.ErrExist), string(leader), err)
	// Output: <nil> true node-1 <nil>
}

// A stream of unknown length goes out in parts, and is there once Close returns.
func ExampleStore_Create() {
	upload := func(ctx context.Context, lake *s3io.Store, parts <-chan []byte) error {
		w, err := lake.Create(ctx, "exports/features.csv")
		if err != nil {
			return err
		}
		defer w.Abort() // leaves nothing behind if we return early
		for p := range parts {
			if _, err := w.Write(p); err != nil {
				return err
			}
		}
		return w.Close()
	}
	_ = upload
}

// What killed processes left in the bucket is invisible, but costs money until it is aborted.
func ExampleStore_AbortStale() {
	nightly := func(ctx context.Context, lake *s3io.Store, now time.Time) error {
		_, err := lake.AbortStale(ctx, now.Add(-24*time.Hour))
		return err
	}
	_ = nightly
}
