package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/millrace/millrace/runners/embedded/pace"
)

// ErrRecycle is returned by Loop where its process should be replaced by a new
// one: see Supervise. Everything up to it is committed.
var ErrRecycle = errors.New("the process is due to be replaced")

// Stream is how a stream is taken in, epoch by epoch. E is what its plans are.
type Stream[E any] struct {
	// Plan finds the next epoch. It may wait for input up to size.Wait, and must
	// return when its context ends. found is false where there is nothing to do yet.
	Plan func(ctx context.Context, size pace.Size) (epoch E, found bool, err error)
	// Work takes the epoch in, to its commit. Its context outlives a stop by LoopOptions.Grace.
	Work func(ctx context.Context, epoch E) (pace.Epoch, error)
}

// LoopOptions govern Loop. The zero value is right.
type LoopOptions struct {
	// Pace bounds the epochs.
	Pace pace.Limits
	// Grace is how long the epoch under way may take after ctx has ended. 0: twice Pace.LongestEpoch, or 1 min.
	Grace time.Duration
	// UntilIdle ends the loop at the first plan that finds nothing.
	UntilIdle bool
	// Recycle, if set, ends the loop with ErrRecycle between epochs when due; nil: as the supervisor of this process asks.
	Recycle func() bool
}

// LoopResult is what a loop did.
type LoopResult struct {
	Epochs int64
	Rows   int64
}

// Loop runs a stream until ctx ends, until it is idle if that is asked for,
// until its process is to be replaced, or until an error. The end of ctx lets the epoch under way finish, and is no error.
func Loop[E any](ctx context.Context, s Stream[E], opts LoopOptions) (LoopResult, error) {
	ctl, err := pace.New(opts.Pace)
	if err != nil {
		return LoopResult{}, err
	}
	recycle := opts.Recycle
	if recycle == nil {
		recycle = RecycleDue
	}
	var res LoopResult
	for ctx.Err() == nil {
		if recycle() {
			return res, ErrRecycle
		}
		epoch, found, err := s.Plan(ctx, ctl.Next())
		switch {
		case ctx.Err() != nil:
			return res, nil
		case err != nil:
			return res, fmt.Errorf("plan an epoch: %w", err)
		case !found && opts.UntilIdle:
			return res, nil
		case !found:
			ctl.Observe(pace.Epoch{})
			continue
		}
		done, err := finish(ctx, opts.grace(), func(ctx context.Context) (pace.Epoch, error) { return s.Work(ctx, epoch) })
		if err != nil {
			return res, err
		}
		res.Epochs++
		res.Rows += done.Rows
		ctl.Observe(done)
	}
	return res, nil
}

func (o LoopOptions) grace() time.Duration {
	switch {
	case o.Grace > 0:
		return o.Grace
	case o.Pace.LongestEpoch > 0:
		return 2 * o.Pace.LongestEpoch
	}
	return time.Minute
}

// finish runs work with a context that outlives ctx by grace.
func finish(ctx context.Context, grace time.Duration, work func(context.Context) (pace.Epoch, error)) (pace.Epoch, error) {
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-own.Done():
		case <-timer.C:
			cancel(fmt.Errorf("the epoch under way did not end within %s of the stop", grace))
		}
	})()
	return work(own)
}

// UntilSignal returns a context that ends with the first SIGTERM or SIGINT; its cause names the signal. A second one
// ends the process at once, as it would without this. Call stop when done.
func UntilSignal(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		select {
		case s := <-caught:
			signal.Stop(caught)
			cancel(fmt.Errorf("signal: %s", s))
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(caught)
		cancel(context.Canceled)
	}
}
