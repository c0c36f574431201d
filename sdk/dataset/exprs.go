package dataset

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/dataset/internal/stream"
	"github.com/millrace/millrace/sdk/expr"
)

// checkFilter finds mistakes in a condition while the pipeline is built.
func checkFilter(schema *arrow.Schema, cond expr.Expr) error {
	b, err := expr.Bind(cond, schema)
	if err != nil {
		return err
	}
	if k := b.Type().Kind; k != expr.Bool && k != expr.Null {
		return fmt.Errorf("%s is of type %s, a condition must be bool", cond, b.Type())
	}
	return nil
}

func projectSchema(schema *arrow.Schema, items []expr.Named) (*arrow.Schema, error) {
	p, err := expr.BindProjection(schema, items...)
	if err != nil {
		return nil, err
	}
	return p.Schema(), nil
}

// filterStream keeps the rows for which cond is true.
func filterStream(in stream.Stream, schema *arrow.Schema, cond expr.Expr) (stream.Stream, error) {
	b, err := expr.Bind(cond, schema)
	if err != nil {
		return nil, err
	}
	return each(in, "filter", b.Filter), nil
}

func projectStream(in stream.Stream, schema *arrow.Schema, items []expr.Named) (stream.Stream, error) {
	p, err := expr.BindProjection(schema, items...)
	if err != nil {
		return nil, err
	}
	return each(in, "project", p.Apply), nil
}

// each applies f to every batch.
func each(in stream.Stream, what string, f func(arrow.RecordBatch) (arrow.RecordBatch, error)) stream.Stream {
	return stream.Func{OnClose: in.Close, OnNext: func(ctx context.Context) (arrow.RecordBatch, error) {
		b, err := in.Next(ctx)
		if err != nil {
			return nil, err
		}
		defer b.Release()
		out, err := f(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		return out, nil
	}}
}
