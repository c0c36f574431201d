// Command berka takes a real bank's ledger through Millrace: the PKDD'99 data set, 1993 to 1998, whose
// files it turns into a stream of change events. The ingest job makes a lake of them; then stated balances
// are proved against the movements, permanent orders are held against the payments, and credit features are
// computed as of each loan's date. README.md says what the data shows.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/fault"
)

func main() {
	embedded.Init()
	ctx, stop := embedded.UntilSignal(context.Background())
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command line and returns its exit code: 0 done, 2 a mistake of the caller's, 3 a fault. What the data
// shows is no failure: this is an example, not a nightly run.
func execute(ctx context.Context, args []string, out, errs io.Writer) int {
	root := &cobra.Command{Use: "berka", Short: "a real ledger, from files to proofs and features", SilenceUsage: true, SilenceErrors: true}
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fault.Usagef("%w; see --help", err) })
	root.AddCommand(streamCommand(), report("balances", "prove stated balances against the movements", printBalances),
		ordersCommand(), report("loans", "compute credit features as of each loan's date", printFeatures))
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(errs, "berka:", err)
		return fault.Of(err).ExitCode()
	}
	return 0
}

func streamCommand() *cobra.Command {
	var data, dir string
	c := &cobra.Command{Use: "stream", Short: "write the data set as files of change events, and a project file", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return writeStream(c.Context(), data, dir, c.OutOrStdout())
		}}
	c.Flags().StringVar(&data, "data", "../shared/data/berka", "the folder of the data set")
	c.Flags().StringVar(&dir, "dir", "out/berka", "where to write")
	return c
}

// report is a command that reads the lake in a folder and tells something about it.
func report(name, short string, do func(c *cobra.Command, lake *catalog.Lake, dir string) error) *cobra.Command {
	var dir string
	c := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			lake, err := openLake(c.Context(), dir)
			if err != nil {
				return fmt.Errorf("--dir: %w", err)
			}
			defer lake.Close()
			return do(c, lake, filepath.Join(dir, name))
		}}
	c.Flags().StringVar(&dir, "dir", "out/berka", "the folder with the lake")
	return c
}

func printBalances(c *cobra.Command, lake *catalog.Lake, dir string) error {
	f, err := proveBalances(c.Context(), lake, dir)
	if err != nil {
		return err
	}
	return f.print(c.OutOrStdout())
}

func ordersCommand() *cobra.Command {
	var list bool
	c := report("orders", "hold permanent orders against the payments", func(c *cobra.Command, lake *catalog.Lake, dir string) error {
		f, err := compareOrders(c.Context(), lake, dir)
		if err != nil {
			return err
		}
		return f.print(c.OutOrStdout(), list)
	})
	c.Flags().BoolVar(&list, "list", false, "list the orders that were never paid")
	return c
}

func printFeatures(c *cobra.Command, lake *catalog.Lake, _ string) error {
	l, err := loanFeatures(c.Context(), lake)
	if err != nil {
		return err
	}
	return l.print(c.OutOrStdout())
}
