package spark_test

import (
	"context"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/runners/runnertest"
	"github.com/millrace/millrace/runners/spark"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
)

func TestLocalSpark(t *testing.T) {
	endpoint := testservers.StartSpark(t)
	runnertest.Test(t, runnertest.Harness{SameProcess: true, Run: func(ctx context.Context, build func(beam.Scope) error, opts dataset.RunOptions) error {
		_, err := spark.Run(ctx, build, spark.Options{Endpoint: endpoint, Dataset: opts})
		return err
	}})
}

func TestNoEndpoint(t *testing.T) {
	t.Parallel()
	_, err := spark.Run(t.Context(), func(beam.Scope) error { return nil }, spark.Options{})
	if fault.Of(err) != fault.Usage {
		t.Errorf("error is %v (%s), want a usage error", err, fault.Of(err))
	}
}
