package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// ErrHeld is returned, wrapped, where another holder has the lease. The error is a [*HeldError].
var ErrHeld = errors.New("the lease is held by another process")

// ErrLeaseLost is returned, wrapped, where a lease was taken over by another holder, or given back. Nothing was changed.
var ErrLeaseLost = errors.New("the lease is lost")

// HeldError says who holds a lease, and how much longer it does unless it renews it.
type HeldError struct {
	Lease, Holder string
	Left          time.Duration
}

// Error names the holder.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%v: lease %s is held by %s for another %s", ErrHeld, e.Lease, e.Holder, e.Left.Round(time.Millisecond))
}

// Is reports whether target is ErrHeld.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// Leases hands the right to do something out to one process at a time, in the database of a SQL catalog, and keeps tables that only the
// holder of a lease may change. It is safe for concurrent use; close it when done.
//
// A lease has a holder, a time at which it expires unless it is renewed, and a token, which grows by one with each new holder.
// Expiry is measured by the database's clock alone, so clocks of holders may differ as they like. A holder that was stopped and does
// not know that its time is over is kept out by its token: [Leases.Fenced] compares it in the same transaction as it writes.
//
// Not guaranteed: that a lost holder does nothing else, outside of the database. What it does there must do no harm when it is done twice.
// With SQLite all holders are on one machine, and its clock is the database's.
type Leases struct {
	b     *sqlBackend
	clock func() time.Time // nil: the database's
}

// LeaseOptions are for [OpenLeases]. The zero value is ready to use.
type LeaseOptions struct {
	// Name keeps several lakes apart in one database. "": DefaultName.
	Name string
	// ReadOnly opens the leases to look at them, and leaves no trace in the database: where it has none it is a fault.Usage that is ErrNotFound. What
	// would change them is an ErrReadOnly.
	ReadOnly bool
	// Clock takes the place of the database's time, for tests. All that share a lease must be given the same one.
	Clock func() time.Time
}

// Lease is the right to do something, until it expires or is taken over.
type Lease struct {
	Name, Holder string
	Token        int64 // grows with each new holder
	TTL          time.Duration
}

// LeaseState is how a lease stands.
type LeaseState struct {
	Lease
	Held bool          // false: it was given back, or has expired
	Left time.Duration // until it expires; negative: it has
}

const createLeasesDDL = `CREATE TABLE IF NOT EXISTS millrace_leases (
	catalog_name VARCHAR(255) NOT NULL, lease_name VARCHAR(255) NOT NULL, token BIGINT NOT NULL, holder VARCHAR(1000) NOT NULL,
	ttl_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, PRIMARY KEY (catalog_name, lease_name))`

// OpenLeases opens the leases in a database, sqlite:///folder/file.db or postgres://user@host/db, and makes their table where it is missing. It may be the
// database of a lake's catalog, or one of its own. Another address, such as that of a REST catalog, is a fault.Usage: it is no database.
func OpenLeases(ctx context.Context, database string, o LeaseOptions) (*Leases, error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	c := Config{Catalog: database, Name: o.Name, ReadOnly: o.ReadOnly}
	var db *sql.DB
	var d dialect
	switch catalogScheme(database) {
	case "sqlite":
		path, err := sqlitePath(database)
		if err != nil {
			return nil, err
		}
		if db, err = openLeaseFile(path, o.ReadOnly); err != nil {
			return nil, err
		}
		d = sqliteDialect()
	case "postgres", "postgresql":
		cfg, err := pgx.ParseConfig(database)
		if err != nil {
			return nil, fault.Usagef("leases: %s: %w", storage.Redact(database), err)
		}
		db = stdlib.OpenDB(*cfg)
		db.SetMaxOpenConns(4)
		d = postgresDialect()
	default:
		return nil, fault.Usagef("leases: %s is no SQL database: a REST catalog has no place for a lease; name one, such as postgres://host/db or sqlite:///folder/nightly.db", storage.Redact(database))
	}
	s := &Leases{b: newSQLBackend(c, nil, db, d), clock: o.Clock}
	if err := s.open(ctx, storage.Redact(database)); err != nil {
		path, _ := sqlitePath(database)
		return nil, errors.Join(sqliteUsage(path, pgUsage(database, err)), db.Close())
	}
	return s, nil
}

// openLeaseFile opens an SQLite file, and makes it where it is missing unless it shall only be read.
func openLeaseFile(path string, only bool) (db *sql.DB, err error) {
	dsn := sqliteDSN(path)
	if only {
		if err := missingFile("sqlite://" + (&url.URL{Path: path}).EscapedPath()); errors.Is(err, ErrNoLake) {
			return nil, fault.Usagef("leases: %s: there is no such database: %w", path, ErrNotFound)
		} else if err != nil {
			return nil, err
		}
		dsn = sqliteReadOnlyDSN(path)
	} else if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fault.Usagef("leases: folder of %s: %w", path, err)
	}
	if db, err = sql.Open("sqlite", dsn); err != nil {
		return nil, fault.Usagef("leases: %s: %w", path, err)
	}
	return db, nil
}

// open makes the table of leases, or finds it where the database is only read.
func (s *Leases) open(ctx context.Context, where string) error {
	if !s.b.only {
		return s.Prepare(ctx, createLeasesDDL)
	}
	ok, err := s.Has(ctx, "millrace_leases")
	if err == nil && !ok {
		err = fault.Usagef("leases: %s has none: %w", where, ErrNotFound)
	}
	return err
}

// Has reports whether the database has a table that Prepare makes.
func (s *Leases) Has(ctx context.Context, name string) (bool, error) {
	ok, err := s.b.hasColumn(ctx, name, "catalog_name")
	return ok, s.b.fail("inspect the tables of leases", err)
}

// Close releases the connection to the database. It gives no lease back.
func (s *Leases) Close() error { return s.b.close() }

// Name is the name of the lake that the leases belong to.
func (s *Leases) Name() string { return s.b.name }

// Acquire takes the lease if nobody holds it, or its holder's time is over. holder names the process, and no other; a process that has died and comes
// back takes the lease only when it has expired, for its name proves nothing. ErrHeld: somebody has it.
func (s *Leases) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (Lease, error) {
	if ttl < time.Millisecond || holder == "" {
		return Lease{}, fault.Usagef("lease %s: a holder's name and a time of a millisecond or more are required", name)
	}
	l := Lease{Name: name, Holder: holder, TTL: ttl}
	err := s.transact(ctx, "acquire lease "+name, func(tx *LeaseTx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO millrace_leases (catalog_name, lease_name, token, holder, ttl_ms, expires_ms) VALUES (?, ?, 0, '', 0, 0)
			ON CONFLICT (catalog_name, lease_name) DO NOTHING`, s.b.name, name); err != nil {
			return err
		}
		st, now, err := s.locked(ctx, tx, name)
		if err != nil {
			return err
		}
		if st.Held {
			return &HeldError{Lease: name, Holder: st.Holder, Left: st.Left}
		}
		l.Token = st.Token + 1
		_, err = tx.Exec(ctx, `UPDATE millrace_leases SET token = ?, holder = ?, ttl_ms = ?, expires_ms = ? WHERE catalog_name = ? AND lease_name = ?`,
			l.Token, holder, ttl.Milliseconds(), now+ttl.Milliseconds(), s.b.name, name)
		return err
	})
	if isUnknown(err) {
		if st, lookErr := s.Look(ctx, name); lookErr == nil && st.Held && st.Holder == holder && st.Token == l.Token {
			return l, nil
		}
	}
	if err != nil {
		return Lease{}, err
	}
	return l, nil
}

// Renew gives the holder its whole time again. It does so too when the time is over but nobody has taken the lease. ErrLeaseLost: it was taken.
func (s *Leases) Renew(ctx context.Context, l Lease) error { return s.expire(ctx, "renew", l, l.TTL) }

// Release gives the lease back, so that the next holder need not wait. ErrLeaseLost: it was taken.
func (s *Leases) Release(ctx context.Context, l Lease) error { return s.expire(ctx, "release", l, 0) }

// expire lets the lease expire after some time from now on; 0 gives it back.
func (s *Leases) expire(ctx context.Context, doing string, l Lease, after time.Duration) error {
	return s.fenced(ctx, doing+" lease "+l.Name, l, func(tx *LeaseTx, now int64) error {
		until, holder := now+after.Milliseconds(), l.Holder
		if after == 0 {
			until, holder = 0, ""
		}
		_, err := tx.Exec(ctx, `UPDATE millrace_leases SET expires_ms = ?, holder = ? WHERE catalog_name = ? AND lease_name = ?`, until, holder, s.b.name, l.Name)
		return err
	})
}

// Fenced runs a transaction that takes effect only if the lease is still the holder's: nobody can take it before the transaction has ended. Its
// statements may be run more than once, when the database asks for it. ErrLeaseLost: the lease was taken, and nothing was changed.
func (s *Leases) Fenced(ctx context.Context, l Lease, do func(tx *LeaseTx) error) error {
	return s.fenced(ctx, "write under lease "+l.Name, l, func(tx *LeaseTx, _ int64) error { return do(tx) })
}

func (s *Leases) fenced(ctx context.Context, doing string, l Lease, do func(tx *LeaseTx, now int64) error) error {
	return s.transact(ctx, doing, func(tx *LeaseTx) error {
		st, now, err := s.locked(ctx, tx, l.Name)
		if err != nil {
			return err
		}
		if st.Token != l.Token || st.Holder != l.Holder {
			by := st.Holder
			if by == "" {
				by = "nobody"
			}
			return fmt.Errorf("%w: lease %s has token %d and is held by %s, not %d and %s", ErrLeaseLost, l.Name, st.Token, by, l.Token, l.Holder)
		}
		return do(tx, now)
	})
}

// Look tells how a lease stands. One that nobody has ever held has token 0.
func (s *Leases) Look(ctx context.Context, name string) (st LeaseState, err error) {
	err = s.Read(ctx, func(tx *LeaseTx) error {
		row, err := s.state(ctx, tx, name, "")
		if errors.Is(err, sql.ErrNoRows) {
			st = LeaseState{Lease: Lease{Name: name}}
			return nil
		}
		st = row.LeaseState
		return err
	})
	return st, err
}

// locked is the state of a lease that stays as it is until the transaction's end, and the time.
func (s *Leases) locked(ctx context.Context, tx *LeaseTx, name string) (LeaseState, int64, error) {
	row, err := s.state(ctx, tx, name, s.b.dialect.lockRow)
	if errors.Is(err, sql.ErrNoRows) {
		return row.LeaseState, 0, fmt.Errorf("%w: lease %s is not known", ErrLeaseLost, name)
	}
	return row.LeaseState, row.now, err
}
