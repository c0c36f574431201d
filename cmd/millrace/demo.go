package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/jobs/demo"
	"github.com/millrace/millrace/sdk/fault"
)

func demoCommand() *cobra.Command {
	var o demo.Options
	c := &cobra.Command{
		Use:   "demo",
		Short: "run the main job on a generated bank, on embedded parts",
		Long: `Generate a bank, send its change events to an in-process Kafka as Debezium would,
and bring them into a lake on an in-process S3, while they are sent. The ingest is
killed once in the middle. Then source and lake are compared row by row, and every cut is proved.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Accounts < 1 || o.Days < 1 {
				return fault.Usagef("demo: --accounts and --days must be at least 1 (%d, %d)", o.Accounts, o.Days)
			}
			var err error
			if o.Binary, err = os.Executable(); err != nil {
				return fmt.Errorf("demo: find this binary: %w", err)
			}
			o.Out = c.OutOrStdout()
			_, err = demo.Run(c.Context(), o)
			return err
		},
	}
	c.Flags().StringVar(&o.Dir, "dir", "out/demo", "folder to leave the lake in")
	c.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of the bank: the same seed gives the same bank")
	c.Flags().IntVar(&o.Accounts, "accounts", 2000, "customer accounts")
	c.Flags().IntVar(&o.Days, "days", 60, "business days")
	return c
}
