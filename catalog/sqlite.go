package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/millrace/millrace/sdk/fault"
)

// openSQLite opens or makes the catalog in one file. Write-ahead logging lets readers go on
// while a commit is under way; synchronous(FULL) makes a commit survive a power failure;
// immediate transactions and a busy timeout let racing committers queue instead of failing.
func openSQLite(ctx context.Context, c Config, files *fileStores, path string) (backend, error) {
	dsn := sqliteDSN(path)
	switch {
	case c.ReadOnly:
		dsn = sqliteReadOnlyDSN(path)
	case !c.Existing:
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, fault.Usagef("lake: folder of catalog %s: %w", path, err)
		}
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fault.Usagef("lake: catalog %s: %w", path, err)
	}
	b := newSQLBackend(c, files, db, sqliteDialect())
	if c.Existing {
		err = b.checkExisting(ctx, path)
	}
	if err == nil {
		err = b.prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(sqliteUsage(path, err), db.Close())
	}
	return b, nil
}

// sqliteDSN opens the database as every writer of a catalog must.
func sqliteDSN(path string) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_pragma": {"journal_mode(WAL)", "busy_timeout(15000)", "synchronous(FULL)"},
		"_txlock": {"immediate"},
	}.Encode()}).String()
}

// sqliteReadOnlyDSN opens the database for reading, and never makes it. A connection that may only read (mode=ro) would leave the files of
// the write-ahead log behind if it made them; one that may write, but never does (query_only), takes them away. So the former is
// for a log that a writer has open or left behind, which is neither written back to the database nor removed.
func sqliteReadOnlyDSN(path string) string {
	options := url.Values{"mode": {"rw"}, "_pragma": {"query_only(1)", "busy_timeout(15000)"}}
	if _, err := os.Stat(path + "-wal"); err == nil {
		options["mode"] = []string{"ro"}
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}).String()
}

// missingFile refuses an SQLite catalog that is not there, or is an empty file: opening that would write into it.
func missingFile(catalog string) error {
	if catalogScheme(catalog) != "sqlite" {
		return nil
	}
	path, err := sqlitePath(catalog)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return noLake(path)
	case err != nil:
		return fault.Usagef("lake: catalog: %w; check where lake.catalog points", err)
	case info.Size() == 0 && info.Mode().IsRegular():
		return fault.Usagef("no catalog in %s: the file is empty; check where lake.catalog points, or remove it (the first ingest makes it)", path)
	}
	return nil
}

func sqliteDialect() dialect {
	return dialect{
		placeholder: func(int) string { return "?" },
		transient:   sqliteTransient,
		columns:     `SELECT name FROM pragma_table_info(?)`,
		strangers:   `SELECT name FROM sqlite_master WHERE name NOT LIKE 'millrace@_%' ESCAPE '@' AND name NOT LIKE 'sqlite@_%' ESCAPE '@'`,
		now:         `CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)`,
		serial:      `INTEGER PRIMARY KEY AUTOINCREMENT`,
	}
}

// sqliteUsage marks what only the user can mend: a file that is no database, or may not be written.
// Of a damaged one it says which, and that the tables themselves are not lost.
func sqliteUsage(path string, err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
			return fault.Usagef("catalog %s: %w; give the path of a catalog that this user may write", path, err)
		case sqlite3.SQLITE_CORRUPT:
			return fmt.Errorf("catalog %s is damaged: %w; bring it back from a backup (the tables' files are not touched)", path, err)
		}
	}
	return err
}

func sqliteTransient(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff { // extended codes carry detail in the upper bits
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return true
	}
	return false
}

func newSQLBackend(c Config, files *fileStores, db *sql.DB, d dialect) *sqlBackend {
	hook := c.Hook
	if hook == nil {
		hook = func(string) {}
	}
	return &sqlBackend{
		db: db, name: c.Name, only: c.ReadOnly, files: files, cache: newMetadataCache(), dialect: d, hook: hook,
		placed: func(name string) string {
			namespace, tbl := splitName(name)
			return c.Warehouse + "/" + namespace + "/" + tbl
		},
	}
}
