package catalog

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
)

// ahead runs a producer of batches in a goroutine that it owns, a little ahead of its consumer.
type ahead struct {
	schema *arrow.Schema
	name   string
	cancel context.CancelFunc
	out    chan arrow.RecordBatch
	done   chan struct{} // closed when the goroutine has ended; err is set before
	err    error
}

// newAhead starts produce, which hands its batches over to out. With slots, it works only while it holds one of them;
// it gives the slot back while it waits for its consumer.
func newAhead(ctx context.Context, schema *arrow.Schema, slots chan struct{}, name string, produce func(ctx context.Context, out func(arrow.RecordBatch) error) error) *ahead {
	a := &ahead{schema: schema, name: name, out: make(chan arrow.RecordBatch, 1), done: make(chan struct{})}
	ctx, a.cancel = context.WithCancel(ctx)
	go func() {
		defer close(a.done)
		defer close(a.out)
		if err := acquire(ctx, slots); err != nil {
			a.err = err
			return
		}
		a.err = produce(ctx, func(rec arrow.RecordBatch) error { return a.hand(ctx, slots, rec) })
		release(slots, a.err)
	}()
	return a
}

var errNoSlot = errors.New("the stream was closed")

func acquire(ctx context.Context, slots chan struct{}) error {
	if slots == nil {
		return nil
	}
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errors.Join(errNoSlot, ctx.Err())
	}
}

func release(slots chan struct{}, err error) {
	if slots != nil && !errors.Is(err, errNoSlot) {
		<-slots
	}
}

// hand gives a batch to the consumer.
func (a *ahead) hand(ctx context.Context, slots chan struct{}, rec arrow.RecordBatch) error {
	select {
	case a.out <- rec:
		return nil
	default:
	}
	release(slots, nil)
	select {
	case a.out <- rec:
		return acquire(ctx, slots)
	case <-ctx.Done():
		rec.Release()
		return errors.Join(errNoSlot, ctx.Err())
	}
}

// Schema is the batches' schema.
func (a *ahead) Schema() *arrow.Schema { return a.schema }

// Name says what is read.
func (a *ahead) Name() string { return a.name }

// Next gives the next batch.
func (a *ahead) Next(ctx context.Context) (arrow.RecordBatch, error) {
	select {
	case rec, ok := <-a.out:
		if ok {
			return rec, nil
		}
		<-a.done
		if a.err != nil {
			return nil, a.err
		}
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the goroutine and waits for it.
func (a *ahead) Close() error {
	a.cancel()
	for rec := range a.out {
		rec.Release()
	}
	<-a.done
	return nil
}
