package nightly_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/nightly"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// lake is a ledger that a test decides.
type lake struct {
	mu    sync.Mutex
	dates []catalog.BusinessDate
	cuts  []catalog.CutInfo
	ended bool
	err   error
}

func (l *lake) BusinessDates(context.Context) ([]catalog.BusinessDate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dates, l.err
}

func (l *lake) Cuts(context.Context) ([]catalog.CutInfo, error) { return l.cuts, l.err }

func (l *lake) AtEnd(context.Context) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended, l.err
}

func (l *lake) Close() error { return nil }

// set changes the lake while it is asked.
func (l *lake) set(dates []catalog.BusinessDate, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dates, l.ended = dates, ended
}

func dates(t testing.TB, at ...string) (out []catalog.BusinessDate) {
	for i, text := range at {
		out = append(out, catalog.BusinessDate{Date: calendar.Midnight(day(t, text), time.UTC), Cut: int64(10 * (i + 1))})
	}
	return out
}

func cuts(t testing.TB, at ...string) (out []catalog.CutInfo) {
	for i, text := range at {
		c := catalog.CutInfo{Cut: int64(i + 1)}
		if text != "" { // else a run's, which has no time of the source
			var err error
			if c.SourceTime, err = time.Parse(time.RFC3339, text); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, c)
	}
	return out
}

func TestLocate(t *testing.T) {
	t.Parallel()
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	six := time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)
	for name, x := range map[string]struct {
		lake  *lake
		byTag bool
		at    time.Time
		after time.Duration // of the cut-off, when it is asked
		want  int64         // 0: not found
		tag   bool
		kind  fault.Kind // of the error, if any
		fails bool
	}{
		"a later date is open":           {lake: &lake{dates: dates(t, "2026-11-20", "2026-11-23", "2026-11-24")}, byTag: true, at: midnight, after: -time.Hour, want: 20, tag: true},
		"nothing happened on the date":   {lake: &lake{dates: dates(t, "2026-11-20", "2026-11-24")}, byTag: true, at: midnight, want: 10},
		"the date is open":               {lake: &lake{dates: dates(t, "2026-11-20", "2026-11-23")}, byTag: true, at: midnight, after: time.Hour},
		"the stream is at its end":       {lake: &lake{dates: dates(t, "2026-11-20", "2026-11-23"), ended: true}, byTag: true, at: midnight, after: time.Minute, want: 20},
		"its end came before the cutoff": {lake: &lake{dates: dates(t, "2026-11-23"), ended: true}, byTag: true, at: midnight, after: -time.Second},
		"its end came before it settled": {lake: &lake{dates: dates(t, "2026-11-23"), ended: true}, byTag: true, at: midnight, after: 59 * time.Second},
		"the lake is empty":              {lake: &lake{ended: true}, byTag: true, at: midnight, after: time.Hour},
		"the lake begins later":          {lake: &lake{dates: dates(t, "2026-11-24")}, byTag: true, at: midnight, fails: true, kind: fault.Usage},
		"the lake does not answer":       {lake: &lake{err: errors.New("no answer")}, byTag: true, at: midnight, fails: true},
		"a later commit": {lake: &lake{cuts: cuts(t, "2026-11-23T17:59:58Z", "", "2026-11-23T18:00:00Z", "", "2026-11-23T18:00:01Z", "2026-11-23T18:00:02Z")},
			at: six, want: 4},
		"no later commit": {lake: &lake{cuts: cuts(t, "2026-11-23T17:59:58Z", "")}, at: six, after: time.Hour},
		"no later commit, and the end": {lake: &lake{cuts: cuts(t, "2026-11-23T17:59:58Z", ""), ended: true},
			at: six, after: time.Hour, want: 2},
		"the cut is expired": {lake: &lake{cuts: cuts(t, "2026-11-23T18:10:00Z")}, at: six, fails: true, kind: fault.Usage},
	} {
		p, found, why, err := nightly.Locate(t.Context(), x.lake, nightly.CutOff{Day: day(t, "2026-11-23"), At: x.at, ByTag: x.byTag, Settle: time.Minute,
			Clock: func() time.Time { return x.at.Add(x.after) }})
		if x.fails != (err != nil) || x.fails && fault.Of(err) != x.kind || found != (x.want != 0) || found && (p.Cut != x.want || p.Tag != x.tag || p.How == "") || !found && !x.fails && why == "" {
			t.Errorf("%s: %+v, %v, %q, %v", name, p, found, why, err)
		}
	}
}

// shell notes commands, and answers what the test says.
type shell struct {
	ran    []string
	answer func(args []string) (nightly.Output, error)
}

func (s *shell) command(_ context.Context, c nightly.Command) (nightly.Output, error) {
	s.ran = append(s.ran, strings.Join(c.Args, " "))
	if c.Texts["/p/m.yaml"] != "the file" {
		return nightly.Output{}, errors.New("the project file is not as the night began with it")
	}
	return s.answer(c.Args)
}

func jobs(s *shell, l *lake) *nightly.Jobs {
	return &nightly.Jobs{Project: "/p/m.yaml", Text: "the file", Set: []string{"a=b"}, Command: s.command, Zone: time.UTC, Logger: slog.New(slog.DiscardHandler),
		Open:   func(context.Context) (nightly.LedgerCloser, error) { return l, nil },
		Latest: func(context.Context) (int64, error) { return 3, nil }}
}

func TestCommandLines(t *testing.T) {
	t.Parallel()
	tagged, untagged := nightly.Position{Cut: 9, Tag: true}, nightly.Position{Cut: 9}
	const with = " --project /p/m.yaml"
	for _, x := range []struct {
		step nightly.Step
		at   nightly.Position
		want string
	}{
		{nightly.Step{Job: "reconcile"}, tagged, "reconcile --out out" + with + " --as-of 2026-11-23 --set a=b"},
		{nightly.Step{Job: "reconcile", Statement: "s/{yyyymmdd}.csv"}, untagged, "reconcile --out out" + with + " --statement s/20261123.csv --cut 9 --set a=b"},
		{nightly.Step{Job: "reconcile", Rules: "r.yaml", Sides: map[string]string{"b": "{date}.csv", "a": "{prior}.csv"}}, tagged,
			"reconcile --out out --rules r.yaml --as-of 2026-11-23 --side a=2026-11-20.csv --side b=2026-11-23.csv" + with + " --cut 9 --set a=b"},
		{nightly.Step{Job: "reconcile", Rules: "r.yaml"}, nightly.Position{}, "reconcile --out out --rules r.yaml --as-of 2026-11-23"},
		{nightly.Step{Job: "features", Table: "f.daily"}, untagged, "features" + with + " --json --as-of 2026-11-23 --table f.daily --cut 9 --set a=b"},
		{nightly.Step{Job: "export", Table: "f.daily", Where: "d = date '{date}'"}, untagged,
			"export f.daily" + with + " --json --name f.daily-2026-11-23 --replace --where d = date '2026-11-23' --set a=b"},
		{nightly.Step{Job: "export", Table: "ledger.entries", Ledger: true}, untagged, "export ledger.entries" + with + " --json --name ledger.entries-2026-11-23 --replace --cut 9 --set a=b"},
		{nightly.Step{Job: "maintain", Tables: []string{"a.*"}}, untagged, "maintain" + with + " --json --table a.* --set a=b"},
	} {
		s := &shell{answer: func([]string) (nightly.Output, error) { return nightly.Output{}, nil }}
		_, err := jobs(s, &lake{}).Run(t.Context(), nightly.Task{Step: x.step, Date: day(t, "2026-11-23"), Prior: day(t, "2026-11-20"), Position: x.at, Out: "out"})
		if err != nil || s.ran[0] != x.want {
			t.Errorf("%v\n%s, want\n%s", err, s.ran, x.want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		out      nightly.Output
		kind     fault.Kind
		fails    bool
		findings bool
		message  string
	}{
		{out: nightly.Output{Stdout: []byte("{\"event\":\"a\"}\n{\"event\":\"reconciled\",\"report\":{\"run\":\"r1\",\"cut\":4,\"verdict\":\"pass\"}}\n")}},
		{out: nightly.Output{Code: 1, Stderr: []byte("log\nmillrace: 3 breaks\n")}, findings: true, message: "3 breaks"},
		{out: nightly.Output{Code: 2, Stderr: []byte("millrace: no such file\n")}, fails: true, kind: fault.Usage, message: "no such file"},
		{out: nightly.Output{Code: 3, Stderr: []byte("millrace: the store does not answer")}, fails: true, kind: fault.Retryable, message: "exit code 3: the store does not answer"},
		{out: nightly.Output{Code: 137}, fails: true, kind: fault.Retryable, message: "exit code 137: it says nothing"},
	} {
		s := &shell{answer: func([]string) (nightly.Output, error) { return x.out, nil }}
		res, err := jobs(s, &lake{}).Run(t.Context(), nightly.Task{Step: nightly.Step{Job: "maintain"}, Position: nightly.Position{Cut: 9}})
		message := res.Message
		if err != nil {
			message = err.Error()
		}
		if x.fails != (err != nil) || x.fails && fault.Of(err) != x.kind || res.Findings != x.findings || !strings.Contains(message, x.message) {
			t.Errorf("code %d: %+v, %v", x.out.Code, res, err)
		}
		if x.out.Code == 0 && (res.Run != "r1" || res.Cut != 4 || res.Verdict != "pass" || string(res.Report) != `{"run":"r1","cut":4,"verdict":"pass"}`) {
			t.Errorf("%+v", res)
		}
	}
}

// TestIngestWaitsOrRuns lets the lake come up to the cut-off by itself, and by the step.
func TestIngestWaitsOrRuns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, run := range []bool{false, true} {
			l := &lake{dates: dates(t, "2000-01-03")}
			s := &shell{}
			s.answer = func([]string) (nightly.Output, error) {
				l.set(dates(t, "2000-01-03"), true)
				return nightly.Output{}, nil
			}
			cutOff := time.Now().Add(time.Hour)
			result := make(chan nightly.Result, 1)
			go func() {
				res, err := jobs(s, l).Run(context.Background(), nightly.Task{Step: nightly.Step{Name: "ingest", Job: "ingest", RunIngest: run},
					Date: day(t, "2000-01-03"), CutOff: cutOff, Midnight: true, Zone: "UTC"})
				if err != nil {
					t.Error(err)
				}
				result <- res
			}()
			<-time.After(2 * time.Hour)
			synctest.Wait()
			if !run {
				if len(result) != 0 || len(s.ran) != 0 {
					t.Fatal("it did not wait")
				}
				l.set(dates(t, "2000-01-03", "2000-01-04"), false)
			}
			res := <-result
			if res.Position == nil || res.Position.Cut != 10 || run != (len(s.ran) == 1) {
				t.Errorf("%+v, %v", res, s.ran)
			}
			if run && s.ran[0] != "ingest --project /p/m.yaml --until-caught-up --in-process --set a=b" {
				t.Error(s.ran)
			}
		}
	})
}

func TestIngestGivesUpWithItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, stop := context.WithTimeoutCause(context.Background(), time.Hour, errors.New("its time is over"))
		defer stop()
		_, err := jobs(&shell{}, &lake{dates: dates(t, "2000-01-03")}).Run(ctx, nightly.Task{Step: nightly.Step{Job: "ingest"}, Date: day(t, "2000-01-03"), CutOff: time.Now(), Midnight: true, Zone: "UTC"})
		if err == nil || !strings.Contains(err.Error(), "the lake has not all that the stream holds up to") || !strings.Contains(err.Error(), "its time is over") {
			t.Error(err)
		}
	})
}

// TestFilesThatArriveLate waits for a date's file until it is there and no longer grows, and gives up in time.
func TestFilesThatArriveLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := t.TempDir()
		begin := time.Now()
		s := &shell{answer: func([]string) (nightly.Output, error) { return nightly.Output{}, nil }}
		j := jobs(s, &lake{})
		j.Stores = storage.Resolver{"file": localio.Opener(localio.Options{})}
		task := nightly.Task{Step: nightly.Step{Job: "reconcile", Rules: "r.yaml", Files: time.Hour, Sides: map[string]string{"bank": dir + "/in-{date}.csv", "ledger": dir + "/absent.csv"}},
			Date: day(t, "2000-01-03")}
		go func() {
			<-time.After(10 * time.Minute)
			for i := 1; i <= 5; i++ { // it grows for a while
				<-time.After(time.Second)
				if err := os.WriteFile(dir+"/in-2000-01-03.csv", make([]byte, i), 0o600); err != nil {
					t.Error(err)
				}
			}
		}()
		if _, err := j.Run(context.Background(), task); err != nil || len(s.ran) != 1 {
			t.Fatalf("%v, %v", err, s.ran)
		}
		if took := time.Since(begin); took < 10*time.Minute+6*time.Second || took > 10*time.Minute+12*time.Second {
			t.Errorf("it took %s", took)
		}
		<-time.After(time.Hour)
		task.Date++
		begin = time.Now()
		_, err := j.Run(context.Background(), task)
		if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "in-2000-01-04.csv has not come within 1h0m0s") || time.Since(begin) < time.Hour || len(s.ran) != 1 {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
	})
}

func TestLocateForSingleSteps(t *testing.T) {
	t.Parallel()
	task := nightly.Task{Date: day(t, "2026-11-23"), CutOff: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), Midnight: true, Zone: "UTC"}
	j := jobs(&shell{}, &lake{dates: dates(t, "2026-11-23", "2026-11-24")})
	if p, err := j.Locate(t.Context(), task); err != nil || p.Cut != 3 {
		t.Errorf("without a step ingest: %+v, %v", p, err)
	}
	task.Step = nightly.Step{Name: "load", Job: "ingest"}
	if p, err := j.Locate(t.Context(), task); err != nil || p.Cut != 10 || !p.Tag {
		t.Errorf("%+v, %v", p, err)
	}
	j = jobs(&shell{}, &lake{dates: dates(t, "2026-11-23")})
	if _, err := j.Locate(t.Context(), task); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "run the step load too") {
		t.Errorf("%v", err)
	}
}
