package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// conflicts is how often an epoch is rebuilt after a conflict before the run gives up.
const conflicts = 10

// Run follows the stream until ctx ends (then the epoch under way is finished,
// and the error is nil), until it is caught up if that is asked for, or until an error.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.complete(); err != nil {
		return Report{}, err
	}
	tables, err := open(ctx, &o)
	if err != nil {
		return Report{}, unlessEnded(ctx, err)
	}
	defer closeAll(tables)
	m, err := newMeters(o.Meter)
	if err != nil {
		return Report{}, fmt.Errorf("ingest: make metrics: %w", err)
	}
	r := &run{opts: &o, tables: tables, meters: m, report: o.Before}
	for {
		again, err := r.follow(ctx)
		if err != nil || !again {
			return r.report, err
		}
	}
}

// unlessEnded is nil where the run was asked to end: what failed between two epochs then failed because of that.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

type run struct {
	opts   *Options
	tables map[string]*follower
	meters *meters
	report Report

	writing   atomic.Bool // an epoch is being written
	lagAt     time.Time   // when the lag was measured last
	idleSince time.Time   // when planning found nothing to write first; zero while there is something
}

// planned is what the planning goroutine hands over.
type planned struct {
	epoch      source.Epoch
	err        error
	begin, end time.Time
}

// follow plans from the lake's position on, one epoch ahead of what is being
// written. It returns true where planning must start again from the lake.
func (r *run) follow(ctx context.Context) (again bool, err error) {
	from, err := r.opts.Lake.StreamPosition(ctx, r.opts.Source.Stream())
	if err != nil {
		return false, unlessEnded(ctx, fmt.Errorf("ingest: where the lake is: %w", err))
	}
	r.report.Position = from
	planCtx, stop := context.WithCancel(ctx)
	plans := make(chan planned, 1)
	go func() {
		defer close(plans)
		r.plan(planCtx, from, plans)
	}()
	defer func() {
		stop()
		for range plans { // the planner has ended when its channel is closed
		}
	}()
	start := from
	for p := range plans {
		r.opts.Alive()
		if p.err != nil {
			if ctx.Err() != nil {
				return false, nil
			}
			return false, fmt.Errorf("ingest: plan: %w", p.err)
		}
		if p.epoch.Empty() {
			done, err := r.caughtUp(ctx, p.epoch.To)
			if done || err != nil {
				return false, err
			}
			r.idle(ctx, p.epoch.To)
			continue
		}
		r.idleSince = time.Time{}
		p.epoch = rebase(p.epoch, start, r.opts.Source.Stream())
		r.writing.Store(true)
		dropped, err := r.epoch(ctx, p)
		r.writing.Store(false)
		if err != nil {
			return false, err
		}
		if r.opts.Alive(); r.opts.Recycle() {
			return false, ErrRecycle
		}
		if dropped {
			return true, nil
		}
		start = p.epoch.To
	}
	return false, nil
}

// idleLimit is how long a run that shall end when caught up waits for the rest of
// a transaction that the stream's end leaves incomplete.
const idleLimit = 15 * time.Second

// caughtUp reports whether the run may end, after an epoch with nothing to write:
// the stream is read to its end, or what is left of it has not become whole for a while.
func (r *run) caughtUp(ctx context.Context, pos change.Position) (bool, error) {
	if !r.opts.UntilCaughtUp {
		return false, nil
	}
	lag, err := r.opts.Source.Lag(ctx, pos)
	if err != nil {
		return false, unlessEnded(ctx, fmt.Errorf("ingest: how far behind: %w", err))
	}
	now := r.opts.Clock()
	switch {
	case lag.Events == 0, lag.Events < 0 && lag.Bytes <= 0: // a source that cannot count events may count bytes
		return true, nil
	case r.idleSince.IsZero():
		r.idleSince = now
	case now.Sub(r.idleSince) > idleLimit:
		r.opts.Logger.Warn("the stream ends in an incomplete transaction, which stays for the next run", "events", lag.Events)
		return true, nil
	}
	return false, nil
}

// rebase makes an epoch start where the lake is: epochs with nothing to write move
// the position only in memory, so the next one to be written covers them too.
func rebase(ep source.Epoch, start change.Position, stream string) source.Epoch {
	ep.From = start
	ep.ID = change.EpochID(stream, start)
	return ep
}

// plan plans epoch after epoch until ctx ends or planning fails.
func (r *run) plan(ctx context.Context, from change.Position, out chan<- planned) {
	lim := r.opts.Limits
	lim.Drain = r.opts.UntilCaughtUp
	lim.Busy = func() bool { return r.writing.Load() || len(out) > 0 }
	for {
		begin := r.opts.Clock()
		ep, err := r.opts.Source.Plan(ctx, from, lim)
		select {
		case out <- planned{ep, err, begin, r.opts.Clock()}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		from = ep.To
		lim.Drain = r.opts.UntilCaughtUp && !ep.Empty() // what is still incomplete is waited for, not asked for
	}
}

// epoch takes one epoch into the lake. A context that has ended does not stop it before Grace is over.
func (r *run) epoch(ctx context.Context, p planned) (dropped bool, err error) {
	ep := p.epoch
	unstopped, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		t, stop := context.WithTimeout(unstopped, r.opts.Grace)
		defer stop()
		<-t.Done()
		cancel(fmt.Errorf("ingest: epoch %s did not end within %s of the stop", ep.ID, r.opts.Grace))
	})()
	work, span := r.startSpan(unstopped, p)
	defer func() { endSpan(span, dropped, err) }()
	begin := r.opts.Clock()
	var done catalog.Committed
	var made *step
	for attempt := 1; ; attempt++ {
		made = newStep(r.opts, r.tables, ep, attempt)
		done, err = made.run(work)
		if err == nil {
			break
		}
		if !errors.Is(err, catalog.ErrConflict) || attempt == conflicts {
			return false, err
		}
		r.meters.rebuilds.Add(work, 1)
		r.opts.Logger.Info("epoch is rebuilt", "epoch", ep.ID, "attempt", attempt, "reason", err)
	}
	if done.Dropped {
		r.report.Dropped++
		r.meters.dropped.Add(work, 1)
		r.opts.Logger.Warn("epoch was in the lake already; going on from the lake's position", "epoch", ep.ID)
		return true, nil
	}
	took := r.opts.Clock().Sub(begin)
	r.count(ep, done)
	r.meters.epoch(work, ep, done, made.wrote, took)
	if err := r.opts.Source.Confirm(work, ep.To); err != nil {
		r.opts.Logger.Warn("progress was not published", "reason", err)
	}
	if limit := max(0, r.opts.DeadLetterLimit); r.report.Counts.Rejected > limit {
		return false, fmt.Errorf("ingest: %w: %d, the limit is %d; look at %s.dead_letters", ErrDeadLetters, r.report.Counts.Rejected, limit, r.opts.Namespace)
	}
	lag := r.lag(work, ep.To)
	if r.opts.Progress != nil {
		r.opts.Progress(Progress{Epoch: ep, Cut: done.Cut, Report: r.report, Took: took, Lag: lag, Position: ep.To})
	}
	return false, nil
}

// lag measures how far a position is behind the stream's end.
func (r *run) lag(ctx context.Context, pos change.Position) source.Lag {
	r.lagAt = r.opts.Clock()
	lag, err := r.opts.Source.Lag(ctx, pos)
	if err != nil {
		r.opts.Logger.Warn("how far behind the stream's end the lake is cannot be measured", "reason", err)
		return source.Lag{Events: -1, Bytes: -1}
	}
	r.meters.lag(ctx, lag)
	return lag
}

// lagEvery is how often the lag is measured while there is nothing to write: it may grow, if what arrives is incomplete.
const lagEvery = 5 * time.Second

func (r *run) idle(ctx context.Context, pos change.Position) {
	if r.opts.Clock().Sub(r.lagAt) >= lagEvery {
		r.lag(ctx, pos)
	}
}

func (r *run) count(ep source.Epoch, done catalog.Committed) {
	c, e := &r.report.Counts, ep.Counts
	c.Events += e.Events
	c.Rejected += e.Rejected
	c.Duplicates += e.Duplicates
	c.Tombstones += e.Tombstones
	c.Transactions += e.Transactions
	c.Bytes += e.Bytes
	r.report.Epochs++
	r.report.Cut, r.report.Position = done.Cut, ep.To
}
