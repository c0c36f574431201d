package catalog_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/catalogtest"
	"github.com/millrace/millrace/internal/testservers"
)

var quiet = slog.New(slog.DiscardHandler)

func sqliteConfig(t *testing.T) catalog.Config {
	dir := t.TempDir()
	return catalog.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/wh", Storage: catalog.OpenFolder, Logger: quiet}
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	catalogtest.Run(t, catalogtest.Harness{New: sqliteConfig})
}

func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgreSQL(t)
	catalogtest.Run(t, catalogtest.Harness{New: func(t *testing.T) catalog.Config {
		return catalog.Config{Catalog: server.NewDatabase(t), Warehouse: "file://" + t.TempDir() + "/wh", Storage: catalog.OpenFolder, Logger: quiet}
	}})
}

// restConfig serves a SQLite catalog by REST.
func restConfig(t *testing.T, adjust func(*catalog.RESTServer)) catalog.Config {
	behind := sqliteConfig(t)
	s, err := catalog.NewRESTServer(t.Context(), behind)
	if err != nil {
		t.Fatal(err)
	}
	adjust(s)
	h := httptest.NewServer(s)
	t.Cleanup(func() {
		h.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return catalog.Config{Catalog: h.URL, Warehouse: behind.Warehouse, Storage: behind.Storage, Logger: quiet, REST: catalog.RESTConfig{Token: s.Token}}
}

func TestREST(t *testing.T) {
	t.Parallel()
	catalogtest.Run(t, catalogtest.Harness{New: func(t *testing.T) catalog.Config {
		return restConfig(t, func(s *catalog.RESTServer) { s.Token = "secret" })
	}})
}

func TestRESTWithoutTransactions(t *testing.T) {
	t.Parallel()
	catalogtest.Run(t, catalogtest.Harness{SingleTable: true, New: func(t *testing.T) catalog.Config {
		return restConfig(t, func(s *catalog.RESTServer) { s.NoTransactions = true })
	}})
}
