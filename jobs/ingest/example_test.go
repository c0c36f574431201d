package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/runners/embedded"
)

// An ingest from a project file, until the stream has nothing more, on the embedded runner.
func ExampleRun() {
	catchUp := func(ctx context.Context, path string) error {
		f, err := project.Load(path, os.LookupEnv)
		if err != nil {
			return err
		}
		o, err := ingest.FromProject(ctx, f, slog.Default())
		if err != nil {
			return err
		}
		defer o.Lake.Close()
		defer o.Source.Close()
		o.UntilCaughtUp = true
		o.Run = func(ctx context.Context, build func(beam.Scope) error) error {
			_, err := embedded.Run(ctx, build, embedded.Options{Name: "ingest"})
			return err
		}
		rep, err := ingest.Run(ctx, o)
		fmt.Println("the lake is at cut", rep.Cut)
		return err
	}
	_ = catchUp
}
