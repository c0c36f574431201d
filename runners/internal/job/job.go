// Package job runs one pipeline on one job service: what all runners have in common.
package job

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"

	"github.com/millrace/millrace/runners/internal/portable"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
)

// Options say how a pipeline runs.
type Options struct {
	Client        jobpb.JobServiceClient
	Name          string
	Dataset       dataset.RunOptions
	Environment   portable.Environment
	Options       map[string]any
	CancelJob     bool
	Log           *slog.Logger
	Clock         func() time.Time // nil: time.Now
	Progress      func(dataset.Stats)
	ProgressEvery time.Duration // 0: 1 s
}

// Result is what a run did.
type Result struct {
	RunID string
	// Stats count what tasks did in this process: everything on the embedded
	// runner and with in-process workers, nothing with workers elsewhere.
	Stats   dataset.Stats
	Elapsed time.Duration
	// Counters are the author's own Beam counters, committed, by namespace and name ("ns.name").
	Counters map[string]int64
}

// Build runs the author's function over a new pipeline. Beam's panics on wrong pipelines become usage errors.
func Build(build func(beam.Scope) error) (p *beam.Pipeline, err error) {
	p, s := beam.NewPipelineWithRoot()
	defer func() {
		if r := recover(); r != nil {
			err = fault.Usagef("build the pipeline: %v", r)
		}
	}()
	return p, build(s)
}

// Run prepares a pipeline's datasets, submits it and waits for its end. An error of a task comes back as it was, if the task ran in this process.
func Run(ctx context.Context, p *beam.Pipeline, o Options) (res Result, err error) {
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	clock := o.Clock
	if clock == nil {
		clock = time.Now
	}
	start := clock()
	run, err := dataset.Prepare(ctx, p, o.Dataset)
	if err != nil {
		return Result{}, err
	}
	defer func() {
		err = errors.Join(err, run.Close(context.WithoutCancel(ctx)))
		res.RunID, res.Stats, res.Elapsed = run.ID(), run.Stats(), clock().Sub(start)
	}()
	defer context.AfterFunc(ctx, func() { run.Stop(context.Cause(ctx)) })()
	defer report(run, o)()
	done, err := portable.Run(ctx, p, portable.Options{
		Client: o.Client, Name: o.Name, Environment: o.Environment, Options: o.Options, CancelJob: o.CancelJob, Log: o.Log,
	})
	if err != nil {
		return Result{}, explain(ctx, run, err)
	}
	res.Counters = map[string]int64{}
	for _, c := range done.Metrics.AllMetrics().Counters() {
		res.Counters[c.Key.Namespace+"."+c.Key.Name] += c.Committed
	}
	return res, nil
}

// explain finds the error behind a job's failure.
func explain(ctx context.Context, run *dataset.Run, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if own := run.Err(); own != nil {
		return own
	}
	if framed := dataset.ParseFailure(err.Error()); framed != nil {
		return framed
	}
	return err
}

// report calls Progress until stopped.
func report(run *dataset.Run, o Options) (stop func()) {
	if o.Progress == nil {
		return func() {}
	}
	every := o.ProgressEvery
	if every <= 0 {
		every = time.Second
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				o.Progress(run.Stats())
				return
			case <-tick.C:
				o.Progress(run.Stats())
			}
		}
	}()
	return func() { close(done); <-ended }
}
