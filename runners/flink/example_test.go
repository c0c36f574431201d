package flink_test

import (
	"context"
	"fmt"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/runners/flink"
)

// A pipeline on a cluster: the same build function as on one machine, and the address of Beam's job server for Flink.
func ExampleRun() {
	nightly := func(ctx context.Context, build func(beam.Scope) error) error {
		res, err := flink.Run(ctx, build, flink.Options{Endpoint: "job-server.bank.example:8099", Name: "nightly", Parallelism: 8})
		if err != nil {
			return fmt.Errorf("nightly run: %w", err)
		}
		fmt.Println(res)
		return nil
	}
	_ = nightly
}
