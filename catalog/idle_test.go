package catalog_test

import (
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/testservers"
)

// A committer that stops in the middle of a commit holds the locks of the whole catalog. PostgreSQL ends its transaction,
// others go on, and it finds that out when it goes on itself.
func TestStoppedCommitterIsOvertaken(t *testing.T) {
	t.Parallel()
	address := testservers.StartPostgreSQL(t).NewDatabase(t)
	watch, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	cfg := catalog.Config{Catalog: address + "&idle_in_transaction_session_timeout=50", Warehouse: "file://" + t.TempDir() + "/wh", Storage: catalog.OpenFolder, Logger: quiet}
	tables := []string{"ledger.a", "ledger.b"}
	makeTables(t, cfg, tables)
	other, err := catalog.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	stopping := cfg
	var once sync.Once
	stopping.Hook = func(stage string) {
		if stage != "precommit" {
			return
		}
		once.Do(func() { // it stands still until the other one is ahead
			awaitNoIdle(t, watch)
			if _, err := other.Commit(t.Context(), epoch(cfg.Warehouse, "other", 0, tables)); err != nil {
				t.Errorf("the committer that overtakes: %v", err)
			}
		})
	}
	l, err := catalog.Open(t.Context(), stopping)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := l.Commit(t.Context(), epoch(cfg.Warehouse, "stopped", 0, tables))
	if err != nil || out.Cut != 2 || out.Attempts < 2 {
		t.Errorf("the committer that was overtaken: %+v, %v", out, err)
	}
	checkWhole(t, cfg, tables, "other", "stopped")
}

// awaitNoIdle waits until no session of the database stands still inside a transaction.
func awaitNoIdle(t *testing.T, db *sql.DB) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 1; n > 0; <-tick.C {
		if err := db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`).Scan(&n); err != nil {
			t.Error(err)
			return
		}
	}
}
