package nightly

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/notifyio"
)

// Alert is what somebody must be told.
type Alert struct {
	ID     string          `json:"id"` // the same for the same happening, whoever raises it
	At     time.Time       `json:"at"`
	Kind   string          `json:"kind"` // night.late, step.late, night.failed, night.findings, night.ok, night.skipped, settings.refused
	Date   string          `json:"date,omitempty"`
	Step   string          `json:"step,omitempty"`
	Status notifyio.Status `json:"status"`
	Text   string          `json:"text"` // one line
}

// raise records an alert and tells it. One that is recorded already is not told again here: whoever recorded it does, and retell
// where it could not. It reports whether the alert was new.
func (e *engine) raise(ctx context.Context, a Alert) bool {
	ctx = context.WithoutCancel(ctx)
	a.At = e.o.Clock()
	if a.ID == "" {
		a.ID = Digest(a.Kind + "\x00" + a.Date + "\x00" + a.Step)
	}
	body, err := json.Marshal(a)
	fresh := false
	if err == nil {
		err = e.o.History.append(ctx, func(tx *catalog.LeaseTx) error {
			n, err := tx.Exec(ctx, `INSERT INTO millrace_night_alerts (catalog_name, alert_id, at_ms, business_date, told_ms, body) VALUES (?, ?, ?, ?, 0, ?)
				ON CONFLICT (catalog_name, alert_id) DO NOTHING`, e.o.History.leases.Name(), a.ID, millis(a.At), a.Date, string(body))
			fresh = fresh || n == 1 // the answer to its first commit may have been lost
			return err
		})
	}
	if err != nil { // it cannot be recorded, so it is told at least here
		e.o.Logger.Error("an alert could not be recorded", "reason", err, "alert", a.Text)
		fresh = true
	}
	if fresh {
		e.meters.alert(ctx, a.Kind)
		e.telling.Go(func() { e.tell(ctx, a) })
	}
	return fresh
}

// tell tells an alert, and notes that it did.
func (e *engine) tell(ctx context.Context, a Alert) {
	level := slog.LevelInfo
	switch a.Status {
	case notifyio.Fail:
		level = slog.LevelError
	case notifyio.Warn:
		level = slog.LevelWarn
	}
	e.o.Logger.Log(ctx, level, a.Text, "alert", a.Kind, "date", a.Date, "step", a.Step)
	data, err := json.Marshal(a)
	if err == nil {
		err = notifyio.Send(ctx, e.settings.Load().Channels, notifyio.Message{ID: a.ID, Event: "nightly." + a.Kind, Status: a.Status, Subject: a.Text, Text: a.Text, Data: data})
	}
	if err == nil {
		err = e.o.History.append(ctx, func(tx *catalog.LeaseTx) error {
			_, err := tx.Exec(ctx, `UPDATE millrace_night_alerts SET told_ms = ? WHERE catalog_name = ? AND alert_id = ?`, millis(e.o.Clock()), e.o.History.leases.Name(), a.ID)
			return err
		})
	}
	if err != nil {
		e.o.Logger.Error("not everybody could be told", "reason", err, "alert", a.Text)
	}
}

// untold is after which time an alert that nobody was told of is told by whoever finds it.
const untold = time.Minute

// retell tells alerts that were recorded by a process that died, or could not tell them.
func (e *engine) retell(ctx context.Context) error {
	alerts, err := e.o.History.alerts(ctx, ` AND told_ms = 0 AND at_ms < ? ORDER BY at_ms`, e.o.Clock().Add(-untold).UnixMilli())
	if err != nil {
		return err
	}
	for _, a := range alerts {
		e.telling.Go(func() { e.tell(context.WithoutCancel(ctx), a) })
	}
	return nil
}

// Alerts lists the latest alerts, at most so many, the latest first.
func (h *History) Alerts(ctx context.Context, most int) ([]Alert, error) {
	return h.alerts(ctx, ` ORDER BY at_ms DESC LIMIT ?`, most)
}

func (h *History) alerts(ctx context.Context, where string, args ...any) (out []Alert, err error) {
	err = h.bodies(ctx, `SELECT body FROM millrace_night_alerts WHERE catalog_name = ?`+where, args, func(body string) error {
		var a Alert
		err := json.Unmarshal([]byte(body), &a)
		out = append(out, a)
		return err
	})
	return out, err
}

// watched is a night, or a step of one, with a deadline that has not been kept yet.
type watched struct {
	date, step string
	at         time.Time
}

// watch adds a night's deadlines. Steps that are done have none.
func (e *engine) watch(n Night, zone *time.Location, done map[string]bool) {
	if n.Scheduled.IsZero() {
		return
	}
	defer func() {
		select {
		case e.rewatch <- struct{}{}:
		default: // it is told already
		}
	}()
	e.mu.Lock()
	defer e.mu.Unlock()
	if at, ok := deadline(n.Plan.Deadline, n.Scheduled, zone); ok {
		e.watched[watched{date: n.Date}] = at
	}
	for _, s := range n.Plan.Steps {
		if at, ok := deadline(s.Deadline, n.Scheduled, zone); ok && !done[s.Name] {
			e.watched[watched{date: n.Date, step: s.Name}] = at
		}
	}
}

// kept takes a deadline out that was kept; step "" takes the whole night out.
func (e *engine) kept(date, step string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.watched {
		if w.date == date && (step == "" || w.step == step) {
			delete(e.watched, w)
		}
	}
}

// overdue raises an alert for each deadline that has passed.
func (e *engine) overdue(ctx context.Context) {
	now := e.o.Clock()
	e.mu.Lock()
	var late []watched
	for w, at := range e.watched {
		if !now.Before(at) {
			w.at = at
			late = append(late, w)
			delete(e.watched, watched{date: w.date, step: w.step})
		}
	}
	e.mu.Unlock()
	for _, w := range late {
		if done, err := e.isDone(ctx, w); err != nil {
			e.o.Logger.Error("whether a deadline was kept is not known", "reason", err, "date", w.date, "step", w.step)
		} else if done {
			continue // by another replica
		}
		a := Alert{Kind: "night.late", Date: w.date, Status: notifyio.Fail, Text: fmt.Sprintf("the night of %s is not done at its deadline, %s", w.date, w.at.Format(time.RFC3339))}
		if w.step != "" {
			a.Kind, a.Step = "step.late", w.step
			a.Text = fmt.Sprintf("step %s of the night of %s is not done at its deadline, %s", w.step, w.date, w.at.Format(time.RFC3339))
		}
		e.raise(ctx, a)
	}
}

// isDone asks the history, for it may be another replica that runs the night.
func (e *engine) isDone(ctx context.Context, w watched) (bool, error) {
	if w.step == "" {
		n, found, err := e.o.History.Night(ctx, w.date)
		return found && n.Status.over(), err
	}
	attempts, err := e.o.History.Attempts(ctx, w.date)
	return last(attempts, w.step).done(), err
}

// longestWatch is after which time deadlines are looked at although none is near: a machine's clock may be set.
const longestWatch = time.Minute

// watching raises the alerts of deadlines as they pass, until ctx ends.
func (e *engine) watching(ctx context.Context) {
	for {
		t := time.NewTimer(e.untilDeadline())
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-e.rewatch:
			t.Stop()
		case <-t.C:
		}
		e.overdue(ctx)
	}
}

func (e *engine) untilDeadline() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	wait, now := longestWatch, e.o.Clock()
	for _, at := range e.watched {
		wait = min(wait, at.Sub(now))
	}
	return max(wait, 0)
}
