package catalog

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// pgEndIdle lets the server end the transaction of a committer that has stopped in the middle of a
// commit (suspended, or cut off from the network) and holds the locks that all others wait
// for, after a minute. A limit that the database, the user or the URL sets stays in force.
const pgEndIdle = `SELECT set_config('idle_in_transaction_session_timeout', '60000', true)
	WHERE current_setting('idle_in_transaction_session_timeout') = '0'`

// openPostgres opens or makes the catalog in a PostgreSQL database.
func openPostgres(ctx context.Context, c Config, files *fileStores) (backend, error) {
	cfg, err := pgx.ParseConfig(c.Catalog)
	if err != nil {
		return nil, fault.Usagef("lake: catalog %s: %w", storage.Redact(c.Catalog), err)
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(stageWorkers)
	b := newSQLBackend(c, files, db, postgresDialect())
	if err := b.preparePostgres(ctx, c); err != nil {
		return nil, errors.Join(pgUsage(c.Catalog, err), db.Close())
	}
	return b, nil
}

func postgresDialect() dialect {
	return dialect{
		placeholder: func(n int) string { return "$" + strconv.Itoa(n) },
		transient:   pgTransient,
		columns:     `SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ?`,
		begun:       pgEndIdle,
		now:         `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)`,
		serial:      `BIGSERIAL PRIMARY KEY`,
		lockRow:     ` FOR UPDATE`,
		snapshot:    sql.LevelRepeatableRead,
	}
}

// preparePostgres makes the tables under a lock: CREATE TABLE IF NOT EXISTS races with itself there.
func (b *sqlBackend) preparePostgres(ctx context.Context, c Config) error {
	conn, err := b.db.Conn(ctx)
	if err != nil {
		return b.fail("connect to "+storage.Redact(c.Catalog), oneLine{err})
	}
	defer conn.Close()
	if c.ReadOnly {
		if err := b.checkExisting(ctx, storage.Redact(c.Catalog)); err != nil {
			return err
		}
		return b.prepare(ctx)
	}
	const lock = 7402911206 // any number, the same in every process
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("SELECT pg_advisory_lock(%d)", lock)); err != nil {
		return b.fail("prepare the catalog's tables", err)
	}
	if c.Existing {
		err = b.checkExisting(ctx, storage.Redact(c.Catalog))
	}
	if err == nil {
		err = b.prepare(ctx)
	}
	_, unlockErr := conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("SELECT pg_advisory_unlock(%d)", lock))
	return errors.Join(err, unlockErr)
}

// pgUsage marks what only the user can mend: credentials, database name, permission.
func pgUsage(rawURL string, err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) && len(e.Code) == 5 {
		switch e.Code[:2] {
		case "28", "3D", "42": // authorization, no such database, no permission
			return fault.Usagef("lake: catalog %s: %w", storage.Redact(rawURL), err)
		}
	}
	return err
}

// oneLine is an error of several lines (a line an address that was tried) told in one.
type oneLine struct{ error }

func (o oneLine) Error() string {
	return strings.Join(strings.FieldsFunc(o.error.Error(), func(r rune) bool { return r == '\n' || r == '\t' }), " ")
}

func (o oneLine) Unwrap() error { return o.error }

func pgTransient(err error) bool {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || pgconn.SafeToRetry(err) {
		return true
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch {
		case e.Code == "40001", e.Code == "40P01", e.Code == "25P03", e.Code == "25P04": // serialization failure, deadlock, idle or long transaction ended
			return true
		case len(e.Code) == 5 && (e.Code[:2] == "08" || e.Code[:2] == "53" || e.Code[:2] == "57"): // connection, resources, shutdown
			return true
		}
		return false
	}
	var connErr *pgconn.ConnectError
	if errors.As(err, &connErr) {
		return true
	}
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}
