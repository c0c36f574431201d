package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/iceberg-go/table"
)

// UpdateTables changes only the metadata of tables (properties, schema, references, expired
// snapshots), in one atomic step over all that plan returns updates for. plan is called with each
// table's present metadata, again whenever another committer was faster; requirements that fail
// count as such. It must have no effects of its own. No cut is made: what readers see of the rows must stay the same.
func (l *Lake) UpdateTables(ctx context.Context, names []string, plan func(name string, m table.Metadata) ([]table.Update, []table.Requirement, error)) error {
	for attempt := 0; ; attempt++ {
		st, err := l.backend.readTables(ctx, names)
		if err != nil {
			return fmt.Errorf("update tables: %w", err)
		}
		var work []tableUpdate
		for _, name := range names {
			h, err := st.head(name)
			if err != nil {
				return fmt.Errorf("update tables: %w", err)
			}
			updates, reqs, err := plan(name, h.meta)
			if err != nil {
				return err
			}
			if len(updates) > 0 {
				work = append(work, tableUpdate{base: h, updates: updates, reqs: append(reqs, table.AssertTableUUID(h.meta.TableUUID()))})
			}
		}
		if len(work) == 0 {
			return nil
		}
		if len(work) > 1 {
			if err := l.backend.multiTable(); err != nil {
				return err
			}
		}
		err = l.backend.commit(ctx, nil, work)
		// After a lost reply the change is planned again: from what it left, if it was applied.
		if err == nil || !isMoved(err) && !isUnknown(err) {
			return err
		}
		if attempt == maxAttempts-1 {
			return fmt.Errorf("update tables: gave up after %d attempts: %w", maxAttempts, err)
		}
		if err := pause(ctx, attempt, commitPause, maxCommitPause); err != nil {
			return err
		}
	}
}

// Racing committers get this many attempts with pauses of about commitPause·2^n, at most maxCommitPause.
const (
	maxAttempts    = 40
	commitPause    = 5 * time.Millisecond
	maxCommitPause = time.Second
)
