package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"

	"github.com/millrace/millrace/runners/internal/job"
	"github.com/millrace/millrace/runners/internal/portable"
	"github.com/millrace/millrace/sdk/dataset"
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
type Result = job.Result

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
// after every init function, and keeps the process's slog default, which
// beam.Init would replace. Run calls it; calling it again does nothing. In a binary that is
// also a remote worker it comes first in main, and does not return in the worker.
func Init() { portable.Init() }

// Run builds a bounded pipeline and runs it to its end.
//
// If ctx ends first, the tasks of datasets stop and Run returns ctx's cause
// after they have; a DoFn of another kind is waited for. An error of a task comes back as it
// was (errors.Is works), not as Beam's text.
func Run(ctx context.Context, build func(beam.Scope) error, opts Options) (Result, error) {
	Init()
	p, err := job.Build(build)
	if err != nil {
		return Result{}, err
	}
	return RunPipeline(ctx, p, opts)
}

// RunPipeline runs a pipeline that was built already, once. Call Init before building it.
func RunPipeline(ctx context.Context, p *beam.Pipeline, opts Options) (Result, error) {
	client, err := server()
	if err != nil {
		return Result{}, err
	}
	name := opts.Name
	if name == "" {
		name = "millrace"
	}
	jobs.Add(1)
	// Prism's own cancelling is not safe, and not needed: the tasks stop, and the job ends by that.
	return job.Run(ctx, p, job.Options{
		Client: client, Name: name, Dataset: opts.Dataset, Log: opts.Log, Clock: opts.Clock, Progress: opts.Progress, ProgressEvery: opts.ProgressEvery,
	})
}
