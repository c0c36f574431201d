package maintain_test

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/jobs/maintain"
)

// A nightly pass keeps business dates for 13 months, and prints what it did.
func ExampleRun() {
	nightly := func(ctx context.Context, lake *catalog.Lake) error {
		rep, err := maintain.Run(ctx, maintain.Options{Lake: lake, Expire: maintenance.ExpireOptions{BusinessDates: 400 * 24 * time.Hour}})
		for _, t := range rep.Tables {
			fmt.Println(t.Table, t.FilesIn, "files became", t.FilesOut)
		}
		return err
	}
	_ = nightly
}
