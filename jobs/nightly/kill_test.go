package nightly_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/faults"
	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/jobs/nightly"
	"github.com/millrace/millrace/sdk/calendar"
)

// childEnv makes the test binary a runner: a process of its own that can be killed.
const childEnv = "MILLRACE_NIGHTLY_TEST_RUNNER"

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		if err := runChild(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			if errors.Is(err, catalog.ErrLeaseLost) {
				os.Exit(lostCode)
			}
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// lostCode is the exit code of a runner that lost the lease.
const lostCode = 7

// childTTL is how long a runner that died keeps the next one out.
const childTTL = 150 * time.Millisecond

// job is what a runner does: the nights of some dates. It ends itself at the Count-th stage; Signal says how.
type job struct {
	Database, Dir string
	Count         int64
	Signal        syscall.Signal
	Dates         []string
	Parallel      int
	TTL           time.Duration
}

var childSteps = []string{"ingest", "proof ingest", "features proof", "maintain ingest"}

func (j job) options(holder string) (nightly.Options, func() error, error) {
	leases, err := catalog.OpenLeases(context.Background(), j.Database, catalog.LeaseOptions{})
	if err != nil {
		return nightly.Options{}, nil, err
	}
	h, err := nightly.OpenHistory(context.Background(), leases, nil)
	if err != nil {
		return nightly.Options{}, nil, err
	}
	s := nightly.Settings{Zone: time.UTC, Calendar: calendar.Weekdays(), CatchUp: nightly.RunAll, MostBack: 10, Run: effects{j.Dir}}
	if s.Schedule, err = calendar.ParseSchedule("30 1 * * *"); err != nil {
		return nightly.Options{}, nil, err
	}
	s.Plan = nightly.Plan{Zone: "UTC", CutOff: "24:00", Parallel: j.Parallel, Out: j.Dir, Digest: "1"}
	for _, text := range childSteps {
		name, after, _ := strings.Cut(text, " ")
		step := nightly.Step{Name: name, Job: "reconcile", Retries: 100}
		if after != "" {
			step.After = strings.Split(after, ",")
		}
		s.Plan.Steps = append(s.Plan.Steps, step)
	}
	return nightly.Options{History: h, Holder: holder, Lease: j.TTL, Logger: slog.New(slog.DiscardHandler),
		Load: func(context.Context) (nightly.Settings, error) { return s, nil }}, leases.Close, nil
}

// effects are steps whose runs have identities, as jobs have: the verdict of a date and a step is one file, whoever writes it and how often.
type effects struct{ dir string }

func (e effects) Run(ctx context.Context, t nightly.Task) (nightly.Result, error) {
	name := calendar.FormatDay(t.Date) + "-" + t.Step.Name
	verdict := Digest(fmt.Sprint(name, t.Position.Cut))
	tmp := filepath.Join(e.dir, fmt.Sprintf("%s.%d", name, os.Getpid()))
	if err := os.WriteFile(tmp, []byte(verdict), 0o600); err != nil {
		return nightly.Result{}, err
	}
	pause := time.NewTimer(5 * time.Millisecond) // so that a random moment is often within a step
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return nightly.Result{}, context.Cause(ctx)
	}
	return nightly.Result{Run: verdict[:32], Verdict: "pass"}, os.Rename(tmp, filepath.Join(e.dir, name))
}

func (effects) Locate(context.Context, nightly.Task) (nightly.Position, error) {
	return nightly.Position{Cut: 7}, nil
}

// Digest is that of the package, by a shorter name.
var Digest = nightly.Digest

func runChild(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	o, done, err := j.options(fmt.Sprintf("runner-%d-%d", os.Getpid(), rand.Uint64()))
	if err != nil {
		return err
	}
	var stages atomic.Int64
	o.Hook = func(stage string) {
		if stages.Add(1) != j.Count {
			return
		}
		fmt.Println("at", stage)
		if j.Signal == syscall.SIGSTOP { // who reads that stops it, and says when to go on
			_, _ = os.Stdin.Read(make([]byte, 1))
			return
		}
		_ = syscall.Kill(os.Getpid(), j.Signal) // it cannot fail for oneself
		select {}
	}
	ask := nightly.Ask{Reason: nightly.Backfill, Keep: true}
	for _, date := range j.Dates {
		d, err := calendar.ParseDay(date)
		if err != nil {
			return err
		}
		ask.Days = append(ask.Days, d)
	}
	for {
		_, err = nightly.Run(context.Background(), o, ask)
		if !errors.Is(err, catalog.ErrHeld) { // the one before has just died
			break
		}
	}
	return errors.Join(err, done())
}

// runner is a runner's process, with what it says and what it is told.
type runner struct {
	*exec.Cmd
	says *bufio.Scanner
	hear io.WriteCloser
}

// start starts a runner.
func (j job) start(t *testing.T) runner {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env, cmd.Stderr = append(os.Environ(), childEnv+"="+string(text)), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return runner{cmd, bufio.NewScanner(out), in}
}

// verify holds the history and the effects against those of a run that nothing disturbed: the same verdicts, each once.
func (j job) verify(t *testing.T) {
	t.Helper()
	o, done, err := j.options("verifier")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = done() }()
	for _, date := range j.Dates {
		n, found, err := o.History.Night(t.Context(), date)
		if err != nil || !found || n.Status != nightly.NightOK || n.Position.Cut != 7 {
			t.Errorf("%s: %+v, %v", date, n, err)
		}
		attempts, err := o.History.Attempts(t.Context(), date)
		if err != nil {
			t.Fatal(err)
		}
		ok := map[string]int{}
		for _, a := range attempts {
			switch a.Outcome {
			case nightly.StepOK:
				ok[a.Step]++
				if want := Digest(fmt.Sprint(date+"-"+a.Step, 7))[:32]; a.Run != want {
					t.Errorf("%s %s: the verdict is %s", date, a.Step, a.Run)
				}
			case nightly.StepKilled:
			default:
				t.Errorf("%s %s, attempt %d: %s (%s)", date, a.Step, a.Attempt, a.Outcome, a.Error)
			}
		}
		for _, text := range childSteps {
			step, _, _ := strings.Cut(text, " ")
			data, err := os.ReadFile(filepath.Join(j.Dir, date+"-"+step))
			if ok[step] != 1 || err != nil || string(data) != Digest(fmt.Sprint(date+"-"+step, 7)) {
				t.Errorf("%s %s: done %d times, %v", date, step, ok[step], err)
			}
		}
	}
}

func newJob(t *testing.T, database string, dates ...string) job {
	dir := t.TempDir()
	if database == "" {
		database = "sqlite://" + dir + "/nights.db"
	}
	return job{Database: database, Dir: dir, Signal: syscall.SIGKILL, Dates: dates, Parallel: 2, TTL: childTTL}
}

// stages is how many stages a night of four steps has: two of its own, and three of each step.
const stages = 2 + 3*4

// TestKilledAtEveryBoundary kills a runner at each stage of its work; the next one ends it.
func TestKilledAtEveryBoundary(t *testing.T) {
	t.Parallel()
	every := int64(1)
	if testing.Short() {
		every = 7
	}
	for n := int64(1); n <= stages; n += every {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			killedAt(t, newJob(t, "", "2026-11-23"), n)
		})
	}
}

func TestKilledOnPostgreSQL(t *testing.T) {
	t.Parallel()
	server := testservers.StartPostgreSQL(t)
	if !testing.Short() {
		killedAt(t, newJob(t, server.NewDatabase(t), "2026-11-23"), 6)
	}
	zombie(t, newJob(t, server.NewDatabase(t), "2026-11-23"))
	lostCommits(t, newJob(t, server.NewDatabase(t), "2026-11-23", "2026-11-24"))
}

// lostCommits does nights while commits of their history break off: some were carried out, some were not, and the client cannot tell.
func lostCommits(t *testing.T, j job) {
	t.Helper()
	at, err := url.Parse(j.Database)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := faults.StartPostgresProxy(at.Host, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	straight := j
	at.Host = proxy.Addr()
	j.Database, j.TTL = at.String(), time.Second
	o, done, err := j.options("shaken")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = done() }()
	proxy.SetRules(faults.CommitRule{Fault: faults.CommitReplyLost, When: faults.When{Percent: 12}}, faults.CommitRule{Fault: faults.CommitLost, When: faults.When{Percent: 12}})
	for _, date := range j.Dates {
		nights, err := nightly.Run(t.Context(), o, nightly.Ask{Days: []calendar.Day{day(t, date)}, Reason: nightly.Asked, Wait: true})
		if err != nil || nights[0].Status != nightly.NightOK {
			t.Fatalf("%+v, %v", nights, err)
		}
	}
	if c := proxy.Counts(); c[string(faults.CommitReplyLost)] == 0 || c[string(faults.CommitLost)] == 0 {
		t.Errorf("nothing was lost: %v", c)
	}
	straight.verify(t)
}

func killedAt(t *testing.T, j job, n int64) {
	t.Helper()
	first := j
	first.Count = n
	cmd := first.start(t)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("stage %d: %v", n, err)
	}
	cmd = j.start(t)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("after stage %d: %v", n, err)
	}
	j.verify(t)
}

// TestKilledAtRandomMoments kills runner after runner at moments that a seed draws, until one ends by itself.
func TestKilledAtRandomMoments(t *testing.T) {
	t.Parallel()
	seeds := 4
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			j, r, kills := newJob(t, "", "2026-11-23", "2026-11-24"), rand.New(rand.NewPCG(seed, 7)), 0
			for ; kills < 12; kills++ {
				cmd := j.start(t)
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				kill := time.NewTimer(time.Duration(r.IntN(220)) * time.Millisecond)
				select {
				case err := <-ended:
					kill.Stop()
					if cmd.ProcessState.ExitCode() == lostCode {
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					j.verify(t)
					return
				case <-kill.C:
					_ = cmd.Process.Kill() // it may have ended just now
					<-ended
				}
			}
			// On a machine that stands still for longer than the lease, a runner loses it and stops, as it must; the next one goes on.
			err := errors.New("no runner was started")
			for lost := 0; err != nil && lost < 20; lost++ {
				cmd := j.start(t)
				if err = cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != lostCode {
					break
				}
			}
			if err != nil {
				t.Fatalf("seed %d: after %d kills: %v", seed, kills, err)
			}
			j.verify(t)
		})
	}
}

// TestZombie stops a runner (SIGSTOP) when a step has run and before the history has it, lets another do the night, and wakes it: it must write nothing.
func TestZombie(t *testing.T) {
	t.Parallel()
	zombie(t, newJob(t, "", "2026-11-23"))
}

func zombie(t *testing.T, j job) {
	t.Helper()
	first := j
	// It is stopped while it does nothing else, but for renewing the lease.
	j.Parallel, j.TTL = 1, time.Second
	first.Count, first.Signal, first.Parallel, first.TTL = 4, syscall.SIGSTOP, j.Parallel, j.TTL
	cmd := first.start(t)
	if !cmd.says.Scan() || !strings.HasPrefix(cmd.says.Text(), "at ") {
		t.Fatalf("the runner says %q, %v", cmd.says.Text(), cmd.says.Err())
	}
	j.stop(t, cmd)
	if err := j.start(t).Wait(); err != nil {
		t.Fatal(err)
	}
	before := dump(t, j)
	if _, err := cmd.hear.Write([]byte{'\n'}); err != nil { // it lies in the pipe until the runner wakes
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != lostCode {
		t.Errorf("the runner that woke up: %v", err)
	}
	if after := dump(t, j); after != before {
		t.Errorf("the runner that woke up wrote:\n%s\nbefore:\n%s", after, before)
	}
	j.verify(t)
}

// stop stops a runner, but not within a transaction that renews its lease: so stopped it would keep SQLite locked.
func (j job) stop(t *testing.T, cmd runner) {
	t.Helper()
	leases, err := catalog.OpenLeases(t.Context(), j.Database, catalog.LeaseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer leases.Close()
	for range 20 {
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := leases.Acquire(ctx, "another", "test", time.Millisecond)
		cancel()
		if err == nil || errors.Is(err, catalog.ErrHeld) {
			return
		}
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the runner is always within a transaction")
}

// dump is all of the history of the nights.
func dump(t *testing.T, j job) string {
	t.Helper()
	o, done, err := j.options("verifier")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = done() }()
	var all []any
	for _, date := range j.Dates {
		attempts, err := o.History.Attempts(t.Context(), date)
		if err != nil {
			t.Fatal(err)
		}
		n, _, err := o.History.Night(t.Context(), date)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, n, attempts)
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
