package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
)

// Commit applies c to all of its tables or to none. Where another committer was faster it is
// rebuilt from the new state and tried again. An epoch that the lake has already (its stream
// does not stand at c.From any more, but after it), or a run whose Epoch is in the history of one of the
// tables, changes nothing: the result says Dropped. Committing the very same files again is no drop,
// but tells what the first time would have told.
//
// Errors: ErrConflict (what c was computed from is gone; compute anew), ErrNotFound (a table),
// SchemaError, fault.Usage (c makes no sense, or this catalog cannot commit several tables),
// fault.Retryable (an outage; the outcome may be unknown, and committing c again tells).
func (l *Lake) Commit(ctx context.Context, c Commit) (Committed, error) {
	if l.cfg.ReadOnly { // its manifests are written before the catalog is asked
		return Committed{}, refused("commit")
	}
	start := l.cfg.Clock()
	if err := c.check(); err != nil {
		return Committed{}, err
	}
	select { // committers of one process take turns: racing each other would only cost attempts
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return Committed{}, context.Cause(ctx)
	}
	a := newAttempts(l, &c)
	out, err := a.run(ctx)
	a.clean(ctx, err)
	if err != nil {
		return Committed{}, fmt.Errorf("commit %s: %w", c.describe(), err)
	}
	took := l.cfg.Clock().Sub(start)
	l.meter.committed(ctx, took, out.Attempts)
	l.cfg.Logger.DebugContext(ctx, "committed", "stream", c.Stream, "epoch", c.Epoch, "cut", out.Cut,
		"tables", len(c.Tables), "attempts", out.Attempts, "dropped", out.Dropped, "took", took)
	return out, nil
}

func (c *Commit) describe() string {
	if c.Stream != "" {
		return fmt.Sprintf("of epoch %s of stream %s", c.Epoch, c.Stream)
	}
	return "of run " + c.Epoch
}

// check refuses commits that make no sense, all faults at once.
func (c *Commit) check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.Tables) == 0 {
		fail("it names no table: name the tables whose snapshots will hold the position, with no files if need be")
	}
	if c.Stream != "" && c.Epoch == "" {
		fail("an epoch needs its identity")
	}
	if c.Stream == "" && (!c.From.IsZero() || !c.To.IsZero()) {
		fail("positions without a stream")
	}
	if o := c.To.Compare(c.From); o != change.After && o != change.Equal && !c.Reset {
		fail("it ends at %s, which is not after its start %s", c.To, c.From)
	}
	seen := map[string]bool{}
	for i := range c.Tables {
		tc := &c.Tables[i]
		if seen[tc.Table] {
			fail("table %s is named twice", tc.Table)
		}
		seen[tc.Table] = true
		if err := tc.check(); err != nil {
			fail("table %s: %w", tc.Table, err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return fault.Mark(fault.Usage, fmt.Errorf("commit %s: %w", c.describe(), errors.Join(errs...)))
}

func (tc *TableChange) check() error {
	if err := checkTableName(tc.Table); err != nil {
		return err
	}
	if tc.ReplaceAll && len(tc.Remove) > 0 {
		return errors.New("change: ReplaceAll and Remove exclude each other")
	}
	if len(tc.Remove) > 0 && tc.Based == 0 {
		return errors.New("change: Remove needs Based, the snapshot that it was computed from")
	}
	seen := map[string]bool{}
	for _, f := range tc.Add {
		switch {
		case f.Path == "" || seen[f.Path]:
			return fmt.Errorf("file path %q is empty or added twice", f.Path)
		case f.Rows < 1 || f.Bytes < 1:
			return fmt.Errorf("file %s has %d rows in %d bytes: leave empty files out", f.Path, f.Rows, f.Bytes)
		}
		seen[f.Path] = true
	}
	for k := range tc.Summary {
		if strings.HasPrefix(k, "total-") || k == "operation" || k == KeyCut || k == KeyStream || k == KeyPosition {
			return fmt.Errorf("summary key %q is the lake's own", k)
		}
	}
	return nil
}

// attempts carries what a commit keeps from one attempt to the next.
type attempts struct {
	lake    *Lake
	c       *Commit
	tables  []*tableStage // in the order of c.Tables
	unknown bool          // an attempt's outcome was never learned
}

func newAttempts(l *Lake, c *Commit) *attempts {
	a := &attempts{lake: l, c: c}
	for i := range c.Tables {
		a.tables = append(a.tables, &tableStage{lake: l, change: &c.Tables[i], snapshot: rand.Int64N(1<<62) + 1, id: uuid.New()})
	}
	return a
}

func (a *attempts) run(ctx context.Context) (Committed, error) {
	for n := 1; ; n++ {
		out, err := a.once(ctx)
		if err == nil {
			out.Attempts = n
			return out, nil
		}
		if isUnknown(err) {
			a.unknown = true
		}
		again := isMoved(err) || isUnknown(err) || fault.IsRetryable(err)
		if !again || ctx.Err() != nil {
			return Committed{}, a.undecided(err)
		}
		if n == maxAttempts {
			return Committed{}, fault.Retryablef("gave up after %d attempts: %w", n, err)
		}
		a.lake.cfg.Logger.InfoContext(ctx, "commit is tried again", "epoch", a.c.Epoch, "attempt", n, "reason", err)
		if err := pause(ctx, n, commitPause, maxCommitPause); err != nil {
			return Committed{}, err
		}
	}
}

// undecided says so if the commit may be in the lake all the same.
func (a *attempts) undecided(err error) error {
	if !a.unknown {
		return err
	}
	return fault.Retryablef("whether an earlier attempt was applied is unknown: commit the same again, which tells: %w", err)
}

// once is one attempt, from the lake's present state.
func (a *attempts) once(ctx context.Context) (Committed, error) {
	st, err := a.lake.backend.read(ctx)
	if err != nil {
		return Committed{}, err
	}
	for _, t := range a.tables {
		if _, err := st.head(t.change.Table); err != nil {
			return Committed{}, err
		}
	}
	if out, ok := a.landed(st); ok {
		return out, nil
	}
	if out, done, err := a.inLake(ctx, st); done || err != nil {
		return out, err
	}
	if len(a.tables) > 1 {
		if err := a.lake.backend.multiTable(); err != nil {
			return Committed{}, err
		}
	}
	step := &cutStep{from: st, to: st.cut + 1}
	updates, err := a.stage(ctx, step)
	if err != nil {
		return Committed{}, err
	}
	if len(updates) > 1 {
		if err := a.lake.backend.multiTable(); err != nil {
			return Committed{}, err
		}
	}
	if err := a.lake.backend.commit(ctx, step, updates); err != nil {
		if !isUnknown(err) {
			return Committed{}, err
		}
		return a.readBack(ctx, err)
	}
	return a.confirm(ctx)
}

func (a *attempts) names() []string {
	names := make([]string, len(a.tables))
	for i, t := range a.tables {
		names[i] = t.change.Table
	}
	return names
}

// stage prepares the new snapshot of every table, and the tags of those that are only tagged.
func (a *attempts) stage(ctx context.Context, step *cutStep) ([]tableUpdate, error) {
	at := a.commitTime(step.from)
	updates := make([]tableUpdate, len(a.tables))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(stageWorkers)
	for i, t := range a.tables {
		g.Go(func() (err error) {
			h := step.from.heads[t.change.Table]
			if updates[i], err = t.stage(gctx, a.c, h, step.to, at); err != nil {
				return fmt.Errorf("table %s: %w", h.name, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return append(updates, a.tagOthers(step.from)...), nil
}

// commitTime is the clock's, but never before the last change of any table, so that the order
// of times is that of cuts.
func (a *attempts) commitTime(st state) time.Time {
	ms := a.lake.cfg.Clock().UnixMilli()
	for _, h := range st.heads {
		ms = max(ms, h.meta.LastUpdatedMillis())
	}
	return time.UnixMilli(ms)
}

// tagOthers moves the business date's tag on the tables that the commit does not change, but
// whose namespaces it touches. Tables without a snapshot are left out.
func (a *attempts) tagOthers(st state) []tableUpdate {
	if a.c.BusinessDate.IsZero() {
		return nil
	}
	touched, own := map[string]bool{}, map[string]bool{}
	for _, t := range a.tables {
		namespace, _ := splitName(t.change.Table)
		touched[namespace], own[t.change.Table] = true, true
	}
	tag := BusinessDateTag(a.c.BusinessDate)
	var out []tableUpdate
	for _, name := range slices.Sorted(maps.Keys(st.heads)) {
		namespace, _ := splitName(name)
		h := st.heads[name]
		cur := h.meta.CurrentSnapshot()
		if !touched[namespace] || own[name] || cur == nil {
			continue
		}
		if old := h.meta.SnapshotByName(tag); old != nil && old.SnapshotID == cur.SnapshotID {
			continue
		}
		out = append(out, tableUpdate{base: h, updates: []table.Update{setTag(tag, cur.SnapshotID)}, reqs: headUnmoved(h)})
	}
	return out
}

func setTag(name string, snapshot int64) table.Update {
	return table.NewSetSnapshotRefUpdate(name, snapshot, table.TagRef, 0, 0, 0)
}

// headUnmoved requires that the table is the one that was read, at the same snapshot.
func headUnmoved(h head) []table.Requirement {
	var id *int64
	if s := h.meta.CurrentSnapshot(); s != nil {
		id = &s.SnapshotID
	}
	return []table.Requirement{table.AssertTableUUID(h.meta.TableUUID()), table.AssertRefSnapshotID(table.MainBranch, id)}
}

// clean removes what attempts wrote in vain. Where the outcome of any attempt was unknown, that
// one may be in the lake, or get there yet: nothing is removed, and the garbage collection decides later by age.
func (a *attempts) clean(ctx context.Context, err error) {
	if a.unknown {
		return
	}
	ctx = context.WithoutCancel(ctx)
	for _, t := range a.tables {
		t.clean(ctx, err == nil)
	}
}
