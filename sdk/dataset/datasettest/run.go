package datasettest

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"

	"github.com/millrace/millrace/sdk/dataset"
)

// once readies Beam, and silences it: what matters comes back as an error.
var once = sync.OnceFunc(func() {
	if !beam.Initialized() {
		beam.Init()
	}
	log.SetLogger(silent{})
	slog.SetDefault(slog.New(slog.DiscardHandler))
})

type silent struct{}

func (silent) Log(context.Context, log.Severity, int, string) {}

// Run builds a pipeline and runs it on prism in this process. The zero
// RunOptions are right. A task's error comes back as it was. It is for tests: programs use a runner of package runners.
func Run(ctx context.Context, build func(beam.Scope), opts dataset.RunOptions) (stats dataset.Stats, err error) {
	if err := context.Cause(ctx); err != nil {
		return dataset.Stats{}, err
	}
	once()
	p, s := beam.NewPipelineWithRoot()
	build(s)
	run, err := dataset.Prepare(ctx, p, opts)
	if err != nil {
		return dataset.Stats{}, err
	}
	defer func() {
		stats = run.Stats()
		err = errors.Join(err, run.Close(context.WithoutCancel(ctx)))
	}()
	defer context.AfterFunc(ctx, func() { run.Stop(context.Cause(ctx)) })()
	if err := execute(context.WithoutCancel(ctx), p); err != nil {
		if own := run.Err(); own != nil {
			return stats, own
		}
		return stats, err
	}
	return stats, nil
}

// oneAtATime guards prism.Execute, which keeps its endpoint in the process's flags.
var oneAtATime sync.Mutex

func execute(ctx context.Context, p *beam.Pipeline) error {
	oneAtATime.Lock()
	defer oneAtATime.Unlock()
	_, err := prism.Execute(ctx, p)
	return err
}
