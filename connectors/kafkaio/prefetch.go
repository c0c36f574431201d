package kafkaio

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// prefetch polls a consumer while what it polled last is decoded. It holds one poll.
type prefetch struct {
	consumer *kgo.Client
	polled   chan kgo.Fetches
	cancel   context.CancelFunc
	ended    sync.WaitGroup
}

func startPrefetch(cl *kgo.Client) *prefetch {
	ctx, cancel := context.WithCancel(context.Background())
	p := &prefetch{consumer: cl, polled: make(chan kgo.Fetches), cancel: cancel}
	p.ended.Go(func() { p.run(ctx) })
	return p
}

// run polls until it is stopped or the consumer is closed.
func (p *prefetch) run(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := p.consumer.PollRecords(ctx, maxPoll)
		select {
		case p.polled <- fetches:
		case <-ctx.Done():
		}
	}
}

// next gives what was polled, or nothing after the given time.
func (p *prefetch) next(ctx context.Context, wait time.Duration) kgo.Fetches {
	select {
	case f := <-p.polled:
		return f
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case f := <-p.polled:
		return f
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

// stop ends polling.
func (p *prefetch) stop() {
	p.cancel()
	p.ended.Wait()
}
