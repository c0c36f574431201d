package maintenance_test

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/maintenance"
)

// A nightly run compacts each table, forgets old snapshots of all of them in one step, and deletes what nothing refers to.
func Example() {
	nightly := func(ctx context.Context, lake *catalog.Lake) error {
		tables, err := lake.Tables(ctx)
		if err != nil {
			return err
		}
		for _, t := range tables {
			if _, err := maintenance.Compact(ctx, lake, t, maintenance.CompactOptions{}); err != nil {
				return err
			}
		}
		if _, err := maintenance.Expire(ctx, lake, tables, maintenance.ExpireOptions{Keep: 100, BusinessDates: 400 * 24 * time.Hour}); err != nil {
			return err
		}
		for _, t := range tables {
			res, err := maintenance.Collect(ctx, lake, t, maintenance.CollectOptions{})
			if err != nil {
				return err
			}
			fmt.Println(t, len(res.Deleted), "files deleted")
		}
		return nil
	}
	_ = nightly
}
