package export_test

import (
	"context"
	"fmt"
	"log"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/export"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/expr"
)

// The accounts that are overdrawn, as CSV files whose manifest tells when they are all there.
func ExampleRun() {
	ctx := context.Background()
	open := localio.Opener(localio.Options{})
	lake, err := catalog.Open(ctx, catalog.Config{Catalog: "sqlite://lake/catalog.db", Warehouse: "file://lake/warehouse", Existing: true, Storage: open})
	if err != nil {
		log.Fatal(err)
	}
	defer lake.Close()
	to, err := open(ctx, "out")
	if err != nil {
		log.Fatal(err)
	}
	rep, err := export.Run(ctx, export.Options{
		Lake: lake, Table: "features.account_daily", To: to, Format: export.CSV,
		Columns: []string{"account_id", "as_of_date", "balance", "currency"},
		Where:   expr.Col("balance").Lt(0),
		Run: func(ctx context.Context, build func(beam.Scope) error) error {
			_, err := embedded.Run(ctx, build, embedded.Options{Name: "export"})
			return err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range rep.Manifest.Totals {
		fmt.Println(t.Column, t.Sum)
	}
}

// Whoever receives an export checks it before using it.
func ExampleVerify() {
	ctx := context.Background()
	store, err := localio.Opener(localio.Options{})(ctx, "out")
	if err != nil {
		log.Fatal(err)
	}
	v, err := export.Verify(ctx, store, "features.account_daily-cut-7-0f9d3a1c")
	if err != nil {
		log.Fatal(err)
	}
	for _, finding := range v.Findings {
		fmt.Println(finding)
	}
}
