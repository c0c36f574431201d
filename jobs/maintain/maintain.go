package maintain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/sdk/fault"
)

// Options describe a pass. Lake is required.
type Options struct {
	Lake *catalog.Lake
	// Tables limits the pass to these: full names, or patterns as path.Match has them (ledger.*). nil: every table.
	Tables []string
	// Compact, Expire and Collect shape the three steps. Their DryRun, Logger and Clock are set from the fields below.
	Compact maintenance.CompactOptions
	Expire  maintenance.ExpireOptions
	Collect maintenance.CollectOptions
	// DryRun tells what a pass would do, and changes nothing.
	DryRun bool
	Logger *slog.Logger     // nil: slog.Default()
	Clock  func() time.Time // nil: time.Now
	// Progress, if set, is called after each step of each table, from the goroutine that runs.
	Progress func(step string, t Table)
	// Meter counts what passes do, once each has ended; nil: nothing is counted. docs/operations.md lists the names.
	Meter metric.Meter
	// Alive, if set, is called when a pass begins and after each step of each table: the process goes on.
	Alive func()

	meters *meters
}

// Report is what a pass did. With DryRun, what it would do.
type Report struct {
	DryRun  bool    `json:"dry_run,omitempty"`
	Seconds float64 `json:"seconds"`
	Tables  []Table `json:"tables"` // by name
}

// Table is one table's part.
type Table struct {
	Table string `json:"table"`
	// FilesIn data files became FilesOut; BytesWritten is the size of the latter. With DryRun BytesWritten is
	// the size of the files that would be read.
	FilesIn      int   `json:"files_in"`
	FilesOut     int   `json:"files_out"`
	BytesWritten int64 `json:"bytes_written"`
	// DeletedRows were folded away, and DeleteFiles left the table with them or were merged.
	DeletedRows int64 `json:"deleted_rows"`
	DeleteFiles int   `json:"delete_files"`
	// Conflicts is how often another commit came first, and LateDeletes how many rows ingest deleted meanwhile.
	Conflicts   int   `json:"conflicts"`
	LateDeletes int64 `json:"late_deletes"`
	// Snapshots and Tags were forgotten.
	Snapshots int      `json:"snapshots_expired"`
	Tags      []string `json:"tags_expired,omitempty"`
	// Garbage files were deleted. Waiting ones are to be seen once more, Young ones may yet be committed.
	Garbage      int    `json:"garbage_deleted"`
	GarbageBytes int64  `json:"garbage_bytes"`
	Waiting      int    `json:"garbage_waiting"`
	Young        int    `json:"garbage_young"`
	Error        string `json:"error,omitempty"`
}

func (o *Options) complete() error {
	if o.Lake == nil {
		return fault.Usagef("maintain: a lake is required")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Meter == nil {
		o.Meter = noop.NewMeterProvider().Meter("millrace")
	}
	if o.Alive == nil {
		o.Alive = func() {}
	}
	if o.meters == nil {
		var err error
		if o.meters, err = newMeters(o.Meter); err != nil {
			return fmt.Errorf("maintain: make metrics: %w", err)
		}
	}
	o.Compact.Logger, o.Collect.Logger = o.Logger, o.Logger
	o.Expire.Clock, o.Collect.Clock = o.Clock, o.Clock
	o.Compact.DryRun, o.Expire.DryRun, o.Collect.DryRun = o.DryRun, o.DryRun, o.DryRun
	return nil
}

// Run makes one pass. The report holds what was done also where the error is not nil.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.complete(); err != nil {
		return Report{}, err
	}
	start := o.Clock()
	o.Alive()
	names, err := o.tables(ctx)
	if err != nil {
		o.meters.pass(ctx, Report{DryRun: o.DryRun, Seconds: o.Clock().Sub(start).Seconds()}, o.Clock(), err)
		return Report{}, err
	}
	p := &pass{opts: &o, report: Report{DryRun: o.DryRun, Tables: make([]Table, len(names))}}
	for i, n := range names {
		p.report.Tables[i].Table = n
	}
	for _, step := range []func(context.Context){p.compact, p.expire, p.collect} {
		if step(ctx); ctx.Err() != nil {
			p.errs = append(p.errs, fmt.Errorf("maintain: stopped: %w", context.Cause(ctx)))
			break
		}
	}
	end := o.Clock()
	p.report.Seconds = end.Sub(start).Seconds()
	err = errors.Join(p.errs...)
	o.meters.pass(ctx, p.report, end, err)
	return p.report, err
}

// Follow makes a pass, then another each time that so long has passed since the last one's end, until ctx ends, which
// is no error. Each pass's outcome is given to report, whose error ends the loop; a pass that failed does not.
func Follow(ctx context.Context, o Options, every time.Duration, report func(Report, error) error) error {
	if every <= 0 {
		return fault.Usagef("maintain: the distance between passes must be positive")
	}
	if err := o.complete(); err != nil { // once: all passes count into the same instruments
		return err
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		rep, err := Run(ctx, o)
		if ctx.Err() != nil {
			return nil
		}
		if err := report(rep, err); err != nil {
			return err
		}
		timer.Reset(every)
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
	}
}

// tables are the names of the tables that the options choose.
func (o *Options) tables(ctx context.Context) ([]string, error) {
	all, err := o.Lake.Tables(ctx)
	if err != nil || o.Tables == nil {
		return all, err
	}
	var out []string
	for _, pattern := range o.Tables {
		found := false
		for _, n := range all {
			ok, err := path.Match(pattern, n)
			if err != nil {
				return nil, fault.Usagef("maintain: %q is no pattern of table names: %w", pattern, err)
			}
			if found = found || ok; ok && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		if !found {
			return nil, fault.Usagef("maintain: the lake has no table %s; it has %s", pattern, strings.Join(all, ", "))
		}
	}
	slices.Sort(out)
	return out, nil
}

// pass is one run over the tables.
type pass struct {
	opts   *Options
	report Report
	errs   []error
}

// failed notes a table's failure.
func (p *pass) failed(t *Table, err error) {
	t.Error = err.Error()
	p.errs = append(p.errs, err)
	p.opts.Alive()
	p.opts.Logger.Error("maintenance of a table failed", "table", t.Table, "reason", err)
}

func (p *pass) told(step string, t *Table) {
	p.opts.Alive()
	if p.opts.Progress != nil {
		p.opts.Progress(step, *t)
	}
}

func (p *pass) compact(ctx context.Context) {
	for i := range p.report.Tables {
		t := &p.report.Tables[i]
		res, err := maintenance.Compact(ctx, p.opts.Lake, t.Table, p.opts.Compact)
		t.FilesIn, t.FilesOut, t.BytesWritten = res.FilesIn, res.FilesOut, res.Bytes
		t.DeletedRows, t.DeleteFiles, t.Conflicts, t.LateDeletes = res.DeletedRows, res.DeleteFiles, res.Conflicts, res.LateDeletes
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.failed(t, err)
			continue
		}
		p.told("compact", t)
	}
}

func (p *pass) expire(ctx context.Context) {
	names := make([]string, len(p.report.Tables))
	for i := range names {
		names[i] = p.report.Tables[i].Table
	}
	res, err := maintenance.Expire(ctx, p.opts.Lake, names, p.opts.Expire)
	if err != nil {
		if ctx.Err() == nil {
			p.errs = append(p.errs, err)
			p.opts.Logger.Error("expiry of snapshots failed", "reason", err)
		}
		return
	}
	for i := range p.report.Tables {
		t := &p.report.Tables[i]
		t.Snapshots, t.Tags = res.Snapshots[t.Table], res.Tags[t.Table]
		p.told("expire", t)
	}
}

func (p *pass) collect(ctx context.Context) {
	for i := range p.report.Tables {
		t := &p.report.Tables[i]
		res, err := maintenance.Collect(ctx, p.opts.Lake, t.Table, p.opts.Collect)
		t.Garbage, t.GarbageBytes, t.Waiting, t.Young = len(res.Deleted), res.Bytes, res.Waiting, res.Young
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			p.failed(t, err)
			continue
		}
		p.told("collect", t)
	}
}
