package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"

	"github.com/millrace/millrace/runners/internal/portable"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
)

// Options say how a pipeline runs in this process. The zero value is right.
type Options struct {
	// Name is the job's name in logs; default "millrace".
	Name string
	// Dataset says how datasets run: workers, memory, staging.
	Dataset dataset.RunOptions
	// Log receives the runner's messages, nearly all at debug level; nil: slog.Default.
	Log *slog.Logger
	// Clock tells the time; nil: time.Now.
	Clock func() time.Time
	// Progress, if set, is called with the running job's counters every ProgressEvery (default 1 s), and once at the end.
	Progress      func(dataset.Stats)
	ProgressEvery time.Duration
}

// Result is what a run did.
type Result struct {
	RunID   string
	Stats   dataset.Stats
	Elapsed time.Duration
	// Counters are the author's own Beam counters, committed, by namespace and name ("ns.name").
	Counters map[string]int64
}

// server is the process's job service. It is started with the first job and
// lives as long as the process: prism offers no way to stop it.
var server = sync.OnceValues(func() (jobpb.JobServiceClient, error) {
	client, err := prism.CreateJobServer(context.Background(), prism.Options{})
	if err != nil {
		return nil, fmt.Errorf("start prism: %w", err)
	}
	return client, nil
})

// Init readies Beam in this process: it freezes Beam's registries, so it comes
// after every init function, and keeps the process's slog default, which beam.Init would replace. Run calls it; calling
// it again does nothing. In a binary that is also a remote worker it must come first in main, and does not return in the worker.
func Init() { initOnce() }

var initOnce = sync.OnceFunc(func() {
	before := slog.Default()
	if !beam.Initialized() {
		beam.Init()
	}
	quiet(before)
})

// Run builds a bounded pipeline and runs it to its end.
//
// If ctx ends first, the tasks of datasets stop and Run returns ctx's cause
// after they have; a DoFn of another kind is waited for. An error of a task comes back as it
// was (errors.Is works), not as Beam's text.
func Run(ctx context.Context, build func(beam.Scope) error, opts Options) (Result, error) {
	Init()
	p, s := beam.NewPipelineWithRoot()
	if err := buildSafely(build, s); err != nil {
		return Result{}, err
	}
	return RunPipeline(ctx, p, opts)
}

// buildSafely turns Beam's panics on wrong pipelines into errors.
func buildSafely(build func(beam.Scope) error, s beam.Scope) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault.Usagef("build the pipeline: %v", r)
		}
	}()
	return build(s)
}

// RunPipeline runs a pipeline that was built already, once. Call Init before building it.
func RunPipeline(ctx context.Context, p *beam.Pipeline, opts Options) (res Result, err error) {
	clock := opts.Clock
	if clock == nil {
		clock = time.Now
	}
	name := opts.Name
	if name == "" {
		name = "millrace"
	}
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	client, err := server()
	if err != nil {
		return Result{}, err
	}
	start := clock()
	run, err := dataset.Prepare(ctx, p, opts.Dataset)
	if err != nil {
		return Result{}, err
	}
	defer func() {
		err = errors.Join(err, run.Close(context.WithoutCancel(ctx)))
		res.RunID, res.Stats, res.Elapsed = run.ID(), run.Stats(), clock().Sub(start)
	}()
	defer context.AfterFunc(ctx, func() { run.Stop(context.Cause(ctx)) })()
	defer report(run, opts)()
	job, err := portable.Run(ctx, p, portable.Options{Client: client, Name: name, Log: opts.Log})
	if err != nil {
		return Result{}, explain(ctx, run, err)
	}
	res.Counters = map[string]int64{}
	for _, c := range job.Metrics.AllMetrics().Counters() {
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
func report(run *dataset.Run, opts Options) (stop func()) {
	if opts.Progress == nil {
		return func() {}
	}
	every := opts.ProgressEvery
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
				opts.Progress(run.Stats())
				return
			case <-tick.C:
				opts.Progress(run.Stats())
			}
		}
	}()
	return func() { close(done); <-ended }
}
