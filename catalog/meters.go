package catalog

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// meters are the lake's instruments.
type meters struct {
	duration  metric.Float64Histogram
	attempts  metric.Int64Counter
	conflicts metric.Int64Counter
}

func newMeters(m metric.Meter) (meters, error) {
	var out meters
	var err error
	if out.duration, err = m.Float64Histogram("millrace.commit.duration", metric.WithUnit("s"), metric.WithDescription("time of a commit over all its attempts")); err != nil {
		return out, err
	}
	if out.attempts, err = m.Int64Counter("millrace.commit.attempts", metric.WithDescription("attempts of commits")); err != nil {
		return out, err
	}
	out.conflicts, err = m.Int64Counter("millrace.commit.conflicts", metric.WithDescription("attempts that another committer was faster than"))
	return out, err
}

func (m meters) committed(ctx context.Context, took time.Duration, attempts int) {
	m.duration.Record(ctx, took.Seconds())
	m.attempts.Add(ctx, int64(attempts))
	if attempts > 1 {
		m.conflicts.Add(ctx, int64(attempts-1))
	}
}
