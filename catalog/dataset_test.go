package catalog_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/dataset/datasettest"
)

// remoteLake is a lake as a worker in another process opens it, from the Ref alone.
type remoteLake struct{ tables dataset.Tables }

func (r remoteLake) DatasetTables() dataset.Tables { return r.tables }

func openLake(t *testing.T, cfg catalog.Config) *catalog.Lake {
	t.Helper()
	l, err := catalog.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestDatasetTables(t *testing.T) {
	t.Parallel()
	datasettest.TestTables(t, datasettest.Harness{New: func(t *testing.T) dataset.Lake { return openLake(t, sqliteConfig(t)) }})
}

func TestDatasetTablesOpenedByRef(t *testing.T) {
	t.Parallel()
	datasettest.TestTables(t, datasettest.Harness{New: func(t *testing.T) dataset.Lake {
		ref := openLake(t, sqliteConfig(t)).DatasetTables().Ref()
		if ref.Kind != catalog.RefKind {
			t.Fatalf("kind is %q", ref.Kind)
		}
		tables, err := catalog.OpenTables(catalog.Config{Storage: catalog.OpenFolder})(t.Context(), ref.Config)
		if err != nil {
			t.Fatal(err)
		}
		return remoteLake{tables}
	}})
}

func TestRefHoldsNoPassword(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"postgres://bank:s3cret@db.example/lake?sslmode=verify-full": "postgres://bank@db.example/lake?sslmode=verify-full",
		"sqlite:///data/catalog.db":                                  "sqlite:///data/catalog.db",
		"https://catalog.example/api":                                "https://catalog.example/api",
	} {
		if got := catalog.WithoutPassword(raw); got != want || strings.Contains(got, "s3cret") {
			t.Errorf("%s becomes %s, want %s", raw, got, want)
		}
	}
}
