// Command millrace is the data layer of a bank: it brings a ledger's change
// stream into a lake, proves that the lake is right, and serves it.
//
// Exit codes, of every verb: 0 done; 1 the run found breaks or failed checks;
// 2 wrong flags, configuration or credentials; 3 a fault; 130 interrupted.
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
configuration or credentials; 3 a fault; 130 interrupted.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := commands()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	return conclude(execute(ctx, root), errs)
}

// conclude says what went wrong, if anything did, and gives the exit code for it.
func conclude(err error, errs io.Writer) int {
	if err == nil {
		return 0
	}
	if code := exitCode(0); errors.As(err, &code) {
		return int(code)
	}
	fmt.Fprintln(errs, "millrace:", err)
	if fault.Of(err) == fault.Fault && errors.Is(err, context.Canceled) {
		return 130
	}
	return fault.Of(err).ExitCode()
}

// execute runs the command; a panic becomes an error, so that nobody is shown a stack.
func execute(ctx context.Context, root *cobra.Command) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = defect(p)
		}
	}()
	return root.ExecuteContext(ctx)
}

// commands are all verbs.
func commands() *cobra.Command {
	root := &cobra.Command{
		Use: "millrace", Short: "a bank's data layer: change stream to lake, proved every night", Version: version(),
		SilenceUsage: true, SilenceErrors: true, CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(flagMistake)
	root.AddCommand(breaksCommand(), checkCommand(), demoCommand(), exportCommand(), featuresCommand(), ingestCommand(), initCommand(), lakeCommand(), maintainCommand(), nightlyCommand(), reconcileCommand(), resnapshotCommand(), rulesCommand(), showCommand(), signCommand(), tablesCommand(), verifyCommand())
	strictly(root)
	root.SetHelpCommand(helpCommand(root))
	return root
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
	data, found, err := pinned(p.path)
	switch {
	case err != nil:
		return nil, err
	case found:
		return project.Parse(p.path, data, os.LookupEnv, p.set...)
	}
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
