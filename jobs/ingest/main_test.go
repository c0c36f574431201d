package ingest_test

import (
	"context"
	"log/slog"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/runners/embedded"
)

// inProcess runs pipelines on prism.
func inProcess(ctx context.Context, build func(beam.Scope) error) error {
	oneAtATime.Lock() // prism shares state between the pipelines of a process
	defer oneAtATime.Unlock()
	_, err := embedded.Run(ctx, build, embedded.Options{Name: "test", Log: slog.New(slog.DiscardHandler)})
	return err
}

// oneAtATime lets one pipeline run at a time.
var oneAtATime sync.Mutex
