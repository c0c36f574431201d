package nightly

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

// Serve runs nights at their times until ctx ends; then the steps under way are ended, and the next runner resumes the night. Several processes may
// serve one history: one of them runs a night, and another goes on where it died.
//
// The first time that anybody serves a history, the next night is its first one; after that every missed one is caught up by the policy.
func Serve(ctx context.Context, o Options) error {
	e, err := newEngine(ctx, o)
	if err != nil {
		return err
	}
	defer e.telling.Wait()
	background, stop := context.WithCancel(ctx)
	var beside waitGroup
	defer func() { stop(); beside.Wait() }()
	changed := make(chan struct{}, 1)
	beside.Go(func() { e.watching(background) })
	beside.Go(func() { e.reloading(background, changed) })
	first, err := e.anchor(ctx)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	for ctx.Err() == nil {
		e.o.Alive()
		wake, err := e.turn(ctx, first)
		if err != nil && ctx.Err() == nil {
			if k := fault.Of(err); k == fault.Usage {
				return err
			}
			e.o.Logger.Error("the night stops here for now", "reason", err)
			wake = e.o.Poll
		}
		t := time.NewTimer(wake)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-t.C:
		}
		t.Stop()
	}
	return nil
}

// unlessEnded is nil where the process was asked to end: what failed then failed because of that.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// sleeps is how many Polls a process that waits for its next night sleeps at most before it looks around: for alerts that a dead one did not
// tell, and nights that it left.
const sleeps = 15

// turn runs what is due, and says after which time to look again.
func (e *engine) turn(ctx context.Context, first calendar.Day) (time.Duration, error) {
	if err := e.retell(ctx); err != nil {
		return 0, err
	}
	due, _, err := e.pending(ctx, first)
	if err != nil {
		return 0, err
	}
	if len(due) > 0 {
		err := e.under(ctx, func(ctx context.Context, l catalog.Lease) error { return e.catchUp(ctx, l, first) })
		var held *catalog.HeldError
		if errors.As(err, &held) {
			e.o.Logger.Debug("another process runs the night", "holder", held.Holder)
			return min(e.o.Poll, max(held.Left, time.Millisecond)), nil
		}
		if err != nil {
			return 0, err
		}
	}
	now := e.o.Clock()
	_, at := e.settings.Load().next(now)
	return min(at.Sub(now), sleeps*e.o.Poll), nil
}

// pending are the business dates whose nights are due and not over; begun says of which a part is done.
func (e *engine) pending(ctx context.Context, first calendar.Day) (due []calendar.Day, begun map[calendar.Day]bool, err error) {
	s := e.settings.Load()
	statuses, err := e.o.History.statuses(ctx, calendar.FormatDay(first))
	if err != nil {
		return nil, nil, err
	}
	begun = map[calendar.Day]bool{}
	for _, day := range s.due(first, e.o.Clock()) {
		date := calendar.FormatDay(day)
		status := statuses[date]
		if status.over() {
			continue
		}
		due, begun[day] = append(due, day), status != ""
		if status == "" { // its deadline counts from its time on, whoever runs it, and when
			start, _ := s.Start(day)
			e.watch(Night{Date: date, Plan: s.Plan, Scheduled: start}, s.Zone, nil)
		}
	}
	return due, begun, nil
}

// catchUp runs all nights that are due, in order, and leaves out those that the policy does.
func (e *engine) catchUp(ctx context.Context, l catalog.Lease, first calendar.Day) error {
	for {
		due, begun, err := e.pending(ctx, first)
		if err != nil || len(due) == 0 {
			return err
		}
		s := e.settings.Load()
		run, skip := s.split(due, begun, e.o.Clock())
		for _, day := range skip {
			if err := e.skip(ctx, l, day, s); err != nil {
				return err
			}
		}
		if len(run) == 0 {
			return nil
		}
		reason := Scheduled
		if start, _ := s.Start(run[0]); e.o.Clock().Sub(start) > late || len(run) > 1 {
			reason = CaughtUp
		}
		if _, err := e.night(ctx, l, request{day: run[0], reason: reason}); err != nil {
			return err
		}
	}
}

// skip records that a night is left out, and tells it.
func (e *engine) skip(ctx context.Context, l catalog.Lease, day calendar.Day, s *Settings) error {
	date, now := calendar.FormatDay(day), e.o.Clock()
	start, _ := s.Start(day)
	why := fmt.Sprintf("catch_up is %s", s.CatchUp)
	err := e.o.History.write(ctx, l, func(tx *catalog.LeaseTx) error {
		n := Night{Date: date, Status: NightSkipped, Reason: CaughtUp, Plan: s.Plan, Scheduled: start, Started: now, Ended: now, Runner: e.o.Holder, Token: l.Token, Message: why}
		if err := e.o.History.putNight(ctx, tx, n); err != nil {
			return err
		}
		return e.o.History.putEvent(ctx, tx, Event{At: now, Kind: "night.skipped", Who: e.o.Holder, Date: date, Detail: detail(map[string]string{"reason": why})})
	})
	if err != nil {
		return err
	}
	e.kept(date, "")
	e.raise(ctx, Alert{Kind: "night.skipped", Date: date, Status: notifyio.Warn, Text: fmt.Sprintf("the night of %s was missed and is left out: %s", date, why)})
	return nil
}

// anchor is the first business date that this history serves.
func (e *engine) anchor(ctx context.Context) (calendar.Day, error) {
	h := e.o.History
	day, _ := e.settings.Load().next(e.o.Clock())
	date := ""
	err := h.append(ctx, func(tx *catalog.LeaseTx) error {
		date = ""
		if err := tx.Query(ctx, `SELECT business_date FROM millrace_night_events WHERE catalog_name = ? AND kind = 'calendar.began' ORDER BY seq LIMIT 1`, []any{h.leases.Name()},
			func(scan func(...any) error) error { return scan(&date) }); err != nil || date != "" {
			return err
		}
		date = calendar.FormatDay(day)
		return h.putEvent(ctx, tx, Event{At: e.o.Clock(), Kind: "calendar.began", Who: e.o.Holder, Date: date})
	})
	if err != nil {
		return 0, fmt.Errorf("find the first night: %w", err)
	}
	return calendar.ParseDay(date)
}

// Run runs the nights of some dates now, in order, whatever the schedule says; Only names steps, nil is all. What is done already is not done again unless Again
// says so. The result is the last night; the error is a fault.Findings where any had findings, and a fault where one failed.
func Run(ctx context.Context, o Options, a Ask) ([]Night, error) {
	e, err := newEngine(ctx, o)
	if err != nil {
		return nil, err
	}
	defer e.telling.Wait()
	background, stop := context.WithCancel(ctx)
	var beside waitGroup
	defer func() { stop(); beside.Wait() }()
	beside.Go(func() { e.watching(background) })
	for _, name := range a.Only {
		if _, ok := e.settings.Load().Plan.step(name); !ok {
			return nil, fault.Usagef("there is no step %q in the project file's section nightly", name)
		}
	}
	var nights []Night
	err = e.patiently(ctx, a.Wait, func(ctx context.Context, l catalog.Lease) error {
		for _, day := range a.Days {
			n, found, err := e.o.History.Night(ctx, calendar.FormatDay(day))
			if err != nil {
				return err
			}
			settled := n.Status == NightOK || n.Status == NightFindings
			if !found || a.Again || len(a.Only) > 0 || !settled && !(a.Keep && n.Status.over()) {
				if n, err = e.night(ctx, l, request{day: day, reason: a.Reason, only: a.Only, again: a.Again}); err != nil {
					return err
				}
			}
			nights = append(nights, n)
		}
		return nil
	})
	switch {
	case err != nil && ctx.Err() != nil && !errors.Is(err, catalog.ErrLeaseLost):
		return nights, fmt.Errorf("the night stops here, and the next run resumes it: %w", ctx.Err())
	case err != nil:
		return nights, err
	}
	return nights, verdict(nights)
}

// patiently is under, but waits for the lease where wait says so.
func (e *engine) patiently(ctx context.Context, wait bool, do func(ctx context.Context, l catalog.Lease) error) error {
	for {
		err := e.under(ctx, do)
		var held *catalog.HeldError
		if !wait || !errors.As(err, &held) {
			return err
		}
		t := time.NewTimer(min(e.o.Poll, max(held.Left, time.Millisecond)))
		select {
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}

// Ask is what a person asks for.
type Ask struct {
	Days   []calendar.Day
	Reason Reason // Asked or Backfill
	Only   []string
	Again  bool // also what is done
	Keep   bool // leave nights alone that are over, however they ended
	Wait   bool // wait while another process has the lease, instead of the error catalog.ErrHeld
}

// verdict is the error of nights that did not all end well.
func verdict(nights []Night) error {
	var failed, found []string
	for _, n := range nights {
		switch n.Status {
		case NightFailed:
			failed = append(failed, fmt.Sprintf("the night of %s failed: %s", n.Date, n.Message))
		case NightFindings:
			found = append(found, fmt.Sprintf("the night of %s has findings: %s", n.Date, n.Message))
		}
	}
	switch {
	case len(failed) > 0:
		return errors.New(strings.Join(failed, "; "))
	case len(found) > 0:
		return fault.Findingsf("%s", strings.Join(found, "; "))
	}
	return nil
}
