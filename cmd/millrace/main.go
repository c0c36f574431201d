// Command millrace is the data layer of a bank: it brings a ledger's change
// stream into a lake, proves that the lake is right, and serves it.
//
// Exit codes, of every verb: 0 done; 1 the run found breaks or failed checks;
// 2 wrong flags, configuration or credentials; 3 a fault.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/fault"
)

const exitCodes = `
Exit codes: 0 done; 1 the run found breaks or failed checks; 2 wrong flags,
configuration or credentials; 3 a fault.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := &cobra.Command{
		Use: "millrace", Short: "a bank's data layer: change stream to lake, proved every night",
		SilenceUsage: true, SilenceErrors: true, CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.Args = cobra.ArbitraryArgs
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			return fault.Usagef("unknown command %q; did you mean %s?", args[0], near[0])
		}
		return fault.Usagef("unknown command %q; see: millrace --help", args[0])
	}
	root.SuggestionsMinimumDistance = 2
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fault.Usagef("%w; see: %s --help", err, c.CommandPath())
	})
	root.AddCommand(checkCommand(), demoCommand(), ingestCommand(), initCommand(), lakeCommand(), maintainCommand(), tablesCommand(), verifyCommand())
	for _, c := range root.Commands() {
		if c.Long == "" {
			c.Long = c.Short
		}
		c.Long += "\n" + exitCodes
		c.Args = strict(c)
	}
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(errs, "millrace:", err)
	if fault.Of(err) == fault.Fault && errors.Is(err, context.Canceled) {
		return 130
	}
	return fault.Of(err).ExitCode()
}

// strict refuses arguments that a command does not take.
func strict(c *cobra.Command) cobra.PositionalArgs {
	if c.HasSubCommands() {
		return nil
	}
	return func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fault.Usagef("%s takes no argument, but was given %q; see: %s --help", c.CommandPath(), args[0], c.CommandPath())
		}
		return nil
	}
}

// projectFlags are the flags of every verb that reads a project file.
type projectFlags struct {
	path string
	set  []string
}

func (p *projectFlags) add(c *cobra.Command) {
	c.Flags().StringVarP(&p.path, "project", "p", "millrace.yaml", "the project file")
	c.Flags().StringArrayVar(&p.set, "set", nil, "override one setting, as lake.warehouse=file://lake (repeatable)")
}

func (p *projectFlags) load() (*project.File, error) {
	return project.Load(p.path, os.LookupEnv, p.set...)
}

// logger logs as the project file says: text on a terminal, JSON lines elsewhere.
func logger(f *project.File, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.Log.Level)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if f.Log.Format == "text" || f.Log.Format == "auto" && onTerminal(w) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
