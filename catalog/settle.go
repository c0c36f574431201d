package catalog

import (
	"context"
	"fmt"

	"github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
)

// landed reports whether an earlier attempt of this commit is in the lake. All attempts use the
// same snapshot ids, and at most one of them can have won.
func (a *attempts) landed(st state) (Committed, bool) {
	out := Committed{Snapshots: map[string]int64{}}
	for _, t := range a.tables {
		h, ok := st.heads[t.change.Table]
		if !ok {
			return Committed{}, false
		}
		s := h.meta.SnapshotByID(t.snapshot)
		if s == nil {
			return Committed{}, false
		}
		out.Cut = summaryOf(*s).cut()
		out.Snapshots[t.change.Table] = t.snapshot
	}
	return out, true
}

// readBack settles an unknown outcome by looking.
func (a *attempts) readBack(ctx context.Context, cause error) (Committed, error) {
	st, err := a.lake.backend.readTables(context.WithoutCancel(ctx), a.names())
	if err != nil {
		return Committed{}, fault.Retryablef("%w; and reading back failed: %w", cause, err)
	}
	if out, ok := a.landed(st); ok {
		return out, nil
	}
	return Committed{}, cause
}

// confirm checks that the commit's snapshots are in the history of the tables' present heads: only
// then may a source be told that its events are safe.
func (a *attempts) confirm(ctx context.Context) (Committed, error) {
	st, err := a.lake.backend.readTables(context.WithoutCancel(ctx), a.names())
	if err != nil {
		return Committed{}, fault.Retryablef("committed, but reading back failed: %w", err)
	}
	out, ok := a.landed(st)
	if !ok {
		return Committed{}, fmt.Errorf("committed, but the snapshots are gone: another writer of this catalog ignores compare-and-swap")
	}
	for name, id := range out.Snapshots {
		m := st.heads[name].meta
		cur := m.CurrentSnapshot()
		if cur == nil || !table.IsAncestorOf(cur.SnapshotID, id, m.SnapshotByID) {
			return Committed{}, fmt.Errorf("committed, but snapshot %d is not in the history of table %s: it was rolled back, or another writer ignores compare-and-swap", id, name)
		}
	}
	return out, nil
}

// inLake decides whether the epoch or run is in the lake already.
func (a *attempts) inLake(ctx context.Context, st state) (Committed, bool, error) {
	out := Committed{Dropped: true}
	if a.c.Stream != "" {
		marks, err := st.streamMarks()
		if err != nil {
			return Committed{}, false, err
		}
		at := marks[a.c.Stream]
		switch at.Position.Compare(a.c.From) {
		case change.Equal:
			return Committed{}, false, nil
		case change.After:
			out.Cut = at.Cut
		default:
			return Committed{}, false, fmt.Errorf("stream %s stands at %s in the lake, but the epoch starts at %s: %w", a.c.Stream, at.Position, a.c.From, ErrConflict)
		}
	}
	mine, err := a.sameEpoch(ctx, st)
	if err != nil || len(mine.Snapshots) > 0 {
		return mine, err == nil, err
	}
	return out, a.c.Stream != "", nil
}

// sameEpoch finds the snapshots of an earlier commit of this epoch or run. They are this commit's
// own, and not a reason to drop it, if they hold its files: its caller did not learn of its success.
func (a *attempts) sameEpoch(ctx context.Context, st state) (Committed, error) {
	out := Committed{Dropped: true, Snapshots: map[string]int64{}}
	if a.c.Epoch == "" {
		return out, nil
	}
	own, checked := true, false
	for _, t := range a.tables {
		for _, s := range st.heads[t.change.Table].meta.Snapshots() {
			sum := summaryOf(s)
			if sum.cut() == 0 || sum[KeyEpoch] != a.c.Epoch || sum[KeyStream] != a.c.Stream {
				continue
			}
			out.Cut = sum.cut()
			out.Snapshots[t.change.Table] = s.SnapshotID
			if len(t.change.Add) == 0 {
				continue
			}
			added, err := a.lake.addedIn(ctx, &s)
			if err != nil {
				return Committed{}, err
			}
			own, checked = own && added[t.change.Add[0].Path], true
		}
	}
	out.Dropped = !own || !checked
	return out, nil
}
