package ingest

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/source"
)

// meters are the instruments of a run. Their names are a contract: docs/operations.md lists them.
type meters struct {
	events, rejected, duplicates, transactions, input metric.Int64Counter
	epochs, dropped, rebuilds                         metric.Int64Counter
	rows, bytes                                       metric.Int64Counter // written, by table
	duration                                          metric.Float64Histogram
	cut, lagEvents, lagBytes                          metric.Int64Gauge
	lagSeconds, sourceTime                            metric.Float64Gauge
}

// durations are the bounds of the histogram of epochs, in seconds.
var durations = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

func newMeters(m metric.Meter) (*meters, error) {
	out := &meters{}
	for _, c := range []struct {
		into             *metric.Int64Counter
		name, unit, what string
	}{
		{&out.events, "events", "", "change events brought into the lake"},
		{&out.rejected, "rejected", "", "messages that went to the dead-letter table"},
		{&out.duplicates, "duplicates", "", "events that the stream delivered again, dropped"},
		{&out.transactions, "transactions", "", "source transactions completed"},
		{&out.input, "input", "By", "undecoded bytes read"},
		{&out.epochs, "epochs", "", "epochs committed"},
		{&out.dropped, "epochs.dropped", "", "epochs that another process had committed"},
		{&out.rebuilds, "epochs.rebuilt", "", "epochs computed again because another commit came first"},
		{&out.rows, "written.rows", "", "rows and deletes written, by lake table"},
		{&out.bytes, "written", "By", "bytes of data files written, by lake table"},
	} {
		var err error
		if *c.into, err = m.Int64Counter("millrace.ingest."+c.name, metric.WithUnit(c.unit), metric.WithDescription(c.what)); err != nil {
			return nil, err
		}
	}
	var err error
	if out.duration, err = m.Float64Histogram("millrace.ingest.epoch.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(durations...),
		metric.WithDescription("time to write and commit an epoch")); err != nil {
		return nil, err
	}
	return out, out.gauges(m)
}

func (m *meters) gauges(in metric.Meter) (err error) {
	for _, g := range []struct {
		into             *metric.Int64Gauge
		name, unit, what string
	}{
		{&m.cut, "cut", "", "the cut that was committed last"},
		{&m.lagEvents, "lag.events", "", "events in the stream that are not in the lake; -1 where the source cannot tell"},
		{&m.lagBytes, "backlog", "By", "bytes in the stream that are not in the lake; -1 where the source cannot tell"},
	} {
		if *g.into, err = in.Int64Gauge("millrace.ingest."+g.name, metric.WithUnit(g.unit), metric.WithDescription(g.what)); err != nil {
			return err
		}
	}
	if m.lagSeconds, err = in.Float64Gauge("millrace.ingest.lag", metric.WithUnit("s"), metric.WithDescription("age of the oldest event that is not in the lake")); err != nil {
		return err
	}
	m.sourceTime, err = in.Float64Gauge("millrace.ingest.source.time", metric.WithUnit("s"), metric.WithDescription("the source's commit time up to which the lake has come, seconds since 1970"))
	return err
}

// wrote is what an epoch wrote to a table.
type wrote struct {
	table       string
	rows, bytes int64
}

func writes(changes []catalog.TableChange) []wrote {
	var out []wrote
	for _, c := range changes {
		w := wrote{table: c.Table}
		for _, f := range c.Add {
			w.rows += f.Rows
			w.bytes += f.Bytes
		}
		out = append(out, w)
	}
	return out
}

// epoch counts an epoch that is in the lake.
func (m *meters) epoch(ctx context.Context, ep source.Epoch, done catalog.Committed, all []wrote, took time.Duration) {
	c := ep.Counts
	m.events.Add(ctx, c.Events)
	m.rejected.Add(ctx, c.Rejected)
	m.duplicates.Add(ctx, c.Duplicates)
	m.transactions.Add(ctx, c.Transactions)
	m.input.Add(ctx, c.Bytes)
	m.epochs.Add(ctx, 1)
	m.duration.Record(ctx, took.Seconds())
	m.cut.Record(ctx, done.Cut)
	if !ep.LastCommit.IsZero() {
		m.sourceTime.Record(ctx, float64(ep.LastCommit.UnixMicro())/1e6)
	}
	for _, w := range all {
		table := metric.WithAttributes(attribute.String("table", w.table))
		m.rows.Add(ctx, w.rows, table)
		m.bytes.Add(ctx, w.bytes, table)
	}
}

func (m *meters) lag(ctx context.Context, lag source.Lag) {
	m.lagEvents.Record(ctx, lag.Events)
	m.lagBytes.Record(ctx, lag.Bytes)
	m.lagSeconds.Record(ctx, lag.Age.Seconds())
}

// startSpan begins the span of an epoch, which began with its planning.
func (r *run) startSpan(ctx context.Context, p planned) (context.Context, trace.Span) {
	e := p.epoch
	ctx, span := r.opts.Tracer.Start(ctx, "ingest.epoch", trace.WithTimestamp(p.begin), trace.WithAttributes(
		attribute.String("stream", r.opts.Source.Stream()), attribute.String("epoch", e.ID), attribute.Int64("events", e.Counts.Events),
		attribute.Int64("rejected", e.Counts.Rejected), attribute.Int64("transactions", e.Counts.Transactions)))
	_, plan := r.opts.Tracer.Start(ctx, "ingest.plan", trace.WithTimestamp(p.begin))
	plan.End(trace.WithTimestamp(p.end))
	return ctx, span
}

func endSpan(span trace.Span, dropped bool, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	if dropped {
		span.SetAttributes(attribute.Bool("dropped", true))
	}
	span.End()
}
