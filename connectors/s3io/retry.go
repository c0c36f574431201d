package s3io

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// errSilent ends a try in which no byte moved for too long.
var errSilent = errors.New("no answer in time")

// op says what is being done, for errors.
type op struct {
	doing string
	name  string // of the object; "" for the bucket
	first bool   // the first contact: a host that cannot be found is a typing mistake
}

// try is one request. It is cancelled when no byte has moved for the try time-out.
type try struct {
	ctx     context.Context
	timer   *time.Timer
	timeout time.Duration

	mu   sync.Mutex
	over bool
}

// moved restarts the try's timer.
func (t *try) moved() { t.timer.Reset(t.timeout) }

// download is body, restarting the try's timer with each piece that arrives.
func (t *try) download(body io.Reader) io.Reader { return downloadBody{body, t} }

type downloadBody struct {
	r io.Reader
	t *try
}

func (b downloadBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if n > 0 {
		b.t.moved()
	}
	return n, err
}

// upload is a request's body. The transport may go on reading a body after its
// request has failed; this one gives nothing once the try is over, since data
// may then be reused.
func (t *try) upload(data []byte) io.Reader { return &uploadBody{rest: data, t: t} }

type uploadBody struct {
	rest []byte
	t    *try
}

func (b *uploadBody) Read(p []byte) (int, error) {
	b.t.mu.Lock()
	defer b.t.mu.Unlock()
	if b.t.over {
		return 0, errOver
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	b.t.moved()
	return n, nil
}

var errOver = errors.New("the request is over")

func (t *try) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.timer.Stop()
}

// do runs f until it succeeds, fails for good, or the deadline has passed.
func (s *Store) do(ctx context.Context, what op, f func(*try) error) error {
	start := s.opts.Clock()
	for tries := 1; ; tries++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("s3: %s: %w", s.describe(what), context.Cause(ctx))
		}
		err := s.once(ctx, f)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("s3: %s: %w", s.describe(what), context.Cause(ctx))
		}
		if !passing(err) || what.first && isNoHost(err) {
			return s.explain(what, err)
		}
		wait := s.backoff(tries)
		if spent := s.opts.Clock().Sub(start); spent+wait > s.opts.Deadline {
			return fault.Retryablef("s3: %s: %w; gave up after %d tries in %v", s.describe(what), plain(err), tries, spent.Round(time.Millisecond))
		}
		if err := pause(ctx, wait); err != nil {
			return fmt.Errorf("s3: %s: %w", s.describe(what), err)
		}
	}
}

// once runs f as one try.
func (s *Store) once(ctx context.Context, f func(*try) error) error {
	tryCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := &try{ctx: tryCtx, timeout: s.opts.TryTimeout}
	t.timer = time.AfterFunc(t.timeout, func() { cancel(errSilent) })
	defer t.end()
	err := f(t)
	if err != nil && ctx.Err() == nil && errors.Is(context.Cause(tryCtx), errSilent) {
		return fmt.Errorf("%w: %v passed without a byte", errSilent, t.timeout)
	}
	return err
}

// backoff is a random time up to an exponential bound ("full jitter"), so that
// many clients of a server that comes back do not return together.
func (s *Store) backoff(tries int) time.Duration {
	bound := s.opts.MaxBackoff
	if shift := tries - 1; shift < 20 {
		bound = min(bound, s.opts.Backoff<<shift)
	}
	return rand.N(max(bound, 1))
}

// pause waits unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// describe says what was being done to what, where.
func (s *Store) describe(what op) string {
	if what.name == "" {
		return fmt.Sprintf("%s %s at %s", what.doing, s.URL(), s.endpoint)
	}
	return fmt.Sprintf("%s %s in %s at %s", what.doing, what.name, s.URL(), s.endpoint)
}
