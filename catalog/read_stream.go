package catalog

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
)

// Batches is a stream of record batches of one schema. It is used by one goroutine at a time.
type Batches interface {
	// Schema is the schema of all batches.
	Schema() *arrow.Schema
	// Next gives the next batch, which the caller releases, or io.EOF. After another error the stream is of no more use.
	Next(ctx context.Context) (arrow.RecordBatch, error)
	// Close stops the stream's goroutines, waits for them and lets go of its files. It may be called early and more than once.
	Close() error
}

// EachBatch calls f for each batch of s and closes s. The batch is released when f returns.
func EachBatch(ctx context.Context, s Batches, f func(arrow.RecordBatch) error) (err error) {
	defer func() { err = errors.Join(err, s.Close()) }()
	for {
		rec, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = f(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
}

func closeBatches(in []Batches) error {
	var errs []error
	for _, s := range in {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// concatBatches streams one stream after the other.
func concatBatches(in []Batches) Batches { return &concatenated{in: in, schema: in[0].Schema()} }

type concatenated struct {
	in     []Batches
	schema *arrow.Schema
	at     int
}

func (c *concatenated) Schema() *arrow.Schema { return c.schema }

func (c *concatenated) Next(ctx context.Context) (arrow.RecordBatch, error) {
	for ; c.at < len(c.in); c.at++ {
		rec, err := c.in[c.at].Next(ctx)
		if !errors.Is(err, io.EOF) {
			return rec, err
		}
	}
	return nil, io.EOF
}

func (c *concatenated) Close() error { return closeBatches(c.in) }
