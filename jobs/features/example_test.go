package features_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/features"
	"github.com/millrace/millrace/runners/embedded"
)

// The features of all accounts at the end of a date, from a lake that ingest has filled.
func ExampleRun() {
	ctx := context.Background()
	lake, err := catalog.Open(ctx, catalog.Config{Catalog: "sqlite://lake/catalog.db", Warehouse: "file://lake/warehouse", Existing: true, Storage: localio.Opener(localio.Options{})})
	if err != nil {
		log.Fatal(err)
	}
	defer lake.Close()
	rep, err := features.Run(ctx, features.Options{
		Lake:    lake,
		Spine:   features.AsOf(features.EndOf(2026, time.March, 31, time.UTC)),
		KnownAt: features.KnownCommit, // what arrives later will not change it
		Run: func(ctx context.Context, build func(beam.Scope) error) error {
			_, err := embedded.Run(ctx, build, embedded.Options{Name: "features"})
			return err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rep.Rows, "rows of cut", rep.Cut)
}

// A date means its end, so that windows are whole days.
func ExampleEndOf() {
	fmt.Println(features.EndOf(2026, time.March, 31, time.UTC).Format(time.RFC3339Nano))
	// Output: 2026-03-31T23:59:59.999999Z
}

func ExampleDaily() {
	spine, err := features.Daily(time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 12, 0, 0, 0, 0, time.UTC), 7, time.UTC)
	if err != nil {
		log.Fatal(err)
	}
	for _, at := range spine.Instants {
		fmt.Println(at.Format(time.DateOnly))
	}
	// Output:
	// 2026-01-30
	// 2026-02-06
}
