package nightly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

// Options describe who runs nights. History, Holder and Load are required.
type Options struct {
	History *History
	// Holder names this process, and no other: user, host, process and something random.
	Holder string
	// Lease is how long a runner that died keeps others out. 0: 30 s.
	Lease time.Duration
	// Load reads the settings. It is called again when Changed gives another digest.
	Load func(ctx context.Context) (Settings, error)
	// Changed is a digest of the files that Load reads; nil: they are never read again.
	Changed func() (string, error)
	// Reload, where it gives something, has the settings looked at at once (SIGHUP).
	Reload <-chan struct{}
	// Poll is how often Changed is asked and, where another process has the lease, whether it is free. 0: 2 s.
	Poll   time.Duration
	Logger *slog.Logger     // nil: slog.Default()
	Clock  func() time.Time // nil: time.Now
	// Progress, if set, is called at each beginning and end of a night and of an attempt, from one goroutine at a time.
	Progress func(Progress)
	// Alive, if set, is called while the process goes on.
	Alive  func()
	Meter  metric.Meter // nil: none
	Tracer trace.Tracer // nil: none
	// Hook, if set, is called between steps of the work ("night", "attempt:NAME", "ran:NAME", "step:NAME", "done"). It is for tests that kill the
	// process there.
	Hook func(stage string)
}

// Progress is a moment of a night.
type Progress struct {
	Event   string        `json:"event"` // night, step, step.done, night.done
	Date    string        `json:"date"`
	Step    string        `json:"step,omitempty"`
	Attempt int           `json:"attempt,omitempty"`
	Status  string        `json:"status,omitempty"` // a Status or an Outcome
	Message string        `json:"message,omitempty"`
	Took    time.Duration `json:"-"`
	TookMS  int64         `json:"took_ms,omitempty"`
	At      time.Time     `json:"time"`
}

func (o *Options) complete() error {
	if o.History == nil || o.Load == nil || o.Holder == "" {
		return fault.Usagef("nightly: a history, settings and the holder's name are required")
	}
	if o.Lease == 0 {
		o.Lease = 30 * time.Second
	}
	if o.Poll == 0 {
		o.Poll = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Alive == nil {
		o.Alive = func() {}
	}
	if o.Hook == nil {
		o.Hook = func(string) {}
	}
	if o.Meter == nil {
		o.Meter = metricnoop.NewMeterProvider().Meter("millrace")
	}
	if o.Tracer == nil {
		o.Tracer = tracenoop.NewTracerProvider().Tracer("millrace")
	}
	return nil
}

// engine runs nights for one process.
type engine struct {
	o        Options
	settings atomic.Pointer[Settings]
	meters   *meters
	telling  sync.WaitGroup // alerts under way

	mu      sync.Mutex
	watched map[watched]time.Time
	rewatch chan struct{} // told when watched has more
	shown   sync.Mutex    // Progress is called by one goroutine at a time
}

func newEngine(ctx context.Context, o Options) (*engine, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	m, err := newMeters(o.Meter)
	if err != nil {
		return nil, fmt.Errorf("nightly: make metrics: %w", err)
	}
	e := &engine{o: o, meters: m, watched: map[watched]time.Time{}, rewatch: make(chan struct{}, 1)}
	s, err := o.Load(ctx)
	if err == nil {
		err = s.Plan.Check()
	}
	if err != nil {
		return nil, err
	}
	e.settings.Store(&s)
	return e, nil
}

func (e *engine) show(p Progress) {
	e.shown.Lock()
	defer e.shown.Unlock()
	p.At, p.TookMS = e.o.Clock(), p.Took.Milliseconds()
	e.o.Alive()
	e.o.Progress(p)
}

// request is a night to run.
type request struct {
	day    calendar.Day
	reason Reason
	only   []string // steps; nil: all
	again  bool     // also those that are done
}

// night runs a business date's night, or what is left of it, under a lease that is held. The error is nil also where the night failed: its
// status says so. An error means that the night is not over: somebody resumes it.
func (e *engine) night(ctx context.Context, l catalog.Lease, r request) (n Night, err error) {
	ctx, span := e.startNight(ctx, calendar.FormatDay(r.day))
	defer func() { endSpan(span, string(n.Status), err) }()
	w, err := e.open(ctx, l, r)
	if err != nil {
		return n, err
	}
	e.o.Hook("night")
	e.show(Progress{Event: "night", Date: w.night.Date, Status: string(w.night.Reason)})
	if r.reason == Scheduled || r.reason == CaughtUp {
		e.watch(w.night, w.zone, w.doneSteps())
	}
	if err := w.run(ctx); err != nil {
		return w.night, err
	}
	if err := w.end(ctx); err != nil {
		return w.night, err
	}
	e.o.Hook("done")
	e.kept(w.night.Date, "")
	e.show(Progress{Event: "night.done", Date: w.night.Date, Status: string(w.night.Status), Message: w.night.Message, Took: w.night.Ended.Sub(w.night.Started)})
	e.meters.night(ctx, w.night)
	e.report(ctx, w.night)
	return w.night, nil
}

// report tells how a night ended.
func (e *engine) report(ctx context.Context, n Night) {
	a := Alert{Kind: "night." + string(n.Status), Date: n.Date, Status: notifyio.Pass, Text: fmt.Sprintf("the night of %s is done", n.Date)}
	switch n.Status {
	case NightFindings:
		a.Status, a.Text = notifyio.Fail, fmt.Sprintf("the night of %s has findings: %s", n.Date, n.Message)
	case NightFailed:
		a.Status, a.Text = notifyio.Fail, fmt.Sprintf("the night of %s failed: %s", n.Date, n.Message)
	}
	a.ID = Digest(fmt.Sprintf("%s\x00%s\x00%d\x00%d", a.Kind, n.Date, n.Token, n.Ended.UnixMilli()))
	e.raise(ctx, a)
}

// open begins a night, or takes up what is left of one.
func (e *engine) open(ctx context.Context, l catalog.Lease, r request) (*work, error) {
	date, s, h := calendar.FormatDay(r.day), e.settings.Load(), e.o.History
	n, found, err := h.Night(ctx, date)
	if err != nil {
		return nil, err
	}
	attempts, err := h.Attempts(ctx, date)
	if err != nil {
		return nil, err
	}
	if !found || n.Status == NightSkipped || r.again && r.only == nil {
		start, _ := s.Start(r.day)
		n = Night{Date: date, Plan: s.Plan, Scheduled: start, Started: e.o.Clock()}
	} else if n.Resumed++; n.Plan.Digest != s.Plan.Digest {
		if err := h.record(ctx, "night.settings_differ", e.o.Holder, date, map[string]string{"began": n.Plan.Digest, "now": s.Plan.Digest}); err != nil {
			return nil, err
		}
	}
	for _, name := range r.only {
		if _, ok := n.Plan.step(name); !ok {
			return nil, fault.Usagef("the night of %s has no step %q", date, name)
		}
	}
	if found && n.Status != NightRunning || n.Reason == "" {
		n.Reason = r.reason
	}
	n.Status, n.Runner, n.Token, n.Ended, n.Message = NightRunning, e.o.Holder, l.Token, time.Time{}, ""
	w := &work{engine: e, lease: l, night: n, day: r.day, settings: s, only: r.only}
	if w.zone, err = time.LoadLocation(n.Plan.Zone); err != nil {
		return nil, fault.Usagef("the night of %s: zone %q: %w", date, n.Plan.Zone, err)
	}
	if w.texts, err = e.textsOf(ctx, n.Plan, s); err != nil {
		return nil, err
	}
	if err := w.begin(ctx, attempts, r); err != nil {
		return nil, err
	}
	return w, nil
}

// textsOf are the rule files that a plan pins: of these settings, or as the night began with them.
func (e *engine) textsOf(ctx context.Context, p Plan, s *Settings) (map[string]string, error) {
	for path, digest := range p.Pins {
		if Digest(s.Texts[path]) != digest {
			return e.o.History.texts(ctx, p)
		}
	}
	return s.Texts, nil
}

// under does something while this process has the lease, and gives it back. catalog.ErrHeld: another has it; catalog.ErrLeaseLost: it was lost meanwhile.
func (e *engine) under(ctx context.Context, do func(ctx context.Context, l catalog.Lease) error) error {
	l, err := e.o.History.leases.Acquire(ctx, leaseName, e.o.Holder, e.o.Lease)
	if err != nil {
		return err
	}
	e.meters.held(ctx, true)
	held, ended := hold(ctx, e.o.History.leases, l, e.o.Clock, e.o.Logger)
	err = do(held, l)
	lost := errors.Is(context.Cause(held), catalog.ErrLeaseLost)
	ended()
	e.meters.held(ctx, false)
	if lost {
		return fmt.Errorf("nightly: %w", catalog.ErrLeaseLost)
	}
	if relErr := e.o.History.leases.Release(context.WithoutCancel(ctx), l); relErr != nil && err == nil && !errors.Is(relErr, catalog.ErrLeaseLost) {
		e.o.Logger.Warn("the lease could not be given back; it expires by itself", "reason", relErr)
	}
	return err
}

// detail is a value as JSON; one that has none is left out.
func detail(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
