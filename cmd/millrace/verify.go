package main

import (
	"encoding/json"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/jobs/verify"
	"github.com/millrace/millrace/sdk/fault"
)

func verifyCommand() *cobra.Command {
	var l lakeFlags
	var namespace string
	c := &cobra.Command{
		Use:   "verify",
		Short: "prove every cut of the lake: debits = credits, balances = the sum of their entries",
		RunE: func(c *cobra.Command, _ []string) error {
			lake, err := l.read(c.Context(), slog.New(slog.NewTextHandler(os.Stderr, nil)))
			if err != nil {
				return err
			}
			defer lake.Close()
			rep, err := verify.Cuts(c.Context(), lake, namespace)
			if err != nil {
				return err
			}
			if rep.Cuts == 0 {
				return fault.Usagef("verify: no cut of the lake holds %[1]s.accounts and %[1]s.entries, so there is nothing to prove; see: millrace tables, and --namespace", namespace)
			}
			enc := json.NewEncoder(c.OutOrStdout())
			enc.SetIndent("", "  ")
			if err := enc.Encode(rep); err != nil {
				return err
			}
			if len(rep.Findings) > 0 {
				return fault.Findingsf("%d of %d cuts do not hold; the first: cut %d: %s", len(rep.Findings), rep.Cuts, rep.Findings[0].Cut, rep.Findings[0].Reason)
			}
			return nil
		},
	}
	l.add(c)
	c.Flags().StringVar(&namespace, "namespace", "ledger", "namespace of the tables accounts and entries")
	return c
}
