package project

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// OpenFolder opens the lake that lies in a folder, without a project file: catalog.db beside
// warehouse, or, as the demo leaves it, beside s3, the folder of the buckets that
// its S3 service keeps. It never makes a lake. Nothing else may write to the folder's buckets meanwhile.
func OpenFolder(ctx context.Context, dir string, log *slog.Logger) (*catalog.Lake, storage.Resolver, error) {
	return openFolder(ctx, dir, catalog.Config{Existing: true, Logger: log})
}

// ReadFolder is OpenFolder for reading: nothing in the folder is made or changed, and the stores make no folder.
func ReadFolder(ctx context.Context, dir string, log *slog.Logger) (*catalog.Lake, storage.Resolver, error) {
	return openFolder(ctx, dir, catalog.Config{ReadOnly: true, Logger: log})
}

func openFolder(ctx context.Context, dir string, c catalog.Config) (*catalog.Lake, storage.Resolver, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, fault.Usagef("folder %s: %w", dir, err)
	}
	o := localio.Options{MustExist: c.ReadOnly}
	stores := storage.Resolver{"file": localio.Opener(o)}
	warehouse := "file://" + filepath.ToSlash(filepath.Join(abs, "warehouse"))
	buckets := filepath.Join(abs, "s3")
	if info, err := os.Stat(buckets); err == nil && info.IsDir() {
		stores, warehouse = bucketsIn(buckets, o), "s3://lake/warehouse"
	}
	c.Catalog, c.Warehouse, c.Storage = "sqlite://"+filepath.ToSlash(filepath.Join(abs, "catalog.db")), warehouse, stores.Open
	lake, err := catalog.Open(ctx, c)
	return lake, stores, err
}
