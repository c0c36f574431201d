// Package spark runs bounded pipelines on Apache Spark, through Beam's job server for it.
//
// The job server is org.apache.beam.runners.spark.SparkJobServerDriver of
// beam-runners-spark-3 (the tests use version 2.62.0 with Spark 3.2.2). Workers
// are in the submitting process, or started by the executors, as in package flink.
//
// The same pipelines give the same results as on the embedded runner (package
// runnertest). There are no unbounded pipelines: Beam's portable Spark runner has none.
package spark

import (
	"context"
	"log/slog"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/runners/internal/job"
	"github.com/millrace/millrace/runners/internal/portable"
	"github.com/millrace/millrace/sdk/dataset"
)

// Options say how a pipeline runs on Spark. Endpoint is required.
type Options struct {
	// Endpoint is the job server's job service, as host:port.
	Endpoint string
	// Name is the job's name; default "millrace".
	Name string
	// Workers says where functions run; the zero value is Loopback.
	Workers Workers
	// Options are further pipeline options by their plain names; see Beam's SparkPipelineOptions.
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

// Process has each executor start the command, which must be this program (see runners.Init) at a path that every machine has.
func Process(command string, env map[string]string) Workers {
	return Workers{portable.ProcessEnvironment(command, env)}
}

// External uses worker pools that run already, at an address that each executor reaches.
func External(addr string) Workers { return Workers{portable.ExternalEnvironment(addr)} }

// Run builds a bounded pipeline and runs it to its end. If ctx ends first, the job is cancelled.
func Run(ctx context.Context, build func(beam.Scope) error, opts Options) (Result, error) {
	return job.Cluster{Runner: "SparkRunner", Endpoint: opts.Endpoint, DialTimeout: opts.DialTimeout}.Run(ctx, build, job.Options{
		Name: opts.Name, Environment: opts.Workers.env, Options: opts.Options,
		Dataset: opts.Dataset, Log: opts.Log, Clock: opts.Clock, Progress: opts.Progress,
	})
}
