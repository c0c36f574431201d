package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// LeaseTx is a transaction in the database of leases. Parameters are written as ? whatever the database.
type LeaseTx struct {
	tx *sql.Tx
	s  *Leases
}

// Exec runs a statement and returns how many rows it changed.
func (t *LeaseTx) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	res, err := t.tx.ExecContext(ctx, t.s.b.q(statement), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a query, and calls each with every row; scan puts its columns into variables.
func (t *LeaseTx) Query(ctx context.Context, query string, args []any, each func(scan func(into ...any) error) error) error {
	rows, err := t.tx.QueryContext(ctx, t.s.b.q(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Now is the database's time.
func (t *LeaseTx) Now(ctx context.Context) (time.Time, error) {
	ms, err := t.s.now(ctx, t)
	return time.UnixMilli(ms).UTC(), err
}

// Prepare makes tables where they are missing. {serial} in a statement is a column's type that numbers the rows, upwards in the order
// in which their transactions insert them, and makes it the primary key.
func (s *Leases) Prepare(ctx context.Context, statements ...string) error {
	err := s.prepare(ctx, statements)
	for range transientAttempts {
		if !isUnknown(err) || ctx.Err() != nil {
			break
		}
		err = s.prepare(ctx, statements) // tables that are there are left alone
	}
	return err
}

func (s *Leases) prepare(ctx context.Context, statements []string) error {
	return s.transact(ctx, "prepare the tables of leases", func(tx *LeaseTx) error {
		if s.b.dialect.lockRow != "" { // CREATE TABLE IF NOT EXISTS races with itself in PostgreSQL
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(7402911207)`); err != nil {
				return err
			}
		}
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, strings.ReplaceAll(statement, "{serial}", s.b.dialect.serial)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Read runs a transaction that only reads: all of its queries see one state of the database.
func (s *Leases) Read(ctx context.Context, do func(tx *LeaseTx) error) error {
	return s.run(ctx, "read beside leases", &sql.TxOptions{Isolation: s.b.dialect.snapshot, ReadOnly: true}, do)
}

// Append runs a transaction without a lease, for what anybody may add. Its statements may be run more than once, when the database asks for it.
func (s *Leases) Append(ctx context.Context, do func(tx *LeaseTx) error) error {
	return s.transact(ctx, "write beside leases", do)
}

func (s *Leases) transact(ctx context.Context, doing string, do func(tx *LeaseTx) error) error {
	if s.b.only {
		return refused(doing)
	}
	return s.run(ctx, doing, nil, do)
}

// run repeats a transaction while it fails in a way that may pass. One whose commit's answer was lost is not repeated, but is an error that
// is fault.Retryable and wraps errUnknown: who wrote finds out by reading, or writes what may be written twice.
func (s *Leases) run(ctx context.Context, doing string, o *sql.TxOptions, do func(tx *LeaseTx) error) error {
	var unknown error
	err := s.b.retry(ctx, func() error {
		tx, err := s.b.db.BeginTx(ctx, o)
		if err != nil {
			return err
		}
		if s.b.dialect.begun != "" {
			_, err = tx.ExecContext(ctx, s.b.dialect.begun)
		}
		if err == nil {
			err = do(&LeaseTx{tx: tx, s: s})
		}
		if err != nil {
			_ = tx.Rollback() // the transaction's own error is the one to report
			return err
		}
		if o != nil && o.ReadOnly {
			_ = tx.Rollback() // nothing was written, and what was read is read
			return nil
		}
		unknown = tx.Commit()
		return nil
	})
	if unknown != nil {
		return fault.Mark(fault.Retryable, fmt.Errorf("catalog: %s: %w: %w", doing, errUnknown, unknown))
	}
	return s.b.fail(doing, err)
}

// leaseRow is a lease as its row has it, at a time.
type leaseRow struct {
	LeaseState
	now int64
}

// state reads a lease, then the time: waiting for the row may have taken long.
func (s *Leases) state(ctx context.Context, tx *LeaseTx, name, lock string) (row leaseRow, err error) {
	row.Name = name
	var ttl, expires int64
	err = tx.tx.QueryRowContext(ctx, s.b.q(`SELECT token, holder, ttl_ms, expires_ms FROM millrace_leases WHERE catalog_name = ? AND lease_name = ?`+lock), s.b.name, name).
		Scan(&row.Token, &row.Holder, &ttl, &expires)
	if err != nil {
		return row, err
	}
	if row.now, err = s.now(ctx, tx); err != nil {
		return row, err
	}
	row.TTL, row.Left = time.Duration(ttl)*time.Millisecond, time.Duration(expires-row.now)*time.Millisecond
	row.Held = row.Holder != "" && row.Left > 0
	return row, nil
}

// now is the database's time in milliseconds since 1970.
func (s *Leases) now(ctx context.Context, tx *LeaseTx) (ms int64, err error) {
	if s.clock != nil {
		return s.clock().UnixMilli(), nil
	}
	err = tx.tx.QueryRowContext(ctx, `SELECT `+s.b.dialect.now).Scan(&ms)
	return ms, err
}
