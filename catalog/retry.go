package catalog

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"time"
)

var errNoFile = fs.ErrNotExist

func isMoved(err error) bool   { return errors.Is(err, errMoved) }
func isUnknown(err error) bool { return errors.Is(err, errUnknown) }

// pause waits about base·2^attempt, at most limit, jittered so that racing committers part ways.
func pause(ctx context.Context, attempt int, base, limit time.Duration) error {
	d := min(limit, base<<min(attempt, 16))
	d = d/2 + rand.N(d/2+1)
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

const transientAttempts = 6

// retryTransient repeats do while it fails in a way that may pass. do must be safe to repeat.
func retryTransient(ctx context.Context, transient func(error) bool, do func() error) error {
	for attempt := 0; ; attempt++ {
		err := do()
		if err == nil || attempt == transientAttempts-1 || !transient(err) || ctx.Err() != nil {
			return err
		}
		if waitErr := pause(ctx, attempt, 10*time.Millisecond, time.Second); waitErr != nil {
			return err
		}
	}
}
