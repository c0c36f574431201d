package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/sdk/fault"
)

// sqlBackend is the Iceberg SQL catalog that PyIceberg, Java and iceberg-go read, in its own two
// tables, and one more that only this package knows: millrace_lake, the cut number of each lake.
type sqlBackend struct {
	db      *sql.DB
	name    string // of the catalog inside the database
	files   *fileStores
	cache   *metadataCache
	dialect dialect
	typed   bool // iceberg_tables has the column iceberg_type
	only    bool // the database is only read
	derived bool // millrace_lake has no row of this lake: its cut number is what the tables' own snapshots say
	hook    func(string)
	placed  placement
}

// placement says where a new table goes.
type placement func(name string) string

// dialect is what differs between databases.
type dialect struct {
	placeholder func(n int) string
	// transient reports whether trying again may help.
	transient func(error) bool
	columns   string // a query with one parameter, the table, for the names of its columns
	strangers string // a query for tables of other programs, in a database that holds but one lake's catalog; "": others may use it too
	// begun is run at the beginning of a commit's transaction; "": nothing.
	begun string
	// What leases need: the database's time in milliseconds since 1970, a column that numbers its rows, and
	// what locks the row that a query reads until the transaction's end.
	now, serial, lockRow string
	snapshot             sql.IsolationLevel // at which all queries of a transaction see one state
}

// stageWorkers bounds how many metadata files are read or written at once.
const stageWorkers = 8

const (
	createTablesDDL = `CREATE TABLE IF NOT EXISTS iceberg_tables (
		catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL,
		metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5),
		PRIMARY KEY (catalog_name, table_namespace, table_name))`
	createPropertiesDDL = `CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
		catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL,
		property_value VARCHAR(1000) NOT NULL,
		PRIMARY KEY (catalog_name, namespace, property_key))`
	createLakeDDL = `CREATE TABLE IF NOT EXISTS millrace_lake (
		catalog_name VARCHAR(255) NOT NULL PRIMARY KEY, cut BIGINT NOT NULL)`
)

// prepare makes the catalog's tables where they are missing and reads the cut number out of the
// tables' own snapshots where the lake has no row yet. In a database that is only read it makes nothing.
func (b *sqlBackend) prepare(ctx context.Context) error {
	for _, ddl := range []string{createTablesDDL, createPropertiesDDL, createLakeDDL} {
		if b.only {
			break
		}
		if err := b.retry(ctx, func() error { _, err := b.db.ExecContext(ctx, ddl); return err }); err != nil {
			return b.fail("prepare the catalog's tables", err)
		}
	}
	typed, err := b.hasColumn(ctx, "iceberg_tables", "iceberg_type")
	if err != nil {
		return b.fail("inspect the catalog's tables", err)
	}
	b.typed = typed
	known, err := b.hasColumn(ctx, "millrace_lake", "cut")
	if err != nil {
		return b.fail("inspect the catalog's tables", err)
	}
	if known {
		var cut int64
		err := b.db.QueryRowContext(ctx, b.q(`SELECT cut FROM millrace_lake WHERE catalog_name = ?`), b.name).Scan(&cut)
		if err == nil {
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return b.fail("read the cut number", err)
		}
	}
	b.derived = true
	if b.only {
		return nil
	}
	st, err := b.read(ctx)
	if err != nil {
		return err
	}
	_, err = b.db.ExecContext(ctx, b.q(`INSERT INTO millrace_lake (catalog_name, cut) VALUES (?, ?) ON CONFLICT (catalog_name) DO NOTHING`), b.name, st.cut)
	b.derived = false
	return b.fail("store the cut number", err)
}

// lastCut is the highest cut number in the snapshots of the tables.
func (st state) lastCut() (cut int64) {
	for _, h := range st.heads {
		for _, s := range h.meta.Snapshots() {
			cut = max(cut, summaryOf(s).cut())
		}
	}
	return cut
}

// checkExisting refuses a database that holds no catalog, and a name that no lake in it has.
func (b *sqlBackend) checkExisting(ctx context.Context, where string) error {
	ok, err := b.hasColumn(ctx, "iceberg_tables", "table_name")
	if err != nil {
		return b.fail("inspect the catalog's tables", err)
	}
	if !ok {
		return b.nothingIn(ctx, where)
	}
	query := `SELECT DISTINCT catalog_name FROM iceberg_tables`
	if ours, err := b.hasColumn(ctx, "millrace_lake", "cut"); err != nil {
		return b.fail("inspect the catalog's tables", err)
	} else if ours {
		query += ` UNION SELECT catalog_name FROM millrace_lake`
	}
	names, err := b.texts(ctx, query)
	if err != nil {
		return b.fail("list the catalog's lakes", err)
	}
	if len(names) > 0 && !slices.Contains(names, b.name) {
		slices.Sort(names)
		return fault.Usagef("the catalog in %s holds no lake named %s, but %s; set lake.name", where, b.name, strings.Join(names, ", "))
	}
	return nil
}

// nothingIn says that there is no catalog in a database, and whether it is another program's.
func (b *sqlBackend) nothingIn(ctx context.Context, where string) error {
	if b.dialect.strangers == "" {
		return noLake(where)
	}
	names, err := b.texts(ctx, b.dialect.strangers)
	if err != nil {
		return b.fail("inspect the database", err)
	}
	if len(names) == 0 {
		return noLake(where)
	}
	return fault.Usagef("no catalog in %s: it is the database of another program, with %s; check where lake.catalog points", where, names[0])
}

func (b *sqlBackend) hasColumn(ctx context.Context, tbl, column string) (bool, error) {
	names, err := b.texts(ctx, b.q(b.dialect.columns), tbl)
	return slices.Contains(names, column), err
}

// texts reads the only column of a query.
func (b *sqlBackend) texts(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := b.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

// q numbers the placeholders of a query the way the database wants them.
func (b *sqlBackend) q(query string) string {
	parts := strings.Split(query, "?")
	var sb strings.Builder
	for i, p := range parts {
		if i > 0 {
			sb.WriteString(b.dialect.placeholder(i))
		}
		sb.WriteString(p)
	}
	return sb.String()
}

// isTable leaves views out, where the catalog knows them.
func (b *sqlBackend) isTable() string {
	if b.typed {
		return " AND (iceberg_type = 'TABLE' OR iceberg_type IS NULL)"
	}
	return ""
}

// fail names what was being done; errors that may pass are marked retryable.
func (b *sqlBackend) fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("catalog: %s: %w", doing, err)
	if b.dialect.transient(err) {
		return fault.Mark(fault.Retryable, err)
	}
	return err
}

func (b *sqlBackend) retry(ctx context.Context, do func() error) error {
	return retryTransient(ctx, b.dialect.transient, do)
}

func (b *sqlBackend) multiTable() error { return nil }

func (b *sqlBackend) close() error { return b.db.Close() }

// read takes all locations and the cut number in one statement, and loads what it has not seen.
// A metadata file may be deleted between the two (old versions are): then it looks again.
func (b *sqlBackend) read(ctx context.Context) (state, error) { return b.readTables(ctx, nil) }

func (b *sqlBackend) readTables(ctx context.Context, names []string) (state, error) {
	for attempt := 0; ; attempt++ {
		st, err := b.readLocations(ctx)
		if err != nil {
			return state{}, err
		}
		b.cache.keep(st.heads)
		others := func(name string, _ head) bool { return names != nil && !slices.Contains(names, name) }
		if !b.derived {
			maps.DeleteFunc(st.heads, others)
		}
		err = b.loadAll(ctx, st)
		if err == nil && b.derived {
			st.cut = st.lastCut()
			maps.DeleteFunc(st.heads, others)
		}
		if err == nil {
			return st, nil
		}
		if attempt == 4 || !errors.Is(err, errNoFile) || ctx.Err() != nil {
			return state{}, err
		}
	}
}

func (b *sqlBackend) readLocations(ctx context.Context) (state, error) {
	query, args := `SELECT table_namespace, table_name, metadata_location FROM iceberg_tables
		WHERE catalog_name = ? AND metadata_location IS NOT NULL`+b.isTable(), []any{b.name}
	if !b.derived {
		query, args = query+` UNION ALL SELECT '', '', CAST(cut AS VARCHAR(20)) FROM millrace_lake WHERE catalog_name = ?`, append(args, b.name)
	}
	query = b.q(query)
	var st state
	err := b.retry(ctx, func() error {
		st = state{heads: map[string]head{}}
		rows, err := b.db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var namespace, tbl, value string
			if err := rows.Scan(&namespace, &tbl, &value); err != nil {
				return err
			}
			if tbl == "" {
				if st.cut, err = strconv.ParseInt(value, 10, 64); err != nil {
					return err
				}
				continue
			}
			name := namespace + "." + tbl
			st.heads[name] = head{name: name, location: value}
		}
		return rows.Err()
	})
	return st, b.fail("read the tables", err)
}

func (b *sqlBackend) loadAll(ctx context.Context, st state) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(stageWorkers)
	loaded := make(chan head, len(st.heads))
	for _, h := range st.heads {
		g.Go(func() error {
			m, ok := b.cache.get(h.name, h.location)
			if !ok {
				var err error
				if m, err = b.files.readMetadata(ctx, h.location); err != nil {
					return fmt.Errorf("table %s: %w", h.name, err)
				}
				b.cache.put(h.name, h.location, m)
			}
			h.meta = m
			loaded <- h
			return nil
		})
	}
	err := g.Wait()
	close(loaded)
	for h := range loaded {
		st.heads[h.name] = h
	}
	return err
}

func (b *sqlBackend) create(ctx context.Context, name string, spec newTable) error {
	meta, err := table.NewMetadata(spec.schema, spec.partition, spec.order, b.placed(name), spec.properties)
	if err != nil {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	location, err := b.files.writeMetadata(ctx, meta, "")
	if err != nil {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	columns, values := "catalog_name, table_namespace, table_name, metadata_location", "?, ?, ?, ?"
	if b.typed {
		columns, values = columns+", iceberg_type", values+", 'TABLE'"
	}
	namespace, tbl := splitName(name)
	var made int64
	err = b.retry(ctx, func() error {
		res, err := b.db.ExecContext(ctx, b.q(`INSERT INTO iceberg_tables (`+columns+`) VALUES (`+values+`) ON CONFLICT DO NOTHING`),
			b.name, namespace, tbl, location)
		if err == nil {
			made, err = res.RowsAffected()
		}
		return err
	})
	if err != nil {
		return b.fail("create table "+name, err)
	}
	if made == 0 {
		_ = b.files.remove(context.WithoutCancel(ctx), location) // ours alone; left over if it fails, and collected later
		return fmt.Errorf("create table %s: %w", name, errExists)
	}
	return nil
}

func (b *sqlBackend) drop(ctx context.Context, name string) error {
	namespace, tbl := splitName(name)
	var gone int64
	err := b.retry(ctx, func() error {
		res, err := b.db.ExecContext(ctx, b.q(`DELETE FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`+b.isTable()),
			b.name, namespace, tbl)
		if err == nil {
			gone, err = res.RowsAffected()
		}
		return err
	})
	if err != nil {
		return b.fail("drop table "+name, err)
	}
	if gone == 0 {
		return fmt.Errorf("drop table %s: %w", name, ErrNotFound)
	}
	return nil
}

func (b *sqlBackend) namespaces(ctx context.Context) ([]string, error) {
	var out []string
	err := b.retry(ctx, func() error {
		out = nil
		rows, err := b.db.QueryContext(ctx, b.q(`SELECT namespace FROM iceberg_namespace_properties WHERE catalog_name = ?
			UNION SELECT table_namespace FROM iceberg_tables WHERE catalog_name = ?`), b.name, b.name)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var ns string
			if err := rows.Scan(&ns); err != nil {
				return err
			}
			out = append(out, ns)
		}
		return rows.Err()
	})
	slices.Sort(out)
	return out, b.fail("list namespaces", err)
}

func (b *sqlBackend) createNamespace(ctx context.Context, name string) error {
	err := b.retry(ctx, func() error {
		_, err := b.db.ExecContext(ctx, b.q(`INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value)
			VALUES (?, ?, 'exists', 'true') ON CONFLICT DO NOTHING`), b.name, name)
		return err
	})
	return b.fail("create namespace "+name, err)
}

func (b *sqlBackend) dropNamespace(ctx context.Context, name string) error {
	var gone int64
	err := b.retry(ctx, func() error {
		res, err := b.db.ExecContext(ctx, b.q(`DELETE FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ?`), b.name, name)
		if err == nil {
			gone, err = res.RowsAffected()
		}
		return err
	})
	if err == nil && gone == 0 {
		return fmt.Errorf("drop namespace %s: %w", name, ErrNotFound)
	}
	return b.fail("drop namespace "+name, err)
}
