package verify_test

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/jobs/verify"
)

// Every cut that a reader can see is proved, and the first that does not hold is named.
func ExampleCuts() {
	prove := func(ctx context.Context, lake *catalog.Lake) error {
		rep, err := verify.Cuts(ctx, lake, "ledger")
		if err != nil {
			return err
		}
		for _, f := range rep.Findings {
			fmt.Printf("cut %d: %s\n", f.Cut, f.Reason)
		}
		fmt.Println(rep.Cuts, "cuts,", rep.Entries, "entries")
		return nil
	}
	_ = prove
}
