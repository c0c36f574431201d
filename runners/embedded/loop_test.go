package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/runners/embedded/pace"
	"github.com/millrace/millrace/sdk/fault"
)

// TestMain lets the test binary stand in for a supervised program.
func TestMain(m *testing.M) {
	if play := os.Getenv("MILLRACE_TEST_CHILD"); play != "" {
		child(play)
	}
	os.Exit(m.Run())
}

// child is a program under a supervisor. Each start appends a line to the file that play names after a colon.
func child(play string) {
	role, file, _ := strings.Cut(play, ":")
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	fmt.Fprintln(f, "started", embedded.Supervised())
	starts, _ := os.ReadFile(file)
	switch role {
	case "recycle": // twice, then done
		if strings.Count(string(starts), "started") < 3 {
			os.Exit(embedded.RecycleExitCode)
		}
		os.Exit(7)
	case "wait":
		ctx, stop := embedded.UntilSignal(context.Background())
		defer stop()
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Fprintln(f, context.Cause(ctx))
		os.Exit(3)
	case "deaf":
		ctx, stop := embedded.UntilSignal(context.Background())
		defer stop()
		fmt.Println("ready")
		<-ctx.Done()
		select {}
	}
	os.Exit(98)
}

// supervised runs Supervise over a child, calls ready once a child says so, and returns what the children wrote.
func supervised(t *testing.T, ctx context.Context, role string, policy embedded.RecyclePolicy, ready func()) (code int, wrote string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if lines.Text() == "ready" {
				ready()
			}
		}
	}()
	code, err = embedded.Supervise(ctx, func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "MILLRACE_TEST_CHILD="+role+":"+file)
		cmd.Stdout, cmd.Stderr = w, os.Stderr
		return cmd
	}, policy)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return code, string(b)
}

func TestSuperviseReplacesTheChild(t *testing.T) {
	t.Parallel()
	code, wrote := supervised(t, t.Context(), "recycle", embedded.RecyclePolicy{}, func() {})
	if want := "started true\nstarted true\nstarted true\n"; code != 7 || wrote != want {
		t.Errorf("exit code %d, the children wrote %q, want 7 and %q", code, wrote, want)
	}
}

func TestSupervisePassesTheStopOn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	code, wrote := supervised(t, ctx, "wait", embedded.RecyclePolicy{}, cancel)
	if code != 3 || !strings.Contains(wrote, "signal: terminated") {
		t.Errorf("exit code %d, the child wrote %q, want 3 and the signal", code, wrote)
	}
}

func TestSuperviseKillsTheDeaf(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	code, _ := supervised(t, ctx, "deaf", embedded.RecyclePolicy{KillAfter: 50 * time.Millisecond}, cancel)
	if want := 128 + int(syscall.SIGKILL); code != want {
		t.Errorf("exit code %d, want %d", code, want)
	}
}

func TestSuperviseErrors(t *testing.T) {
	t.Parallel()
	if _, err := embedded.Supervise(t.Context(), func() *exec.Cmd { return exec.Command("/nowhere/at/all") }, embedded.RecyclePolicy{}); err == nil {
		t.Error("a program that is not there was started")
	}
	if _, err := embedded.Supervise(t.Context(), nil, embedded.RecyclePolicy{MaxJobs: -1}); fault.Of(err) != fault.Usage {
		t.Errorf("a negative limit: error is %v", err)
	}
}

// numbers is a stream of epochs 0, 1, 2, … of which the first n are there.
func numbers(n int, work func(ctx context.Context, i int) error) embedded.Stream[int] {
	next := 0
	return embedded.Stream[int]{
		Plan: func(context.Context, pace.Size) (int, bool, error) {
			if next == n {
				return 0, false, nil
			}
			next++
			return next - 1, true, nil
		},
		Work: func(ctx context.Context, i int) (pace.Epoch, error) {
			return pace.Epoch{Rows: 10, Took: time.Millisecond}, work(ctx, i)
		},
	}
}

func TestLoop(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	done := ""
	note := func(_ context.Context, i int) error { done += strconv.Itoa(i); return nil }
	res, err := embedded.Loop(t.Context(), numbers(3, note), embedded.LoopOptions{UntilIdle: true})
	if err != nil || done != "012" || res != (embedded.LoopResult{Epochs: 3, Rows: 30}) {
		t.Errorf("result %+v, error %v, epochs %s", res, err, done)
	}
	own := errors.New("no disk")
	res, err = embedded.Loop(t.Context(), numbers(3, func(_ context.Context, i int) error {
		if i == 1 {
			return own
		}
		return nil
	}), embedded.LoopOptions{})
	if !errors.Is(err, own) || res.Epochs != 1 {
		t.Errorf("result %+v, error %v, want the work's after one epoch", res, err)
	}
	due := 0
	_, err = embedded.Loop(t.Context(), numbers(9, note), embedded.LoopOptions{Recycle: func() bool { due++; return due > 2 }})
	if !errors.Is(err, embedded.ErrRecycle) {
		t.Errorf("error %v, want ErrRecycle", err)
	}
}

func TestLoopFinishesTheEpochUnderWay(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(t.Context())
	finished := false
	res, err := embedded.Loop(ctx, numbers(9, func(work context.Context, _ int) error {
		cancel()
		finished = work.Err() == nil
		return nil
	}), embedded.LoopOptions{})
	if err != nil || res.Epochs != 1 || !finished {
		t.Errorf("result %+v, error %v, the epoch could finish: %v", res, err, finished)
	}
	ctx, cancel = context.WithCancel(t.Context())
	_, err = embedded.Loop(ctx, numbers(9, func(work context.Context, _ int) error {
		cancel()
		<-work.Done()
		return context.Cause(work)
	}), embedded.LoopOptions{Grace: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "did not end within 1ms") {
		t.Errorf("error %v, want that the grace is over", err)
	}
}
