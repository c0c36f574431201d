// Package portable submits Beam pipelines to job services: prism's, Flink's, Spark's.
//
// The SDK's own universal runner passes no runner options, leaves a temporary
// file behind for each job and reads its settings from global flags; this one does none of that.
package portable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/metrics"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/graphx"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/runtime/metricsx"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"
	pipepb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/pipeline_v1"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/universal/runnerlib"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/millrace/millrace/sdk/fault"
)

// Options say how a pipeline is submitted.
type Options struct {
	Client jobpb.JobServiceClient
	Name   string // of the job
	// Environment is where DoFns run; the zero value is in this process (LOOPBACK).
	Environment Environment
	// Options are pipeline options by plain name, such as "parallelism"; values as JSON would have them.
	Options map[string]any
	// CancelJob sends a cancellation to the job service when the context ends. Without
	// it, Run waits for the job to end by itself.
	CancelJob bool
	Log       *slog.Logger // nil: slog.Default
}

// Environment is a Beam environment: where a runner runs DoFns.
type Environment struct {
	URN    string // such as beam:env:process:v1; "": in this process
	Config string
	Binary string // the worker binary to stage; "" stages none
}

// Result is what a job service tells about a job that ended.
type Result struct {
	JobID   string
	Metrics metrics.Results
}

// JobError is a job's failure in the runner's words.
type JobError struct {
	JobID, State, Message string
}

// Error gives the runner's last error message.
func (e *JobError) Error() string {
	return fmt.Sprintf("job %s ended as %s: %s", e.JobID, e.State, e.Message)
}

// Run submits the pipeline and waits for it to end. It fails with a *JobError
// where the job failed, and with the context's cause where that ended first.
func Run(ctx context.Context, p *beam.Pipeline, o Options) (Result, error) {
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	env, stop, err := environment(ctx, o.Environment, log)
	if err != nil {
		return Result{}, err
	}
	defer stop()
	proto, err := marshal(p, env)
	if err != nil {
		return Result{}, err
	}
	id, err := submit(ctx, proto, o)
	if err != nil {
		return Result{}, err
	}
	log.Debug("job submitted", "job", id)
	if err := wait(ctx, o, id, log); err != nil {
		return Result{JobID: id}, err
	}
	return Result{JobID: id, Metrics: jobMetrics(ctx, o.Client, id, proto)}, nil
}

// environment readies where DoFns run; stop ends it after the job.
func environment(ctx context.Context, e Environment, log *slog.Logger) (env *pipepb.Environment, stop func(), err error) {
	if e.URN != "" {
		env, err = graphx.CreateEnvironment(ctx, e.URN, func(context.Context) string { return e.Config })
		return env, func() {}, err
	}
	// The workers outlive ctx: a job that is being cancelled still needs them.
	pool, err := startLoopback(context.WithoutCancel(ctx), log)
	if err != nil {
		return nil, nil, fmt.Errorf("start the in-process worker: %w", err)
	}
	env, err = graphx.CreateEnvironment(ctx, graphx.URNEnvExternal, pool.endpoint)
	if err != nil {
		pool.close()
		return nil, nil, fmt.Errorf("describe the in-process worker: %w", err)
	}
	return env, pool.close, nil
}

func marshal(p *beam.Pipeline, env *pipepb.Environment) (*pipepb.Pipeline, error) {
	edges, _, err := p.Build()
	if err != nil {
		return nil, fault.Usagef("the pipeline is not complete: %w", err)
	}
	proto, err := graphx.Marshal(edges, &graphx.Options{Environment: env})
	if err != nil {
		return nil, fault.Usagef("encode the pipeline: %w", err)
	}
	return proto, nil
}

func submit(ctx context.Context, proto *pipepb.Pipeline, o Options) (jobID string, err error) {
	binary := o.Environment.Binary
	if binary == "" {
		// Nothing to stage. Prism, moreover, keeps what jobs stage in a map that
		// it does not lock, so two jobs that stage at once may end the process.
		for _, env := range proto.GetComponents().GetEnvironments() {
			env.Dependencies = nil
		}
	} else if err := runnerlib.UpdateGoEnvironmentWorker(binary, proto); err != nil {
		return "", fmt.Errorf("name the worker binary: %w", err)
	}
	options, err := optionsProto(o)
	if err != nil {
		return "", err
	}
	prep, err := o.Client.Prepare(ctx, &jobpb.PrepareJobRequest{Pipeline: proto, PipelineOptions: options, JobName: o.Name})
	if err != nil {
		return "", fmt.Errorf("prepare job %q: %w", o.Name, err)
	}
	token, err := runnerlib.Stage(ctx, prep.GetPreparationId(), prep.GetArtifactStagingEndpoint().GetUrl(), binary, prep.GetStagingSessionToken())
	if err != nil {
		return "", fmt.Errorf("stage the worker binary: %w", err)
	}
	id, err := runnerlib.Submit(ctx, o.Client, prep.GetPreparationId(), token)
	if err != nil {
		return "", fmt.Errorf("submit job %q: %w", o.Name, err)
	}
	return id, nil
}

func optionsProto(o Options) (*structpb.Struct, error) {
	m := map[string]any{
		"beam:option:app_name:v1":    o.Name,
		"beam:option:experiments:v1": []any{"beam_fn_api"},
		"beam:option:go_options:v1":  map[string]any{"options": map[string]any{}},
	}
	named := map[string]any{}
	for k, v := range o.Options {
		named["beam:option:"+k+":v1"] = v
	}
	maps.Copy(m, named)
	s, err := structpb.NewStruct(m)
	if err != nil {
		return nil, fault.Usagef("runner options: %w", err)
	}
	return s, nil
}

// wait follows the job's messages until it ends.
func wait(ctx context.Context, o Options, id string, log *slog.Logger) error {
	background := context.WithoutCancel(ctx)
	if o.CancelJob {
		stop := context.AfterFunc(ctx, func() {
			c, cancel := context.WithTimeout(background, 10*time.Second)
			defer cancel()
			if _, err := o.Client.Cancel(c, &jobpb.CancelJobRequest{JobId: id}); err != nil {
				log.Warn("could not cancel the job", "job", id, "error", err)
			}
		})
		defer stop()
	}
	msgs, err := o.Client.GetMessageStream(background, &jobpb.JobMessagesRequest{JobId: id})
	if err != nil {
		return fmt.Errorf("follow job %s: %w", id, err)
	}
	last, failed := "", ""
	for {
		m, err := msgs.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("follow job %s: %w", id, err)
		}
		if r := m.GetMessageResponse(); r != nil {
			log.Debug(r.GetMessageText(), "job", id)
			if r.GetImportance() >= jobpb.JobMessage_JOB_MESSAGE_ERROR {
				last = r.GetMessageText()
			}
		}
		switch state := m.GetStateResponse().GetState(); state {
		case jobpb.JobState_DONE:
			return nil
		case jobpb.JobState_CANCELLED, jobpb.JobState_FAILED:
			failed = state.String()
		}
		if failed != "" && (last != "" || failed == jobpb.JobState_CANCELLED.String()) {
			break
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if failed == "" && last == "" {
		return nil
	}
	return &JobError{JobID: id, State: failed, Message: last}
}

// jobMetrics asks for the job's metrics; a job service that has none is no failure.
func jobMetrics(ctx context.Context, client jobpb.JobServiceClient, id string, proto *pipepb.Pipeline) metrics.Results {
	resp, err := client.GetJobMetrics(ctx, &jobpb.GetJobMetricsRequest{JobId: id})
	if err != nil || resp.GetMetrics() == nil {
		return metrics.Results{}
	}
	if r := metricsx.FromMonitoringInfos(proto, resp.GetMetrics().GetAttempted(), resp.GetMetrics().GetCommitted()); r != nil {
		return *r
	}
	return metrics.Results{}
}
