package job

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	jobpb "github.com/apache/beam/sdks/v2/go/pkg/beam/model/jobmanagement_v1"

	"github.com/millrace/millrace/runners/internal/portable"
	"github.com/millrace/millrace/sdk/fault"
)

// Cluster is a job service on another machine, and the Beam runner behind it.
type Cluster struct {
	Runner      string // Beam's name of it, such as FlinkRunner
	Endpoint    string // host:port
	DialTimeout time.Duration
}

// Run builds a bounded pipeline and runs it to its end. If ctx ends first, the job is cancelled. Of o it sets
// Client, CancelJob, the name where there is none, and the runner in Options.
func (c Cluster) Run(ctx context.Context, build func(beam.Scope) error, o Options) (Result, error) {
	name := strings.ToLower(strings.TrimSuffix(c.Runner, "Runner"))
	if c.Endpoint == "" {
		return Result{}, fault.Usagef("%s: no endpoint: give the job server's host:port", name)
	}
	portable.Init()
	p, err := Build(build)
	if err != nil {
		return Result{}, err
	}
	conn, err := portable.Dial(ctx, c.Endpoint, c.DialTimeout)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", name, err)
	}
	defer conn.Close()
	if o.Name == "" {
		o.Name = "millrace"
	}
	options := map[string]any{"runner": c.Runner}
	for k, v := range o.Options {
		options[k] = v
	}
	o.Client, o.Options, o.CancelJob = jobpb.NewJobServiceClient(conn), options, true
	return Run(ctx, p, o)
}
