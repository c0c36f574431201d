package spark_test

import (
	"context"
	"fmt"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/runners/spark"
)

// A pipeline on a cluster: the same build function as on one machine, and the address of Beam's job server for Spark.
func ExampleRun() {
	nightly := func(ctx context.Context, build func(beam.Scope) error) error {
		res, err := spark.Run(ctx, build, spark.Options{Endpoint: "job-server.bank.example:8099", Name: "nightly", Workers: spark.Process("/opt/bank/pipeline", nil)})
		if err != nil {
			return fmt.Errorf("nightly run: %w", err)
		}
		fmt.Println(res)
		return nil
	}
	_ = nightly
}
