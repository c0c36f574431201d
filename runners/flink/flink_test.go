package flink_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/internal/testservers"
	"github.com/millrace/millrace/runners/flink"
	"github.com/millrace/millrace/runners/runnertest"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
)

func TestLocalFlink(t *testing.T) {
	endpoint := testservers.StartFlink(t)
	runnertest.Test(t, runnertest.Harness{SameProcess: true, Run: func(ctx context.Context, build func(beam.Scope) error, opts dataset.RunOptions) error {
		_, err := flink.Run(ctx, build, flink.Options{Endpoint: endpoint, Parallelism: 2, Dataset: opts})
		return err
	}})
}

func TestNoJobServer(t *testing.T) {
	t.Parallel()
	none := func(beam.Scope) error { return nil }
	_, err := flink.Run(t.Context(), none, flink.Options{Endpoint: "localhost:1", DialTimeout: 50 * time.Millisecond})
	if !fault.IsRetryable(err) || !strings.Contains(err.Error(), "localhost:1") {
		t.Errorf("error is %v (%s), want a retryable one that names the address", err, fault.Of(err))
	}
	_, err = flink.Run(t.Context(), none, flink.Options{})
	if fault.Of(err) != fault.Usage {
		t.Errorf("without an endpoint: error is %v (%s), want a usage error", err, fault.Of(err))
	}
}
