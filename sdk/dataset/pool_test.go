package dataset

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

// newTestRun is a run without a pipeline.
func newTestRun(t *testing.T, workers int) *Run {
	t.Helper()
	r := newRun(RunOptions{Workers: workers, Staging: t.TempDir()}.config(), Environment{})
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestPoolIsBoundedAndOrdered(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	run := newTestRun(t, 3)
	p := newPool(t.Context(), run)
	var atOnce, most atomic.Int64
	for i := range 50 {
		n := int64(49 - i)
		p.submit(n, func(context.Context) ([]message, error) {
			now := atOnce.Add(1)
			defer atOnce.Add(-1)
			for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
			}
			return []message{{n, nil}}, nil
		})
	}
	out, err := p.wait()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(out, func(a, b message) int { return int(a.partition - b.partition) }) || len(out) != 50 {
		t.Errorf("%d messages, not in the tasks' order: %v", len(out), out)
	}
	if most.Load() > 3 {
		t.Errorf("%d tasks were at work at once, want 3 at most", most.Load())
	}
	if s := run.Stats(); s.Tasks != 50 || s.TasksDone != 50 {
		t.Errorf("stats are %+v", s)
	}
}

func TestPoolStopsAtTheFirstError(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p := newPool(t.Context(), newTestRun(t, 2))
	own := errors.New("the disk is full")
	p.submit(0, func(ctx context.Context) ([]message, error) { // ends when the other one fails
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	p.submit(1, func(context.Context) ([]message, error) { return nil, own })
	if _, err := p.wait(); !errors.Is(err, own) {
		t.Errorf("error is %v, want %v", err, own)
	}
}

func TestPoolTurnsPanicsIntoErrors(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	p := newPool(t.Context(), newTestRun(t, 1))
	p.submit(0, func(context.Context) ([]message, error) { panic("no rate for XAU") })
	if _, err := p.wait(); err == nil || !strings.Contains(err.Error(), "no rate for XAU") {
		t.Errorf("error is %v, want the panic's", err)
	}
}

func TestPoolEndsWithTheRun(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	run := newTestRun(t, 1)
	p := newPool(t.Context(), run)
	cause := errors.New("shift is over")
	for i := range int64(3) {
		p.submit(i, func(ctx context.Context) ([]message, error) {
			run.Stop(cause)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
	}
	if _, err := p.wait(); !errors.Is(err, cause) {
		t.Errorf("error is %v, want %v", err, cause)
	}
}

func TestTasksAfterTheRun(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	run := newRun(RunOptions{Staging: t.TempDir()}.config(), Environment{})
	if err := run.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := joinRun(run.config)
	if late != run {
		t.Fatal("a late task made a run of its own")
	}
	p := newPool(t.Context(), late)
	p.submit(0, func(context.Context) ([]message, error) { t.Error("a late task ran"); return nil, nil })
	if _, err := p.wait(); !errors.Is(err, errClosed) {
		t.Errorf("error is %v, want that the run is over", err)
	}
}
