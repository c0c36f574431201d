package nightly_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the same on machines that have no data on time zones

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/jobs/nightly"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

// bank is a history in a database of its own with settings and a runner that a test decides. Tests run in bubbles of testing/synctest: time
// goes on when everything waits, so hours take no time.
type bank struct {
	t        *testing.T
	database string
	clock    func() time.Time

	mu       sync.Mutex
	settings nightly.Settings
	digest   string // of the settings' file
	mistake  error  // of the settings' file
	log      []string
	do       func(ctx context.Context, t nightly.Task) (nightly.Result, error)
	told     []notifyio.Message
}

// newBank makes a bank whose steps are given as "name after,after".
func newBank(t *testing.T, steps ...string) *bank {
	b := &bank{t: t, database: "sqlite://" + t.TempDir() + "/nights.db", clock: time.Now, digest: "1"}
	b.settings = settingsOf(t, steps...)
	b.settings.Run = b
	b.settings.Channels = []notifyio.Channel{{On: notifyio.Always, Notifier: b}}
	return b
}

func settingsOf(t testing.TB, steps ...string) nightly.Settings {
	s := nightly.Settings{Zone: time.UTC, Calendar: calendar.Weekdays(), CatchUp: nightly.RunAll, MostBack: 10}
	var err error
	if s.Schedule, err = calendar.ParseSchedule("30 1 * * *"); err != nil {
		t.Fatal(err)
	}
	s.Plan = nightly.Plan{Zone: "UTC", CutOff: "24:00", Parallel: 1, Out: "nights", Digest: "1"}
	for _, text := range steps {
		name, after, _ := strings.Cut(text, " ")
		step := nightly.Step{Name: name, Job: "reconcile", Retries: 2, Backoff: 30 * time.Second, Timeout: 4 * time.Hour}
		if after != "" {
			step.After = strings.Split(after, ",")
		}
		s.Plan.Steps = append(s.Plan.Steps, step)
	}
	return s
}

// step changes a step of the plan.
func (b *bank) step(name string, change func(*nightly.Step)) {
	i := slices.IndexFunc(b.settings.Plan.Steps, func(s nightly.Step) bool { return s.Name == name })
	change(&b.settings.Plan.Steps[i])
}

// Run notes the attempt, and does what the test says.
func (b *bank) Run(ctx context.Context, t nightly.Task) (nightly.Result, error) {
	b.mu.Lock()
	b.log = append(b.log, calendar.FormatDay(t.Date)[5:]+" "+t.Step.Name)
	do := b.do
	b.mu.Unlock()
	if do == nil {
		return nightly.Result{Run: t.Step.Name + "-run", Verdict: "pass"}, nil
	}
	return do(ctx, t)
}

func (b *bank) Locate(context.Context, nightly.Task) (nightly.Position, error) {
	return nightly.Position{Cut: 7}, nil
}

// Notify and String make the bank a place that is told.
func (b *bank) Notify(_ context.Context, m notifyio.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, m)
	return nil
}

func (b *bank) String() string { return "the test" }

func (b *bank) ran() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.log, ", ")
}

// alerts are the events that were told, with the times that they were raised at.
func (b *bank) alerts() (out []nightly.Alert) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.told {
		var a nightly.Alert
		if err := json.Unmarshal(m.Data, &a); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}

func kinds(alerts []nightly.Alert) string {
	var out []string
	for _, a := range alerts {
		out = append(out, strings.TrimSpace(a.Kind+" "+a.Date+" "+a.Step))
	}
	return strings.Join(out, ", ")
}

// options opens the history once more, as another process would.
func (b *bank) options(holder string) nightly.Options {
	b.t.Helper()
	leases, err := catalog.OpenLeases(context.Background(), b.database, catalog.LeaseOptions{Clock: b.clock})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = leases.Close() })
	h, err := nightly.OpenHistory(context.Background(), leases, b.clock)
	if err != nil {
		b.t.Fatal(err)
	}
	return nightly.Options{
		History: h, Holder: holder, Poll: 10 * time.Minute, Lease: time.Hour, Clock: b.clock, Logger: slog.New(slog.DiscardHandler),
		Load: func(context.Context) (nightly.Settings, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.settings, b.mistake
		},
		Changed: func() (string, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.digest, nil
		},
	}
}

func day(t testing.TB, text string) calendar.Day {
	d, err := calendar.ParseDay(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// run runs a date's night, as millrace nightly run does.
func (b *bank) run(o nightly.Options, date string) (nightly.Night, error) {
	b.t.Helper()
	nights, err := nightly.Run(context.Background(), o, nightly.Ask{Days: []calendar.Day{day(b.t, date)}, Reason: nightly.Asked})
	if len(nights) == 0 {
		return nightly.Night{}, err
	}
	return nights[0], err
}

// outcomes are a night's attempts as "step outcome".
func outcomes(t testing.TB, o nightly.Options, date string) string {
	t.Helper()
	attempts, err := o.History.Attempts(context.Background(), date)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range attempts {
		out = append(out, a.Step+" "+string(a.Outcome))
	}
	return strings.Join(out, ", ")
}

// bubble runs a test where time goes on by itself, from 2000-01-01 02:00 UTC, a Saturday: the first night is that of Monday.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		<-time.After(2 * time.Hour)
		test(t)
	})
}

func TestANight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "ingest", "proof ingest", "features proof", "export features", "maintain ingest")
		o := b.options("a")
		n, err := b.run(o, "2000-01-03")
		if err != nil || n.Status != nightly.NightOK || n.Position.Cut != 7 {
			t.Fatalf("%+v, %v", n, err)
		}
		if got := b.ran(); got != "01-03 ingest, 01-03 proof, 01-03 features, 01-03 export, 01-03 maintain" {
			t.Error(got)
		}
		attempts, err := o.History.Attempts(context.Background(), "2000-01-03")
		if err != nil || len(attempts) != 5 || attempts[4].Run != "proof-run" || attempts[4].Verdict != "pass" || attempts[4].Token != n.Token || attempts[4].Settings != "1" {
			t.Errorf("%+v, %v", attempts, err)
		}
		if _, err := b.run(o, "2000-01-03"); err != nil { // what is done is not done again
			t.Error(err)
		}
		if got := strings.Count(b.ran(), ","); got != 4 {
			t.Error(b.ran())
		}
		if got := kinds(b.alerts()); got != "night.ok 2000-01-03" {
			t.Error(got)
		}
	})
}

func TestFindingsStopWhatDependsOnThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof", "tolerant", "features proof", "export features", "maintain tolerant")
		b.step("tolerant", func(s *nightly.Step) { s.GoOn = true })
		b.do = func(_ context.Context, t nightly.Task) (nightly.Result, error) {
			return nightly.Result{Findings: t.Step.Name != "maintain", Message: "3 breaks"}, nil
		}
		o := b.options("a")
		n, err := b.run(o, "2000-01-03")
		if fault.Of(err) != fault.Findings || n.Status != nightly.NightFindings || n.Message != "step proof: 3 breaks" {
			t.Fatalf("%+v, %v", n, err)
		}
		if got := outcomes(t, o, "2000-01-03"); got != "export blocked, features blocked, maintain ok, proof findings, tolerant findings" {
			t.Error(got)
		}
		if a := b.alerts(); kinds(a) != "night.findings 2000-01-03" || a[0].Status != notifyio.Fail {
			t.Errorf("%+v", a)
		}
	})
}

func TestRetries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "flaky", "broken", "mistaken", "slow", "last flaky")
		b.step("slow", func(s *nightly.Step) { s.Timeout, s.Retries = time.Hour, 0 })
		tries := map[string]int{}
		b.do = func(ctx context.Context, t nightly.Task) (nightly.Result, error) {
			tries[t.Step.Name]++
			switch t.Step.Name {
			case "flaky":
				if tries["flaky"] < 3 {
					return nightly.Result{}, errors.New("the store does not answer")
				}
			case "broken":
				return nightly.Result{}, errors.New("broken for good")
			case "mistaken":
				return nightly.Result{}, fault.Usagef("no such column")
			case "slow":
				<-ctx.Done()
				return nightly.Result{}, context.Cause(ctx)
			}
			return nightly.Result{}, nil
		}
		o := b.options("a")
		begin := time.Now()
		n, err := b.run(o, "2000-01-03")
		if fault.Of(err) != fault.Fault || n.Status != nightly.NightFailed || !strings.Contains(err.Error(), "broken for good") {
			t.Fatalf("%+v, %v", n, err)
		}
		want := map[string]int{"flaky": 3, "broken": 3, "mistaken": 1, "slow": 1, "last": 1}
		if fmt.Sprint(tries) != fmt.Sprint(want) {
			t.Errorf("%v", tries)
		}
		// 30 s and a minute of pauses, twice; an hour until the time-out.
		if took := time.Since(begin); took != 2*90*time.Second+time.Hour {
			t.Errorf("it took %s", took)
		}
		attempts, err := o.History.Attempts(context.Background(), "2000-01-03")
		if err != nil || !strings.Contains(attempts[len(attempts)-2].Error+attempts[len(attempts)-1].Error, "time-out, 1h0m0s") {
			t.Errorf("%+v, %v", attempts, err)
		}
		// A person who asks gives a failed step its attempts again, and only that.
		b.do = nil
		if n, err := b.run(o, "2000-01-03"); err != nil || n.Status != nightly.NightOK || n.Resumed != 1 {
			t.Errorf("%+v, %v", n, err)
		}
		if tail := b.ran()[len(b.ran())-len("01-03 broken, 01-03 mistaken, 01-03 slow"):]; tail != "01-03 broken, 01-03 mistaken, 01-03 slow" {
			t.Error(b.ran())
		}
	})
}

func TestStepsSideBySide(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "a", "b", "c", "d a,b,c")
		b.settings.Plan.Parallel = 2
		var mu sync.Mutex
		now, most := 0, 0
		b.do = func(ctx context.Context, t nightly.Task) (nightly.Result, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-time.After(time.Minute)
			mu.Lock()
			now--
			mu.Unlock()
			return nightly.Result{}, nil
		}
		begin := time.Now()
		if n, err := b.run(b.options("a"), "2000-01-03"); err != nil || n.Status != nightly.NightOK {
			t.Fatalf("%+v, %v", n, err)
		}
		if took := time.Since(begin); most != 2 || took != 3*time.Minute || !strings.HasSuffix(b.ran(), "d") {
			t.Errorf("%d at once, %s, %s", most, took, b.ran())
		}
	})
}

func TestSingleSteps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof", "features proof")
		o := b.options("a")
		ask := nightly.Ask{Days: []calendar.Day{day(t, "2000-01-03")}, Reason: nightly.Backfill, Only: []string{"features"}}
		nights, err := nightly.Run(context.Background(), o, ask)
		if err != nil || nights[0].Status != nightly.NightPartial || b.ran() != "01-03 features" {
			t.Fatalf("%+v, %v, %s", nights, err, b.ran())
		}
		ask.Again = true
		if _, err = nightly.Run(context.Background(), o, ask); err != nil || b.ran() != "01-03 features, 01-03 features" {
			t.Fatalf("%v, %s", err, b.ran())
		}
		if got := outcomes(t, o, "2000-01-03"); got != "features ok, features again, features ok" {
			t.Error(got)
		}
		if n, err := b.run(o, "2000-01-03"); err != nil || n.Status != nightly.NightOK || !strings.HasSuffix(b.ran(), "01-03 proof") {
			t.Errorf("the rest: %+v, %v, %s", n, err, b.ran())
		}
		ask.Only = []string{"exprot"}
		if _, err := nightly.Run(context.Background(), o, ask); fault.Of(err) != fault.Usage {
			t.Errorf("no such step: %v", err)
		}
	})
}

func TestBackfillRunsDatesInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof")
		o := b.options("a")
		if _, err := b.run(o, "2000-01-05"); err != nil {
			t.Fatal(err)
		}
		ask := nightly.Ask{Reason: nightly.Backfill, Keep: true}
		for d := day(t, "2000-01-03"); d <= day(t, "2000-01-07"); d++ {
			ask.Days = append(ask.Days, d)
		}
		nights, err := nightly.Run(context.Background(), o, ask)
		if err != nil || len(nights) != 5 || b.ran() != "01-05 proof, 01-03 proof, 01-04 proof, 01-06 proof, 01-07 proof" {
			t.Fatalf("%v, %s", err, b.ran())
		}
	})
}

// everyDay is a calendar without a weekend.
func everyDay(t testing.TB) *calendar.Calendar {
	c, err := calendar.New(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
