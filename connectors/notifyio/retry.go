package notifyio

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// Retry says how often and how long a place is tried. The zero value of a field stands for its default.
type Retry struct {
	Timeout  time.Duration `yaml:"timeout" default:"10s" doc:"longest time of one attempt"`
	Attempts int           `yaml:"attempts" default:"4" doc:"how often a place that does not answer, or answers that it cannot, is tried"`
	Backoff  time.Duration `yaml:"backoff" default:"1s" doc:"pause after the first attempt; each later one is twice as long, up to 30s, and up to half of it is left to chance"`
}

// longest is the most that is waited between attempts, whatever a server asks for.
const longest = 30 * time.Second

func (r Retry) filled() Retry {
	if r.Timeout == 0 {
		r.Timeout = 10 * time.Second
	}
	if r.Attempts == 0 {
		r.Attempts = 4
	}
	if r.Backoff == 0 {
		r.Backoff = time.Second
	}
	return r
}

func (r Retry) check() error {
	if r.Timeout < 0 || r.Attempts < 0 || r.Backoff < 0 {
		return fault.Usagef("timeout, attempts and backoff must not be negative")
	}
	return nil
}

// do tries until an attempt succeeds or fails for good. wait is what the place asked for, 0 where it did not.
func (r Retry) do(ctx context.Context, attempt func(context.Context) (wait time.Duration, err error)) error {
	pause := r.Backoff
	for n := 1; ; n++ {
		once, cancel := context.WithTimeout(ctx, r.Timeout)
		wait, err := attempt(once)
		cancel()
		if err == nil || !fault.IsRetryable(err) || ctx.Err() != nil {
			return err
		}
		if n == r.Attempts {
			return fmt.Errorf("given up after %d attempts: %w", n, err)
		}
		if wait == 0 {
			wait = pause - rand.N(pause/2+1)
		}
		pause = min(2*pause, longest)
		timer := time.NewTimer(min(wait, longest))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("given up after %d attempts: %w: %w", n, context.Cause(ctx), err)
		}
	}
}
