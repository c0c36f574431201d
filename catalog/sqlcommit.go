package catalog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"
)

// staged is one table's new metadata, written but seen by nobody.
type staged struct {
	name, from, to string
	meta           table.Metadata
	base           table.Metadata
}

// commit writes the new metadata files, then moves all rows in one SQL transaction by
// compare-and-swap. Files of an attempt that is known to have failed are removed again.
func (b *sqlBackend) commit(ctx context.Context, next *cutStep, updates []tableUpdate) error {
	work, err := b.stage(ctx, updates)
	if err == nil {
		err = b.swap(ctx, next, work)
	}
	if err == nil {
		b.settle(ctx, work)
		return nil
	}
	if !isUnknown(err) {
		for _, s := range work {
			if s.to != "" {
				_ = b.files.remove(context.WithoutCancel(ctx), s.to) // collected later if this fails
			}
		}
	}
	return err
}

func (b *sqlBackend) stage(ctx context.Context, updates []tableUpdate) ([]staged, error) {
	work := make([]staged, len(updates))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(stageWorkers)
	for i, u := range updates {
		g.Go(func() error {
			for _, r := range u.reqs {
				if err := r.Validate(u.base.meta); err != nil {
					return fmt.Errorf("%w: table %s: %w", errMoved, u.base.name, err)
				}
			}
			meta, err := table.UpdateTableMetadata(u.base.meta, u.updates, u.base.location)
			if err != nil {
				return fmt.Errorf("table %s: change metadata: %w", u.base.name, err)
			}
			to, err := b.files.writeMetadata(ctx, meta, u.base.location)
			if err != nil {
				return fmt.Errorf("table %s: %w", u.base.name, err)
			}
			work[i] = staged{name: u.base.name, from: u.base.location, to: to, meta: meta, base: u.base.meta}
			b.hook(fmt.Sprintf("staged:%d", i))
			return nil
		})
	}
	err := g.Wait()
	// One order for all committers, so that two of them never wait for each other's rows.
	slices.SortFunc(work, func(a, c staged) int { return strings.Compare(a.name, c.name) })
	return work, err
}

// swap is the one moment at which a commit becomes visible.
func (b *sqlBackend) swap(ctx context.Context, next *cutStep, work []staged) error {
	tx, err := b.begin(ctx)
	if err != nil {
		return b.fail("begin the commit", err)
	}
	if err := b.swapRows(ctx, tx, next, work); err != nil {
		_ = tx.Rollback() // the transaction's own error is the one to report
		return err
	}
	b.hook("precommit")
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("%w: %w", errUnknown, b.fail("commit", err))
	}
	b.hook("committed")
	return nil
}

func (b *sqlBackend) begin(ctx context.Context) (*sql.Tx, error) {
	var tx *sql.Tx
	err := b.retry(ctx, func() (err error) {
		if tx, err = b.db.BeginTx(ctx, nil); err != nil || b.dialect.begun == "" {
			return err
		}
		if _, err = tx.ExecContext(ctx, b.dialect.begun); err != nil {
			_ = tx.Rollback() // the first error is the one to report
		}
		return err
	})
	return tx, err
}

func (b *sqlBackend) swapRows(ctx context.Context, tx *sql.Tx, next *cutStep, work []staged) error {
	exec := func(what, query string, args ...any) error {
		res, err := tx.ExecContext(ctx, b.q(query), args...)
		if err != nil {
			return b.fail("move "+what, err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return b.fail("move "+what, err)
		}
		if n != 1 {
			return fmt.Errorf("%w: %s", errMoved, what)
		}
		return nil
	}
	if next != nil {
		err := exec("the cut number", `UPDATE millrace_lake SET cut = ? WHERE catalog_name = ? AND cut = ?`, next.to, b.name, next.from.cut)
		if err != nil {
			return err
		}
	}
	set := "metadata_location = ?, previous_metadata_location = ?"
	if b.typed {
		set += ", iceberg_type = 'TABLE'"
	}
	query := `UPDATE iceberg_tables SET ` + set + ` WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?` + b.isTable()
	for i, s := range work {
		namespace, tbl := splitName(s.name)
		if err := exec("table "+s.name, query, s.to, s.from, b.name, namespace, tbl, s.from); err != nil {
			return err
		}
		b.hook(fmt.Sprintf("cas:%d", i))
	}
	return nil
}

// settle keeps the new metadata at hand and deletes the versions that have fallen out of the
// tables' metadata logs. A version that cannot be deleted is left for the garbage collection.
func (b *sqlBackend) settle(ctx context.Context, work []staged) {
	ctx = context.WithoutCancel(ctx)
	var g errgroup.Group
	g.SetLimit(stageWorkers)
	for _, s := range work {
		b.cache.put(s.name, s.to, s.meta)
		if !s.meta.Properties().GetBool(table.MetadataDeleteAfterCommitEnabledKey, table.MetadataDeleteAfterCommitEnabledDefault) {
			continue
		}
		kept := map[string]bool{s.from: true}
		for e := range s.meta.PreviousFiles() {
			kept[e.MetadataFile] = true
		}
		for e := range s.base.PreviousFiles() {
			if !kept[e.MetadataFile] {
				g.Go(func() error { return b.files.remove(ctx, e.MetadataFile) })
			}
		}
	}
	_ = g.Wait() // best effort, see above
}
