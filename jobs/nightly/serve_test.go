package nightly_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/jobs/nightly"
	"github.com/millrace/millrace/sdk/fault"
)

// serve serves until a time of the bubble's clock.
func (b *bank) serve(o nightly.Options, until string) {
	b.t.Helper()
	stop := b.serving(o)
	b.until(until)
	if err := stop(); err != nil {
		b.t.Errorf("serve: %v", err)
	}
}

// serving serves until the function that it returns is called.
func (b *bank) serving(o nightly.Options) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- nightly.Serve(ctx, o) }()
	return func() error {
		cancel()
		return <-ended
	}
}

// until lets the bubble's time go on to an instant such as 01-04T01:31:00.
func (b *bank) until(text string) {
	b.t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05", "2000-"+text)
	if err != nil {
		b.t.Fatal(err)
	}
	<-time.After(time.Until(at))
	synctest.Wait()
}

// nights are a history's nights as "date status why", the earliest first.
func nights(t testing.TB, o nightly.Options) string {
	t.Helper()
	list, err := o.History.Nights(context.Background(), 100)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range list {
		out = append([]string{fmt.Sprintf("%s %s %s", n.Date[5:], n.Status, n.Reason)}, out...)
	}
	return strings.Join(out, ", ")
}

func TestServeRunsEachNightAtItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof")
		o := b.options("a")
		b.serve(o, "01-11T12:00:00") // from a Saturday on
		if got := nights(t, o); got != "01-03 ok scheduled, 01-04 ok scheduled, 01-05 ok scheduled, 01-06 ok scheduled, 01-07 ok scheduled, 01-10 ok scheduled" {
			t.Error(got)
		}
		list, err := o.History.Nights(context.Background(), 1)
		if at := list[0].Started.Format(time.DateTime); err != nil || at != "2000-01-11 01:30:00" {
			t.Errorf("it began at %s, %v", at, err)
		}
	})
}

// TestTheTimeThatDoesNotExist has a night at 02:30 on the morning that clocks go past it, and where it comes twice.
func TestTheTimeThatDoesNotExist(t *testing.T) {
	t.Parallel()
	s := settingsOf(t, "proof")
	var err error
	if s.Zone, err = time.LoadLocation("Europe/Zurich"); err != nil {
		t.Fatal(err)
	}
	s.Plan.Zone, s.Plan.Deadline = "Europe/Zurich", "06:00"
	s.Calendar = everyDay(t)
	for date, want := range map[string]string{"2026-03-28": "2026-03-29T01:30:00+01:00", "2026-10-24": "2026-10-25T01:30:00+02:00"} {
		if at, ok := s.Start(day(t, date)); !ok || at.Format(time.RFC3339) != want {
			t.Errorf("%s: %s, want %s", date, at.Format(time.RFC3339), want)
		}
	}
	now := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	up := s.Upcoming(now, 2)
	if up[0].Date != "2026-03-28" || up[0].CutOff.UTC().Hour() != 23 || up[0].Deadline.UTC().Hour() != 4 || up[1].Deadline.UTC().Hour() != 4 {
		t.Errorf("%+v", up)
	}
	if last, ok := s.LastDue(now); !ok || last != day(t, "2026-03-27") {
		t.Errorf("%v, %v", last, ok)
	}
}

func TestCatchUpAfterDowntime(t *testing.T) {
	for policy, want := range map[nightly.CatchUp]string{
		nightly.RunAll: "01-03 ok scheduled, 01-04 skipped catch_up, 01-05 skipped catch_up, 01-06 ok catch_up, 01-07 ok catch_up, 01-10 ok catch_up, 01-11 ok scheduled",
		nightly.Latest: "01-03 ok scheduled, 01-04 skipped catch_up, 01-05 skipped catch_up, 01-06 skipped catch_up, 01-07 skipped catch_up, 01-10 ok catch_up, 01-11 ok scheduled",
		nightly.Skip:   "01-03 ok scheduled, 01-04 skipped catch_up, 01-05 skipped catch_up, 01-06 skipped catch_up, 01-07 skipped catch_up, 01-10 skipped catch_up, 01-11 ok scheduled",
	} {
		t.Run(string(policy), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBank(t, "proof")
				b.settings.CatchUp, b.settings.MostBack = policy, 3
				o := b.options("a")
				b.serve(o, "01-04T12:00:00")
				b.until("01-11T12:00:00")
				b.serve(b.options("b"), "01-12T12:00:00")
				if got := nights(t, o); got != want {
					t.Errorf("\n%s, want\n%s", got, want)
				}
				if got, want := strings.Count(kinds(b.alerts()), "night.skipped"), strings.Count(want, "skipped"); got != want {
					t.Errorf("%d alerts, want %d", got, want)
				}
			})
		})
	}
}

func TestReplicasRunEachNightOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof", "features proof")
		b.do = func(context.Context, nightly.Task) (nightly.Result, error) {
			<-time.After(20 * time.Minute)
			return nightly.Result{}, nil
		}
		o := b.options("a")
		stops := []func() error{b.serving(o), b.serving(b.options("b")), b.serving(b.options("c"))}
		b.until("01-08T12:00:00")
		for _, stop := range stops {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		want := "01-03 proof, 01-03 features, 01-04 proof, 01-04 features, 01-05 proof, 01-05 features, 01-06 proof, 01-06 features, 01-07 proof, 01-07 features"
		if got := b.ran(); got != want {
			t.Errorf("\n%s, want\n%s", got, want)
		}
	})
}

// TestStopAndResume ends a process in the middle of a night: the next one does what is left.
func TestStopAndResume(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof", "features proof", "export features")
		b.do = func(ctx context.Context, t nightly.Task) (nightly.Result, error) {
			select {
			case <-time.After(10 * time.Minute):
				return nightly.Result{}, nil
			case <-ctx.Done():
				return nightly.Result{}, context.Cause(ctx)
			}
		}
		o := b.options("a")
		b.serve(o, "01-04T01:45:00")
		if got := outcomes(t, o, "2000-01-03"); got != "proof ok, features interrupted" {
			t.Error(got)
		}
		b.serve(b.options("b"), "01-04T12:00:00")
		if got := outcomes(t, o, "2000-01-03"); got != "proof ok, features interrupted, features ok, export ok" {
			t.Error(got)
		}
		n, _, err := o.History.Night(context.Background(), "2000-01-03")
		if err != nil || n.Status != nightly.NightOK || n.Reason != nightly.Scheduled || n.Resumed != 1 || n.Runner != "b" {
			t.Errorf("%+v, %v", n, err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof", "features proof", "export features")
		b.settings.Plan.Deadline = "06:00"
		b.step("proof", func(s *nightly.Step) { s.Deadline = "02:00" })
		b.step("features", func(s *nightly.Step) { s.Deadline = "03:00" })
		b.do = func(_ context.Context, t nightly.Task) (nightly.Result, error) {
			took := map[string]time.Duration{"01-03 proof": 10 * time.Minute, "01-03 features": 2 * time.Hour, "01-03 export": 3 * time.Hour}
			<-time.After(took["01-0"+fmt.Sprint(int(t.Date)-10957+1)+" "+t.Step.Name])
			return nightly.Result{}, nil
		}
		o := b.options("a")
		stops := []func() error{b.serving(o), b.serving(b.options("b"))} // both look at deadlines
		b.until("01-05T12:00:00")
		for _, stop := range stops {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		late := map[string]string{"step.late 2000-01-03 features": "2000-01-04 03:00:00", "night.late 2000-01-03": "2000-01-04 06:00:00"}
		for _, a := range b.alerts() {
			key := strings.TrimSpace(a.Kind + " " + a.Date + " " + a.Step)
			if !strings.HasSuffix(a.Kind, ".late") {
				continue
			}
			want, err := time.Parse(time.DateTime, late[key])
			if err != nil || a.At.Before(want) || a.At.Sub(want) >= time.Second || a.Status != notifyio.Fail {
				t.Errorf("%s at %s, want %s", key, a.At.Format(time.DateTime), late[key])
			}
			delete(late, key)
		}
		if len(late) > 0 {
			t.Errorf("no alert of %v; there were %s", late, kinds(b.alerts()))
		}
	})
}

// TestADeadlineOfANightThatNobodyCouldBegin raises the alert although the night waits for the one before it.
func TestADeadlineOfANightThatNobodyCouldBegin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof")
		b.settings.Plan.Deadline = "06:00"
		b.step("proof", func(s *nightly.Step) { s.Timeout = 0 })
		b.do = func(_ context.Context, task nightly.Task) (nightly.Result, error) {
			if task.Date == day(t, "2000-01-03") {
				<-time.After(36 * time.Hour)
			}
			return nightly.Result{}, nil
		}
		o := b.options("a")
		stops := []func() error{b.serving(o), b.serving(b.options("b"))}
		b.until("01-05T07:00:00")
		if got := kinds(b.alerts()); got != "night.late 2000-01-03, night.late 2000-01-04" {
			t.Error(got)
		}
		for _, stop := range stops {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSettingsAreReloaded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof", "features proof")
		b.settings.Text = "nightly:\n  deadline: none"
		b.do = func(context.Context, nightly.Task) (nightly.Result, error) {
			<-time.After(10 * time.Minute)
			return nightly.Result{}, nil
		}
		o := b.options("a")
		stop := b.serving(o)
		edit := func(at string, change func()) {
			b.until(at)
			b.mu.Lock()
			defer b.mu.Unlock()
			b.digest += "+"
			change()
		}
		edit("01-03T12:00:00", func() { b.mistake = fault.Usagef("m.yaml:3:1: nightly.deadlin: unknown key") })
		edit("01-04T01:35:00", func() { // while a night is under way
			b.mistake = nil
			steps := settingsOf(t, "proof", "features proof", "export features").Plan.Steps
			b.settings.Plan.Steps, b.settings.Plan.Digest, b.settings.Text = steps, "2", "nightly:\n  deadline: '06:00'"
		})
		edit("01-05T12:00:00", func() { b.settings.Fixed, b.settings.Plan.Digest = "another catalog", "3" })
		b.until("01-06T12:00:00")
		if err := stop(); err != nil {
			t.Error(err)
		}
		for date, want := range map[string]string{"2000-01-03": "proof ok, features ok", "2000-01-04": "proof ok, features ok, export ok", "2000-01-05": "proof ok, features ok, export ok"} {
			if got := outcomes(t, o, date); got != want {
				t.Errorf("%s: %s", date, got)
			}
		}
		events, err := o.History.Events(context.Background(), 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range events {
			got = append(got, e.Kind+" "+e.Who+" "+string(e.Detail))
		}
		want := []string{
			`calendar.began a {}`,
			`settings.refused a {"before":"1","reason":"m.yaml:3:1: nightly.deadlin: unknown key"}`,
			`settings.changed a {"before":"1","after":"2","changes":["-   deadline: none","+   deadline: '06:00'"]}`,
			`settings.refused a {"before":"2","reason":"lake, source, nightly.database or nightly.lease differ: they change only when the process is started again"}`,
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s", strings.Join(got, "\n"))
		}
		if n := strings.Count(kinds(b.alerts()), "settings.refused"); n != 2 {
			t.Error(kinds(b.alerts()))
		}
	})
}

// TestAResumedNightKeepsItsRules changes a rule file between a night's beginning and its resumption.
func TestAResumedNightKeepsItsRules(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof", "later proof")
		rules := func(text, digest string) {
			b.settings.Texts = map[string]string{"r.yaml": text}
			b.settings.Plan.Pins, b.settings.Plan.Digest = map[string]string{"r.yaml": nightly.Digest(text)}, digest
		}
		rules("old", "1")
		var read []string
		b.do = func(ctx context.Context, t nightly.Task) (nightly.Result, error) {
			read = append(read, t.Step.Name+" "+t.Texts["r.yaml"])
			select {
			case <-time.After(10 * time.Minute):
				return nightly.Result{}, nil
			case <-ctx.Done():
				return nightly.Result{}, context.Cause(ctx)
			}
		}
		b.serve(b.options("a"), "01-04T01:45:00")
		rules("new", "2")
		o := b.options("b")
		b.serve(o, "01-05T12:00:00")
		if got := strings.Join(read, ", "); got != "proof old, later old, later old, proof new, later new" {
			t.Error(got)
		}
		events, err := o.History.Events(context.Background(), 1)
		if err != nil || events[0].Kind != "night.settings_differ" || string(events[0].Detail) != `{"began":"1","now":"2"}` {
			t.Errorf("%+v, %v", events, err)
		}
		n, _, err := o.History.Night(context.Background(), "2000-01-03")
		if err != nil || n.Plan.Pins["r.yaml"] != nightly.Digest("old") {
			t.Errorf("%+v, %v", n, err)
		}
	})
}

// TestSIGHUP looks at the settings at once.
func TestSIGHUP(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof")
		o := b.options("a")
		reload := make(chan struct{})
		o.Reload, o.Poll = reload, time.Hour
		stop := b.serving(o)
		b.until("01-01T02:00:10")
		b.mu.Lock()
		b.settings.Plan.Digest = "2"
		b.mu.Unlock()
		reload <- struct{}{}
		b.until("01-01T02:00:11")
		events, err := o.History.Events(context.Background(), 1)
		if err != nil || events[0].Kind != "settings.changed" {
			t.Errorf("%+v, %v", events, err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestAHolderThatCannotRenewStops holds the lease back from a runner by letting another take it: what it runs is ended.
func TestAHolderThatLosesTheLeaseStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof", "features proof")
		o := b.options("a")
		o.Lease = 30 * time.Second
		var ended error
		b.do = func(ctx context.Context, _ nightly.Task) (nightly.Result, error) {
			<-ctx.Done()
			ended = context.Cause(ctx)
			return nightly.Result{}, ended
		}
		result := make(chan error)
		go func() {
			_, err := b.run(o, "2000-01-03")
			result <- err
		}()
		b.until("01-01T02:00:05")
		thief, err := catalog.OpenLeases(context.Background(), b.database, catalog.LeaseOptions{Clock: func() time.Time { return time.Now().Add(2 * time.Hour) }})
		if err != nil {
			t.Fatal(err)
		}
		defer thief.Close()
		if _, err := thief.Acquire(context.Background(), "nightly", "thief", time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := <-result; !errors.Is(err, catalog.ErrLeaseLost) || !errors.Is(ended, catalog.ErrLeaseLost) {
			t.Errorf("%v; the step: %v", err, ended)
		}
		if got := outcomes(t, o, "2000-01-03"); got != "proof running" {
			t.Errorf("it wrote: %s", got)
		}
		var held *catalog.HeldError
		if _, err := b.run(b.options("c"), "2000-01-03"); !errors.As(err, &held) || held.Holder != "thief" {
			t.Errorf("while another holds it: %v", err)
		}
	})
}

// TestAlertsThatNobodyToldAreTold tells again what a process that died recorded and could not tell.
func TestAlertsThatNobodyToldAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBank(t, "proof")
		deaf := b.settings
		b.settings.Channels = []notifyio.Channel{{On: notifyio.Always, Notifier: silent{}}}
		o := b.options("a")
		if _, err := b.run(o, "2000-01-03"); err != nil {
			t.Fatal(err)
		}
		b.settings = deaf
		b.serve(b.options("b"), "01-01T06:00:00")
		if got := kinds(b.alerts()); got != "night.ok 2000-01-03" {
			t.Error(got)
		}
		b.serve(b.options("c"), "01-01T12:00:00")
		if got := kinds(b.alerts()); got != "night.ok 2000-01-03" {
			t.Error(got)
		}
	})
}

// silent is a place that does not answer.
type silent struct{}

func (silent) Notify(context.Context, notifyio.Message) error { return errors.New("no answer") }
func (silent) String() string                                 { return "nobody" }
