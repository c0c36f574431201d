package catalog_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/sdk/fault"
)

// look opens a lake for reading and reads all of it that a catalog knows.
func look(t *testing.T, cfg catalog.Config) error {
	t.Helper()
	cfg.ReadOnly = true
	l, err := catalog.Open(t.Context(), cfg)
	if err != nil {
		return err
	}
	_, err = l.Cuts(t.Context())
	_, spaces := l.Namespaces(t.Context())
	return errors.Join(err, spaces, l.Close())
}

// onDisk is all that lies below a folder, with a sum of its contents; the index of a log (-shm), in which SQLite's readers mark where they are, without.
func onDisk(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			fmt.Fprintln(&out, path)
			return err
		}
		text, err := os.ReadFile(path)
		if strings.HasSuffix(path, "-shm") {
			text = nil
		}
		fmt.Fprintf(&out, "%s %x\n", path, sha256.Sum256(text))
		return err
	})
	must(t, err)
	return out.String()
}

func TestReadingLeavesNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := catalog.Config{Catalog: "sqlite://" + dir + "/lake/catalog.db", Warehouse: "file://" + dir + "/wh", Storage: catalog.OpenFolder, Logger: quiet}
	same := func(what string, want error) {
		t.Helper()
		before := onDisk(t, dir)
		if err := look(t, cfg); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", what, err, want)
		}
		if after := onDisk(t, dir); after != before {
			t.Errorf("%s: left\n%s\nthere was\n%s", what, after, before)
		}
	}
	same("no lake", catalog.ErrNoLake)
	s, err := catalog.OpenLeases(t.Context(), cfg.Catalog, catalog.LeaseOptions{}) // as a night before the first ingest
	must(t, err)
	must(t, s.Close())
	same("leases, but no lake", catalog.ErrNoLake)
	makeTables(t, cfg, []string{"ledger.a"})
	same("a lake", nil)

	file := dir + "/lake/catalog.db"
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)")
	must(t, err)
	defer db.Close()
	_, err = db.Exec("UPDATE millrace_lake SET cut = 7")
	must(t, err)
	same("a log that a writer has open", nil) // -wal and -shm are there, and stay as they are
	abandoned := filepath.Join(dir, "abandoned.db")
	for _, end := range []string{"", "-wal"} { // as kill -9 leaves it
		text, err := os.ReadFile(file + end)
		must(t, err)
		must(t, os.WriteFile(abandoned+end, text, 0o600))
	}
	cfg.Catalog = "sqlite://" + abandoned
	must(t, look(t, cfg))
	left, err := os.ReadFile(abandoned + "-wal")
	if err != nil || len(left) == 0 {
		t.Errorf("the log of a killed writer has %d bytes, %v", len(left), err)
	}
}

// A catalog that another program made has no table of Millrace's, and gets none. The cut is what the snapshots say.
func TestReadingAnotherProgramsCatalog(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgreSQL(t)
	for name, driver := range map[string]string{"sqlite": "sqlite", "postgres": "pgx"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := sqliteConfig(t)
			dsn := "file:" + strings.TrimPrefix(cfg.Catalog, "sqlite://")
			if driver == "pgx" {
				cfg.Catalog = server.NewDatabase(t)
				dsn = cfg.Catalog
			}
			tables := []string{"ledger.a", "ledger.b"}
			makeTables(t, cfg, tables)
			l, err := catalog.Open(t.Context(), cfg)
			must(t, err)
			for n := range int64(3) {
				_, err := l.Commit(t.Context(), epoch(cfg.Warehouse, "s", n, tables))
				must(t, err)
			}
			must(t, l.Close())
			db, err := sql.Open(driver, dsn)
			must(t, err)
			defer db.Close()
			_, err = db.Exec("DROP TABLE millrace_lake")
			must(t, err)
			cfg.ReadOnly = true
			l, err = catalog.Open(t.Context(), cfg)
			must(t, err)
			defer l.Close()
			cut, err := l.At(t.Context(), catalog.At{})
			if err != nil || cut.Number() != 3 || !slices.Equal(cut.Tables(), tables) {
				t.Errorf("the lake is at %+v, %v", cut, err)
			}
			if a, err := l.Table(t.Context(), "ledger.a"); err != nil || a.Cut() != 3 {
				t.Errorf("one table: %+v, %v", a, err)
			}
			if _, err := db.Exec("SELECT 1 FROM millrace_lake"); err == nil {
				t.Error("reading has made millrace_lake")
			}
		})
	}
	t.Run("stranger", func(t *testing.T) {
		t.Parallel()
		cfg := sqliteConfig(t)
		db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(cfg.Catalog, "sqlite://"))
		must(t, err)
		_, err = db.Exec("CREATE TABLE bookmarks (url TEXT)")
		must(t, errors.Join(err, db.Close()))
		if err := look(t, cfg); fault.Of(err) != fault.Usage || errors.Is(err, catalog.ErrNoLake) || !strings.Contains(err.Error(), "another program, with bookmarks") {
			t.Errorf("a database of another program: %v", err)
		}
	})
}

func TestReadingLeavesNoTable(t *testing.T) {
	t.Parallel()
	address := testservers.StartPostgreSQL(t).NewDatabase(t)
	cfg := catalog.Config{Catalog: address, Warehouse: "file://" + t.TempDir() + "/wh", Storage: catalog.OpenFolder, Logger: quiet}
	db, err := sql.Open("pgx", address)
	must(t, err)
	defer db.Close()
	relations := func() (n int) {
		must(t, db.QueryRow("SELECT count(*) FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace WHERE s.nspname = 'public'").Scan(&n))
		return n
	}
	if err := look(t, cfg); !errors.Is(err, catalog.ErrNoLake) || relations() != 0 {
		t.Errorf("no lake: %v; %d relations are there", err, relations())
	}
	if _, err := catalog.OpenLeases(t.Context(), address, catalog.LeaseOptions{ReadOnly: true}); !errors.Is(err, catalog.ErrNotFound) || relations() != 0 {
		t.Errorf("no leases: %v; %d relations are there", err, relations())
	}
	makeTables(t, cfg, []string{"ledger.a"})
	before := relations()
	must(t, look(t, cfg))
	if after := relations(); before == 0 || after != before {
		t.Errorf("%d relations became %d", before, after)
	}
	s := leases(t, address, nil)
	_, err = s.Acquire(t.Context(), "night", "somebody", 1e9)
	must(t, err)
	only, err := catalog.OpenLeases(t.Context(), address, catalog.LeaseOptions{ReadOnly: true})
	must(t, err)
	defer only.Close()
	if st, err := only.Look(t.Context(), "night"); err != nil || st.Holder != "somebody" {
		t.Errorf("the lease is %+v, %v", st, err)
	}
	if _, err := only.Acquire(t.Context(), "other", "me", 1e9); !errors.Is(err, catalog.ErrReadOnly) {
		t.Errorf("a lease from leases that are only read: %v", err)
	}
}

func TestReadingSendsNoWrite(t *testing.T) {
	t.Parallel()
	behind := sqliteConfig(t)
	s, err := catalog.NewRESTServer(t.Context(), behind)
	must(t, err)
	defer s.Close()
	var mu sync.Mutex
	var writes []string
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			mu.Lock()
			writes = append(writes, r.Method+" "+r.URL.Path)
			mu.Unlock()
		}
		s.ServeHTTP(w, r)
	}))
	defer h.Close()
	cfg := catalog.Config{Catalog: h.URL, Warehouse: behind.Warehouse, Storage: behind.Storage, Logger: quiet}
	if err := look(t, cfg); !errors.Is(err, catalog.ErrNoLake) {
		t.Errorf("no lake: %v", err)
	}
	if len(writes) > 0 {
		t.Errorf("reading where there is no lake sent %v", writes)
	}
	makeTables(t, cfg, []string{"ledger.a"})
	if len(writes) == 0 {
		t.Error("making a table sent no write: the test sees nothing")
	}
	writes = nil
	must(t, look(t, cfg))
	if len(writes) > 0 {
		t.Errorf("reading sent %v", writes)
	}
}
