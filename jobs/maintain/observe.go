package maintain

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// meters are the instruments of passes. Their names are a contract: docs/operations.md lists them.
type meters struct {
	passes, failures                 metric.Int64Counter // passes by outcome; tables whose pass failed
	filesIn, filesOut, bytes         metric.Int64Counter // of compaction, by table
	deletedRows, snapshots           metric.Int64Counter // by table
	garbage, garbageBytes, conflicts metric.Int64Counter // by table
	duration                         metric.Float64Histogram
	lastSuccess                      metric.Float64Gauge
}

// durations are the bounds of the histogram of passes, in seconds.
var durations = []float64{.1, .5, 1, 5, 10, 30, 60, 300, 900, 3600}

func newMeters(m metric.Meter) (*meters, error) {
	out := &meters{}
	for _, c := range []struct {
		into             *metric.Int64Counter
		name, unit, what string
	}{
		{&out.passes, "passes", "", "passes that ended, by outcome: ok or failed"},
		{&out.failures, "failures", "", "failures of a table in a pass, by table"},
		{&out.filesIn, "compacted.files", "", "files that compactions merged, by table"},
		{&out.filesOut, "written.files", "", "files that compactions wrote, by table"},
		{&out.bytes, "written", "By", "bytes of the files that compactions wrote, by table"},
		{&out.deletedRows, "folded.rows", "", "deleted rows that compactions left out, by table"},
		{&out.snapshots, "expired.snapshots", "", "snapshots that were forgotten, by table"},
		{&out.garbage, "garbage.files", "", "files that nothing referred to, deleted, by table"},
		{&out.garbageBytes, "garbage", "By", "bytes of the files that nothing referred to, deleted, by table"},
		{&out.conflicts, "conflicts", "", "compactions that another commit was faster than, by table"},
	} {
		var err error
		if *c.into, err = m.Int64Counter("millrace.maintain."+c.name, metric.WithUnit(c.unit), metric.WithDescription(c.what)); err != nil {
			return nil, err
		}
	}
	var err error
	if out.duration, err = m.Float64Histogram("millrace.maintain.pass.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(durations...),
		metric.WithDescription("time of a pass over all its tables")); err != nil {
		return nil, err
	}
	out.lastSuccess, err = m.Float64Gauge("millrace.maintain.last.success.time", metric.WithUnit("s"),
		metric.WithDescription("when the last pass ended in which no table failed, seconds since 1970"))
	return out, err
}

// pass counts a pass that ended at a time. One that only told what it would do is not counted.
func (m *meters) pass(ctx context.Context, rep Report, ended time.Time, err error) {
	if rep.DryRun {
		return
	}
	ctx = context.WithoutCancel(ctx)
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	} else {
		m.lastSuccess.Record(ctx, float64(ended.UnixMilli())/1000)
	}
	m.passes.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", outcome)))
	m.duration.Record(ctx, rep.Seconds)
	for _, t := range rep.Tables {
		m.table(ctx, t)
	}
}

func (m *meters) table(ctx context.Context, t Table) {
	by := metric.WithAttributes(attribute.String("table", t.Table))
	failed := int64(0)
	if t.Error != "" {
		failed = 1
	}
	m.failures.Add(ctx, failed, by)
	m.filesIn.Add(ctx, int64(t.FilesIn), by)
	m.filesOut.Add(ctx, int64(t.FilesOut), by)
	m.bytes.Add(ctx, t.BytesWritten, by)
	m.deletedRows.Add(ctx, t.DeletedRows, by)
	m.snapshots.Add(ctx, int64(t.Snapshots), by)
	m.garbage.Add(ctx, int64(t.Garbage), by)
	m.garbageBytes.Add(ctx, t.GarbageBytes, by)
	m.conflicts.Add(ctx, int64(t.Conflicts), by)
}
