package project_test

import (
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// TestOpenFolder opens a plain lake and one in the folder of an S3 service's buckets.
func TestOpenFolder(t *testing.T) {
	t.Parallel()
	quiet := slog.New(slog.DiscardHandler)
	for _, buckets := range []bool{false, true} {
		dir := t.TempDir()
		stores, warehouse := storage.Resolver{"file": localio.Opener(localio.Options{})}, "file://"+dir+"/warehouse"
		if buckets {
			stores, warehouse = project.FolderOfBuckets(filepath.Join(dir, "s3")), "s3://lake/warehouse"
		}
		if _, _, err := project.OpenFolder(t.Context(), dir, quiet); fault.Of(err) != fault.Usage {
			t.Errorf("a folder without a lake: %v", err)
		}
		lake, err := catalog.Open(t.Context(), catalog.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: warehouse, Storage: stores.Open, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		id := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
		if err := lake.EnsureTable(t.Context(), catalog.TableSpec{Name: "a.b", Schema: id, Key: []string{"id"}}); err != nil {
			t.Fatal(err)
		}
		if err := lake.Close(); err != nil {
			t.Fatal(err)
		}
		again, _, err := project.OpenFolder(t.Context(), dir, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if names, err := again.Tables(t.Context()); err != nil || !slices.Contains(names, "a.b") {
			t.Errorf("buckets %v: %v, %v", buckets, names, err)
		}
		if _, err := again.Table(t.Context(), "a.b"); err != nil {
			t.Errorf("buckets %v: %v", buckets, err)
		}
	}
}
