package nightly

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// meters are the instruments of nights. Their names are a contract: docs/nightly.md lists them.
type meters struct {
	nights, attempts, alerts, reloads metric.Int64Counter
	nightTime, stepTime               metric.Float64Histogram
	lastDate, lease                   metric.Float64Gauge
}

// durations are the bounds of the histograms, in seconds.
var durations = []float64{1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400}

func newMeters(m metric.Meter) (*meters, error) {
	out := &meters{}
	for _, c := range []struct {
		into       *metric.Int64Counter
		name, what string
	}{
		{&out.nights, "nights", "nights that ended, by status: ok, findings or failed"},
		{&out.attempts, "attempts", "attempts at steps that ended, by step and outcome"},
		{&out.alerts, "alerts", "alerts that this process raised, by kind"},
		{&out.reloads, "settings.changes", "changes of the project file, by outcome: changed or refused"},
	} {
		var err error
		if *c.into, err = m.Int64Counter("millrace.nightly."+c.name, metric.WithDescription(c.what)); err != nil {
			return nil, err
		}
	}
	var err error
	histogram := func(name, what string) (h metric.Float64Histogram) {
		if err == nil {
			h, err = m.Float64Histogram("millrace.nightly."+name, metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(durations...), metric.WithDescription(what))
		}
		return h
	}
	out.nightTime = histogram("night.duration", "time from a night's beginning to its end")
	out.stepTime = histogram("attempt.duration", "time of an attempt, by step")
	gauge := func(name, unit, what string) (g metric.Float64Gauge) {
		if err == nil {
			g, err = m.Float64Gauge("millrace.nightly."+name, metric.WithUnit(unit), metric.WithDescription(what))
		}
		return g
	}
	out.lastDate = gauge("last.date", "s", "the last business date whose night was ok, as seconds since 1970")
	out.lease = gauge("lease.held", "", "1 while this process runs nights, else 0")
	return out, err
}

func (m *meters) night(ctx context.Context, n Night) {
	ctx = context.WithoutCancel(ctx)
	m.nights.Add(ctx, 1, metric.WithAttributes(attribute.String("status", string(n.Status))))
	m.nightTime.Record(ctx, n.Ended.Sub(n.Started).Seconds())
	if day, err := time.Parse(time.DateOnly, n.Date); err == nil && n.Status == NightOK {
		m.lastDate.Record(ctx, float64(day.Unix()))
	}
}

func (m *meters) attempt(ctx context.Context, a Attempt) {
	ctx = context.WithoutCancel(ctx)
	step := attribute.String("step", a.Step)
	m.attempts.Add(ctx, 1, metric.WithAttributes(step, attribute.String("outcome", string(a.Outcome))))
	m.stepTime.Record(ctx, a.Ended.Sub(a.Started).Seconds(), metric.WithAttributes(step))
}

func (m *meters) alert(ctx context.Context, kind string) {
	m.alerts.Add(ctx, 1, metric.WithAttributes(attribute.String("kind", kind)))
}

func (m *meters) reload(ctx context.Context, outcome string) {
	m.reloads.Add(context.WithoutCancel(ctx), 1, metric.WithAttributes(attribute.String("outcome", outcome)))
}

func (m *meters) held(ctx context.Context, held bool) {
	v := 0.0
	if held {
		v = 1
	}
	m.lease.Record(context.WithoutCancel(ctx), v)
}

func (e *engine) startNight(ctx context.Context, date string) (context.Context, trace.Span) {
	return e.o.Tracer.Start(ctx, "nightly.night", trace.WithAttributes(attribute.String("millrace.business_date", date)))
}

func (e *engine) startStep(ctx context.Context, a Attempt) (context.Context, trace.Span) {
	return e.o.Tracer.Start(ctx, "nightly.step", trace.WithAttributes(attribute.String("millrace.business_date", a.Date),
		attribute.String("millrace.step", a.Step), attribute.Int("millrace.attempt", a.Attempt)))
}

func endSpan(s trace.Span, outcome string, err error) {
	s.SetAttributes(attribute.String("millrace.outcome", outcome))
	if err != nil {
		s.RecordError(err)
		s.SetStatus(codes.Error, err.Error())
	}
	s.End()
}
