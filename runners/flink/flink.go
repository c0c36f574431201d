// Package flink runs pipelines on Apache Flink, through Beam's job server for it.
//
// Nouns. The job server is a service that takes Beam pipelines and runs them on a
// Flink cluster (org.apache.beam.runners.flink.FlinkJobServerDriver of
// beam-runners-flink-1.19, version 2.62.0, is what the tests use). Workers are
// where the pipeline's functions run: in the submitting process
// ([Loopback], for tests and single machines), or as a process that each task manager starts ([Process]).
//
// Invariants: the same pipelines give the same results as on the embedded
// runner (package runnertest). Runner options that the Go SDK's own runner
// cannot pass, such as checkpointing_interval, go through Options.
//
// Errors: a task's error keeps its kind (package fault); errors.Is works for tasks in this process.
//
// Not guaranteed: that the staged files of a run whose submitting process died are removed.
package flink

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/runners/internal/job"
	"github.com/millrace/millrace/runners/internal/portable"
	"github.com/millrace/millrace/sdk/dataset"
)

// Options say how a pipeline runs on Flink. Endpoint is required.
type Options struct {
	// Endpoint is the job server's job service, as host:port.
	Endpoint string
	// Name is the job's name; default "millrace".
	Name string
	// Workers says where functions run; the zero value is Loopback.
	Workers Workers
	// Parallelism is into how many parallel parts Flink cuts each stage; 0: Flink's default.
	Parallelism int
	// Options are further pipeline options by their plain names, such as
	// "checkpointing_interval": 1000; see Beam's FlinkPipelineOptions.
	Options map[string]any
	// Dataset says how datasets run. With workers on other machines, Dataset.Staging must be a URL that all of them reach.
	Dataset dataset.RunOptions
	// DialTimeout is how long to wait for the job server; 0: 30 s.
	DialTimeout time.Duration
	Log         *slog.Logger     // nil: slog.Default
	Clock       func() time.Time // nil: time.Now
	// Progress, if set, is called every second with what tasks did in this process.
	Progress func(dataset.Stats)
}

// Result is what a run did.
type Result = job.Result

// Workers says where a pipeline's functions run.
type Workers struct{ env portable.Environment }

// Loopback runs functions in the submitting process.
func Loopback() Workers { return Workers{} }

// Process has each task manager start the command, which must be this program
// (see runners.Init) at a path that every machine has. env is added to its environment.
func Process(command string, env map[string]string) Workers {
	return Workers{portable.ProcessEnvironment(command, env)}
}

// External uses worker pools that run already, at an address that each task manager reaches.
func External(addr string) Workers { return Workers{portable.ExternalEnvironment(addr)} }

// Run builds a bounded pipeline and runs it to its end. If ctx ends first, the job is cancelled.
func Run(ctx context.Context, build func(beam.Scope) error, opts Options) (Result, error) {
	options := opts.Options
	if opts.Parallelism > 0 {
		options = maps.Clone(options)
		if options == nil {
			options = map[string]any{}
		}
		if _, given := options["parallelism"]; !given {
			options["parallelism"] = opts.Parallelism
		}
	}
	return job.Cluster{Runner: "FlinkRunner", Endpoint: opts.Endpoint, DialTimeout: opts.DialTimeout}.Run(ctx, build, job.Options{
		Name: opts.Name, Environment: opts.Workers.env, Options: options,
		Dataset: opts.Dataset, Log: opts.Log, Clock: opts.Clock, Progress: opts.Progress,
	})
}
