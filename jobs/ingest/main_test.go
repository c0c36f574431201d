package ingest_test

import (
	"context"
	"log/slog"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/runners/embedded"
)

// inProcess runs pipelines on prism.
func inProcess(ctx context.Context, build func(beam.Scope) error) error {
	_, err := embedded.Run(ctx, build, embedded.Options{Name: "test", Log: slog.New(slog.DiscardHandler)})
	return err
}
