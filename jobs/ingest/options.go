package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/source"
)

// ErrDeadLetters is wrapped by the error of a run that quarantined more messages than its limit allows.
var ErrDeadLetters = errors.New("too many messages were quarantined")

// ErrRecycle is the error of a run that Options.Recycle ended. Everything up to it is in the lake.
var ErrRecycle = errors.New("the process is due to be replaced")

// Table is a source table and how the lake follows it.
type Table struct {
	Name       string        // base name, as in source.Batch
	Schema     *arrow.Schema // value columns when the stream begins
	Key        []string      // primary key columns
	Mirror     bool          // keep the current state in NAMESPACE.NAME
	History    bool          // keep every change in NAMESPACE.NAME_changes
	AppendOnly bool          // rows are only ever inserted, once
	BucketBy   string        // "" with Buckets 0
	Buckets    int
	SortBy     []string
	Control    string // control totals, as changelog.ControlProperty has them; "" is the default there
}

// Runner runs a bounded pipeline to its end.
type Runner func(ctx context.Context, build func(beam.Scope) error) error

// Options describe a run. Lake, Source, Tables and Run are required.
type Options struct {
	Lake   *catalog.Lake
	Source source.Source
	Tables []Table
	Run    Runner
	// Namespace holds the tables. "": "ledger".
	Namespace string
	// Limits bound an epoch; see source.Limits for defaults. Its Zone is that of business dates; nil: UTC.
	Limits source.Limits
	// Undated lets epochs span business dates; then no date is tagged, and Limits.Zone has no effect.
	Undated bool
	// DeadLetterLimit stops the run once it has quarantined more messages. 0: 10,000; negative: none may be.
	DeadLetterLimit int64
	// UntilCaughtUp ends the run once the stream has nothing more to plan. Otherwise it follows until ctx ends.
	UntilCaughtUp bool
	// Grace is how long the epoch under way may take after ctx ended. 0: 1 min.
	Grace time.Duration
	// IndexMemory bounds each mirror's key index, in bytes. 0: mirror.Options's default.
	IndexMemory int64
	Logger      *slog.Logger     // nil: slog.Default()
	Clock       func() time.Time // nil: time.Now
	// Progress, if set, is called after each epoch, from the goroutine that runs.
	Progress func(Progress)
	// Alive, if set, is called whenever planning comes back with or without an epoch, which is about every Limits.MaxWait
	// while the stream can be read, and after each epoch.
	Alive func()
	// Recycle, if set, ends the run with ErrRecycle between epochs when it is true: the process is to be replaced.
	Recycle func() bool
	// Before is the report of the processes that this one replaces: its counts go on from there, and the dead-letter limit with them.
	Before Report
	// Meter and Tracer get the metrics and spans that docs/operations.md lists; nil: none.
	Meter  metric.Meter
	Tracer trace.Tracer
}

// Progress is where a run is after an epoch.
type Progress struct {
	Epoch    source.Epoch
	Cut      int64
	Report   Report
	Took     time.Duration // planning excluded
	Lag      source.Lag
	Position change.Position
}

// Report says what a run did.
type Report struct {
	Epochs   int64           `json:"epochs"`
	Dropped  int64           `json:"dropped"` // epochs that were in the lake already
	Counts   source.Counts   `json:"counts"`
	Cut      int64           `json:"cut"` // the last one committed; 0 if none
	Position change.Position `json:"position"`
}

func (o *Options) complete() error {
	if o.Lake == nil || o.Source == nil || o.Run == nil {
		return fault.Usagef("ingest: a lake, a source and a runner are required")
	}
	if len(o.Tables) == 0 {
		return fault.Usagef("ingest: no tables: list at least one")
	}
	if o.Namespace == "" {
		o.Namespace = "ledger"
	}
	if o.DeadLetterLimit == 0 {
		o.DeadLetterLimit = 10_000
	}
	switch {
	case o.Undated:
		o.Limits.Zone = nil
	case o.Limits.Zone == nil:
		o.Limits.Zone = time.UTC
	}
	if o.Grace == 0 {
		o.Grace = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Meter == nil {
		o.Meter = metricnoop.NewMeterProvider().Meter("millrace")
	}
	if o.Tracer == nil {
		o.Tracer = tracenoop.NewTracerProvider().Tracer("millrace")
	}
	if o.Alive == nil {
		o.Alive = func() {}
	}
	if o.Recycle == nil {
		o.Recycle = func() bool { return false }
	}
	return nil
}
