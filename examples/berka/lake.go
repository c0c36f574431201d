package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/record"
)

// openLake opens the lake that the ingest job made in a folder.
func openLake(ctx context.Context, dir string) (*catalog.Lake, error) {
	lake, _, err := project.OpenFolder(ctx, dir, slog.New(slog.DiscardHandler))
	return lake, err
}

// run runs a pipeline in this process.
func run(ctx context.Context, build func(beam.Scope) error) error {
	_, err := embedded.Run(ctx, build, embedded.Options{Name: "berka", Log: slog.New(slog.DiscardHandler)})
	return err
}

// rows reads a table of a cut as rows of T, columns that T does not have left out.
func rows[T any](ctx context.Context, lake *catalog.Lake, cut *catalog.Cut, table string) ([]T, error) {
	schema, err := record.SchemaOf[T]()
	if err != nil {
		return nil, err
	}
	var columns []string
	for _, f := range schema.Fields() {
		columns = append(columns, f.Name)
	}
	plan, err := cut.PlanScan(ctx, table, catalog.ScanOptions{Columns: columns})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", table, err)
	}
	var out []T
	for _, split := range plan.Splits {
		in, err := lake.OpenSplit(ctx, plan.Schema, split, catalog.ReadOptions{})
		if err == nil {
			err = catalog.EachBatch(ctx, in, func(b arrow.RecordBatch) error {
				some, err := record.All[T](b)
				out = append(out, some...)
				return err
			})
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
	}
	return out, nil
}
