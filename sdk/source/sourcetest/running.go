package sourcetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// testCancelled: Plan and Read end soon after their context.
func testCancelled(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 21, Spec{Markers: true})
	write(t, ctx, h, s.Tx(5))
	src := open(t, ctx, h)
	r := newReader(t, src, change.Position{})
	r.drain(ctx, all, 5, 0)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := src.Plan(short, r.pos, source.Limits{MaxWait: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("plan with a context that ends: %v", err)
	}
	if took := time.Since(start); took > patience {
		t.Errorf("plan ended %v after its context", took)
	}
	gone, cancel2 := context.WithCancel(ctx)
	cancel2()
	for _, e := range r.epochs {
		for _, split := range e.Splits {
			if err := src.Read(gone, split, &content{}); !errors.Is(err, context.Canceled) {
				t.Errorf("read with a cancelled context: %v", err)
			}
		}
	}
	r.drain(ctx, all, 5, 0)
}

type failing struct{ err error }

func (f failing) Batch(_ context.Context, b *source.Batch) error { b.Release(); return f.err }
func (f failing) Reject(context.Context, source.Rejected) error  { return f.err }

// testHandlerFails: a handler's error comes out of Read, and the split can be read afterwards.
func testHandlerFails(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 22, Spec{Markers: true})
	write(t, ctx, h, append(s.Tx(9), s.Garbage()...))
	src := open(t, ctx, h)
	r := newReader(t, src, change.Position{})
	full := errors.New("disk full")
	for since := time.Now(); len(r.facts) < 9; {
		e, err := src.Plan(ctx, r.pos, all())
		if err != nil {
			t.Fatal(err)
		}
		for _, split := range e.Splits {
			if err := src.Read(ctx, split, failing{full}); !errors.Is(err, full) {
				t.Errorf("read with a failing handler: %v", err)
			}
		}
		r.take(ctx, e)
		if time.Since(since) > patience {
			t.Fatal("no events")
		}
	}
	compare(t, r.facts, s.Facts)
}

// testLag: the lag falls to zero as the stream is read.
func testLag(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 23, Spec{Markers: true})
	messages := append(s.Tx(20), s.Tx(20)...)
	write(t, ctx, h, messages)
	src := open(t, ctx, h)
	lag, err := src.Lag(ctx, change.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if lag.Events == 0 || lag.Events > int64(len(messages)) || lag.Events < 0 && lag.Bytes <= 0 {
		t.Errorf("lag at the beginning is %+v, %d messages were written", lag, len(messages))
	}
	r := newReader(t, src, change.Position{})
	r.drain(ctx, all, len(s.Facts), 0)
	if lag, err = src.Lag(ctx, r.pos); err != nil || lag.Events > 0 || lag.Bytes > 0 || lag.Age > 0 {
		t.Errorf("lag at the end is %+v, %v", lag, err)
	}
}

// testGap: a position whose events the log no longer holds is an error, never a skip.
func testGap(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 24, Spec{Markers: true})
	if h.Truncate == nil {
		return // the stream keeps everything
	}
	write(t, ctx, h, s.Tx(30))
	r := newReader(t, open(t, ctx, h), change.Position{})
	r.drain(ctx, all, 30, 0)
	pos := r.pos
	write(t, ctx, h, append(s.Tx(30), s.Heartbeat()...))
	if err := h.Truncate(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	src := open(t, ctx, h)
	if _, err := src.Plan(ctx, pos, all()); !errors.Is(err, source.ErrGap) {
		t.Errorf("plan over a gap: %v, want %v", err, source.ErrGap)
	}
}

// testConcurrent reads each epoch from several goroutines while the next one is planned.
func testConcurrent(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 25, Spec{Markers: true})
	write(t, ctx, h, s.Random(60, true))
	src := open(t, ctx, h)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got []Fact
		pos change.Position
	)
	for planned, since := 0, time.Now(); planned < len(s.Facts); {
		e, err := src.Plan(ctx, pos, source.Limits{MaxEvents: 40, MaxWait: wait})
		if err != nil {
			t.Fatal(err)
		}
		planned += int(e.Counts.Events)
		pos = e.To
		for _, split := range e.Splits {
			wg.Add(1)
			go func() {
				defer wg.Done()
				c := &content{}
				if err := src.Read(ctx, split, c); err != nil {
					t.Errorf("read %+v: %v", split, err)
				}
				mu.Lock()
				got = append(got, c.facts...)
				mu.Unlock()
			}()
		}
		if time.Since(since) > time.Minute {
			t.Fatal("the stream does not end")
		}
	}
	wg.Wait()
	compare(t, got, s.Facts)
}
