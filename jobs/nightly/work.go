package nightly

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

// work is a night under way.
type work struct {
	*engine
	lease    catalog.Lease
	day      calendar.Day
	zone     *time.Location
	settings *Settings // those that the night began with in this process
	texts    map[string]string
	only     []string

	mu       sync.Mutex // for what follows
	night    Night
	attempts []Attempt
}

// begin marks what died, forgets what shall be done again, and writes the night.
func (w *work) begin(ctx context.Context, attempts []Attempt, r request) error {
	now := w.o.Clock()
	var changed []Attempt
	for i := range attempts {
		if a := &attempts[i]; a.Outcome == StepRunning {
			a.Outcome, a.Ended, a.Error = StepKilled, now, "its runner died, or lost the lease"
			changed = append(changed, *a)
		}
	}
	for _, s := range w.night.Plan.Steps {
		asked := r.reason == Asked || r.reason == Backfill // a person gives a step that failed all its attempts again
		o := last(attempts, s.Name)
		if w.wanted(s.Name) && (r.again && o != "" || asked && o == StepFailed) {
			a := Attempt{Date: w.night.Date, Step: s.Name, Attempt: count(attempts, s.Name) + 1, Outcome: StepAgain, Started: now, Ended: now, Runner: w.o.Holder, Token: w.lease.Token}
			attempts, changed = append(attempts, a), append(changed, a)
		}
	}
	w.attempts = attempts
	return w.o.History.write(ctx, w.lease, func(tx *catalog.LeaseTx) error {
		for _, a := range changed {
			if err := w.o.History.putAttempt(ctx, tx, a); err != nil {
				return err
			}
			if a.Outcome == StepAgain {
				if err := w.o.History.putEvent(ctx, tx, Event{At: now, Kind: "step.again", Who: w.o.Holder, Date: a.Date, Detail: detail(map[string]any{"step": a.Step})}); err != nil {
					return err
				}
			}
		}
		if err := w.o.History.putTexts(ctx, tx, w.texts); err != nil {
			return err
		}
		return w.o.History.putNight(ctx, tx, w.night)
	})
}

func (w *work) wanted(step string) bool { return w.only == nil || slices.Contains(w.only, step) }

// last is the outcome of a step's last attempt; "": there was none.
func last(attempts []Attempt, step string) Outcome {
	best, out := 0, Outcome("")
	for _, a := range attempts {
		if a.Step == step && a.Attempt >= best {
			best, out = a.Attempt, a.Outcome
		}
	}
	return out
}

// count is the number of a step's last attempt.
func count(attempts []Attempt, step string) (n int) {
	for _, a := range attempts {
		if a.Step == step {
			n = max(n, a.Attempt)
		}
	}
	return n
}

// failures is how often a step has failed since it was asked for last.
func failures(attempts []Attempt, step string) (n int) {
	for _, a := range attempts {
		switch {
		case a.Step != step:
		case a.Outcome == StepAgain:
			n = 0
		case a.Outcome == StepFailed:
			n++
		}
	}
	return n
}

func (w *work) outcome(step string) Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	return last(w.attempts, step)
}

func (w *work) doneSteps() map[string]bool {
	out := map[string]bool{}
	for _, s := range w.night.Plan.Steps {
		out[s.Name] = w.outcome(s.Name).done()
	}
	return out
}

// ready reports whether a step may run; blocked that it never will.
func (w *work) ready(s Step, over map[string]bool) (ready bool, blocked string) {
	for _, name := range s.After {
		before, _ := w.night.Plan.step(name)
		switch o := w.outcome(name); {
		case !w.wanted(name): // who asks for single steps knows what he does
		case !over[name] && !o.done():
			return false, ""
		case !o.done():
			return false, fmt.Sprintf("step %s is not done", name)
		case o == StepFindings && !before.GoOn:
			return false, fmt.Sprintf("step %s has findings", name)
		}
	}
	return true, ""
}

// run runs the steps that are left, those that do not depend on one another side by side, within Plan.Parallel.
func (w *work) run(ctx context.Context) error {
	over := map[string]bool{} // nothing more happens to these in this run
	for _, s := range w.night.Plan.Steps {
		o := w.outcome(s.Name)
		over[s.Name] = !w.wanted(s.Name) || o.done() || o == StepFailed && failures(w.attempts, s.Name) > s.Retries
	}
	type ended struct {
		step string
		err  error
	}
	results := make(chan ended)
	started, running := map[string]bool{}, 0
	var failed error
	for {
		for moved := true; moved && failed == nil && ctx.Err() == nil; {
			moved = false
			for _, s := range w.night.Plan.Steps {
				if over[s.Name] || started[s.Name] || running >= max(w.night.Plan.Parallel, 1) {
					continue
				}
				ready, blocked := w.ready(s, over)
				switch {
				case blocked != "":
					over[s.Name], moved = true, true
					failed = errors.Join(failed, w.block(ctx, s, blocked))
				case ready:
					started[s.Name] = true
					running++
					go func() { results <- ended{s.Name, w.step(ctx, s)} }()
				}
			}
		}
		if running == 0 {
			break
		}
		r := <-results
		running--
		over[r.step] = true
		failed = errors.Join(failed, r.err)
	}
	if failed == nil && ctx.Err() != nil {
		failed = context.Cause(ctx)
	}
	return failed
}

// block records that a step cannot run.
func (w *work) block(ctx context.Context, s Step, why string) error {
	now := w.o.Clock()
	return w.put(ctx, Attempt{Step: s.Name, Outcome: StepBlocked, Started: now, Ended: now, Error: why})
}

// put writes an attempt; number 0 is given the next one.
func (w *work) put(ctx context.Context, a Attempt) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	a.Date, a.Runner, a.Token, a.Settings = w.night.Date, w.o.Holder, w.lease.Token, w.settings.Plan.Digest
	if a.Attempt == 0 {
		a.Attempt = count(w.attempts, a.Step) + 1
	}
	night := w.night
	err := w.o.History.write(ctx, w.lease, func(tx *catalog.LeaseTx) error {
		if err := w.o.History.putNight(ctx, tx, night); err != nil {
			return err
		}
		return w.o.History.putAttempt(ctx, tx, a)
	})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(w.attempts, func(b Attempt) bool { return b.Step == a.Step && b.Attempt == a.Attempt })
	if i >= 0 {
		w.attempts[i] = a
	} else {
		w.attempts = append(w.attempts, a)
	}
	return nil
}

// step tries a step until it is done, its attempts are used up, or ctx ends. The error is nil where the step failed: its outcome says so.
func (w *work) step(ctx context.Context, s Step) error {
	for {
		a, res, runErr, err := w.attempt(ctx, s)
		if err != nil {
			return err
		}
		w.show(Progress{Event: "step.done", Date: a.Date, Step: s.Name, Attempt: a.Attempt, Status: string(a.Outcome), Message: firstOf(a.Error, res.Message), Took: a.Ended.Sub(a.Started)})
		w.meters.attempt(ctx, a)
		w.o.Hook("step:" + s.Name)
		w.mu.Lock()
		failed := failures(w.attempts, s.Name)
		w.mu.Unlock()
		switch {
		case a.Outcome.done():
			w.kept(a.Date, s.Name)
			return nil
		case a.Outcome == StepInterrupted:
			return context.Cause(ctx)
		case fault.Of(runErr) == fault.Usage, failed > s.Retries:
			return nil
		}
		pause := min(s.Backoff<<min(failed-1, 20), time.Hour)
		w.o.Logger.Warn("a step failed and is tried again", "step", s.Name, "date", a.Date, "attempt", a.Attempt, "reason", runErr, "pause", pause)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		}
	}
}

// attempt runs a step once. err is a fault of the history; runErr is the step's.
func (w *work) attempt(ctx context.Context, s Step) (a Attempt, res Result, runErr, err error) {
	a = Attempt{Date: w.night.Date, Step: s.Name, Outcome: StepRunning, Started: w.o.Clock()}
	w.mu.Lock()
	a.Attempt = count(w.attempts, s.Name) + 1
	w.mu.Unlock()
	if err = w.put(ctx, a); err != nil {
		return a, res, nil, err
	}
	w.show(Progress{Event: "step", Date: a.Date, Step: s.Name, Attempt: a.Attempt})
	w.o.Hook("attempt:" + s.Name)
	running, span := w.startStep(ctx, a)
	res, runErr = w.call(running, s, a.Attempt)
	w.o.Hook("ran:" + s.Name)
	a.Ended = w.o.Clock()
	a.Cut, a.Run, a.Verdict, a.Digests, a.Report = res.Cut, res.Run, res.Verdict, res.Digests, res.Report
	switch {
	case runErr == nil && res.Findings:
		a.Outcome, a.Error = StepFindings, res.Message
	case runErr == nil:
		a.Outcome = StepOK
	case ctx.Err() != nil:
		a.Outcome, a.Error = StepInterrupted, runErr.Error()
	default:
		a.Outcome, a.Error = StepFailed, runErr.Error()
	}
	endSpan(span, string(a.Outcome), runErr)
	if runErr == nil {
		w.mu.Lock()
		if res.Position != nil {
			w.night.Position = *res.Position
		}
		w.mu.Unlock()
	}
	// What was done is written also when ctx has just ended; the fence keeps out who has lost the lease.
	return a, res, runErr, w.put(context.WithoutCancel(ctx), a)
}

// call runs a step's job within its time.
func (w *work) call(ctx context.Context, s Step, attempt int) (Result, error) {
	if s.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, s.Timeout, fmt.Errorf("it took longer than its time-out, %s", s.Timeout))
		defer stop()
	}
	p, err := w.position(ctx, s)
	if err != nil {
		return Result{}, err
	}
	t := w.task(s)
	t.Position, t.Attempt = p, attempt
	return w.settings.Run.Run(ctx, t)
}

// position is the cut that a step reads. Where no step of this run finds it, it is looked for once.
func (w *work) position(ctx context.Context, s Step) (Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ingest Step
	for _, s := range w.night.Plan.Steps {
		if s.Job == "ingest" {
			ingest = s
		}
	}
	if w.night.Position.Cut != 0 || s.Job == "ingest" || ingest.Name != "" && w.wanted(ingest.Name) {
		return w.night.Position, nil
	}
	p, err := w.settings.Run.Locate(ctx, w.task(ingest))
	if err != nil {
		return p, fmt.Errorf("find the lake's cut: %w", err)
	}
	if p.Cut == 0 {
		return p, nil
	}
	n := w.night
	n.Position = p
	if err := w.o.History.write(ctx, w.lease, func(tx *catalog.LeaseTx) error { return w.o.History.putNight(ctx, tx, n) }); err != nil {
		return Position{}, err
	}
	w.night.Position = p
	return p, nil
}

// task is what a step is told, but for its position and attempt.
func (w *work) task(s Step) Task {
	return Task{Step: s, Date: w.day, Prior: w.settings.Calendar.Add(w.day, -1), CutOff: instant(w.night.Plan.CutOff, w.day, w.zone), Midnight: w.night.Plan.CutOff == "24:00",
		Zone: w.night.Plan.Zone, Texts: w.texts, Out: filepath.Join(w.night.Plan.Out, s.Name, w.night.Date)}
}

// end concludes the night. One of which only some steps were asked for is done when these are, and nothing of the others is undone.
func (w *work) end(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.night.Status, w.night.Ended = NightOK, w.o.Clock()
	worst := func(s Status, message string) {
		if w.night.Status == NightOK || w.night.Status == NightPartial || w.night.Status == NightFindings && s == NightFailed {
			w.night.Status, w.night.Message = s, message
		}
	}
	for _, s := range w.night.Plan.Steps {
		o, message := last(w.attempts, s.Name), ""
		for _, a := range w.attempts {
			if a.Step == s.Name && a.Error != "" {
				message = fmt.Sprintf("step %s: %s", s.Name, a.Error)
			}
		}
		switch {
		case o == StepFindings:
			worst(NightFindings, message)
		case o == StepFailed:
			worst(NightFailed, message)
		case !o.done() && !w.wanted(s.Name) && w.night.Status == NightOK:
			w.night.Status = NightPartial
		}
	}
	n := w.night
	return w.o.History.write(ctx, w.lease, func(tx *catalog.LeaseTx) error { return w.o.History.putNight(ctx, tx, n) })
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
