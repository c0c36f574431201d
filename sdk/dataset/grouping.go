package dataset

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/dataset/internal/aggregate"
	"github.com/millrace/millrace/sdk/dataset/internal/stream"
)

// partial turns rows into state rows; it gives them out whenever it holds more than its budget.
func (t *task) partial(in stream.Stream, g *groupSpec) (stream.Stream, error) {
	plan, err := g.plan()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	hash, err := plan.NewHash()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	ended := false
	next := func(ctx context.Context) (arrow.RecordBatch, error) {
		for !ended {
			b, err := in.Next(ctx)
			if errors.Is(err, io.EOF) {
				ended = true
				break
			}
			if err != nil {
				return nil, err
			}
			err = hash.Add(ctx, b)
			b.Release()
			if err != nil {
				return nil, err
			}
			if hash.Groups() > 0 && hash.Bytes() >= t.run.config.Memory {
				return hash.Flush(ctx)
			}
		}
		out, err := hash.Flush(ctx)
		if out == nil && err == nil {
			err = io.EOF
		}
		return out, err
	}
	return stream.Func{OnNext: next, OnClose: in.Close}, nil
}

// final finishes groups of rows that are sorted by their keys: raw rows or state rows.
func (t *task) final(in stream.Stream, g *groupSpec, raw bool) (stream.Stream, error) {
	plan, err := g.plan()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	groups, err := plan.NewStream(raw)
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	ended := false
	next := func(ctx context.Context) (arrow.RecordBatch, error) {
		for !ended {
			out, err := t.finalStep(ctx, in, groups, &ended)
			if out != nil || err != nil {
				return out, err
			}
		}
		return nil, io.EOF
	}
	return stream.Func{OnNext: next, OnClose: in.Close}, nil
}

func (t *task) finalStep(ctx context.Context, in stream.Stream, groups *aggregate.Stream, ended *bool) (arrow.RecordBatch, error) {
	b, err := in.Next(ctx)
	if errors.Is(err, io.EOF) {
		*ended = true
		return groups.Close(ctx)
	}
	if err != nil {
		return nil, err
	}
	defer b.Release()
	return groups.Add(ctx, b)
}

// group turns rows into groups, all rows of a group being in this task: in one
// pass where they come sorted by the keys, else by hashing, sorting the states and finishing those.
func (t *task) group(ctx context.Context, o *op) (stream.Stream, error) {
	plan, err := o.Group.plan()
	if err != nil {
		return nil, err
	}
	in, have, err := t.build(ctx, o.In[0], o.Group.Keys)
	if err != nil {
		return nil, err
	}
	if hasPrefix(have, o.Group.Keys) && !hasDistinct(o.Group.Aggs) {
		return t.final(in, o.Group, true)
	}
	states, err := t.partial(in, o.Group)
	if err != nil {
		return nil, err
	}
	return t.final(t.sortStream(states, plan.State, plan.StateOrder), o.Group, false)
}

func hasDistinct(aggs []aggregate.Spec) bool {
	for _, a := range aggs {
		if a.Kind == aggregate.Distinct {
			return true
		}
	}
	return false
}
