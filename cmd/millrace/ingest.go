package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/internal/telemetry"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/runners/embedded"
)

// ingestFlags are those of the verb.
type ingestFlags struct {
	projectFlags
	caughtUp  bool
	inProcess bool
	metrics   string
}

func ingestCommand() *cobra.Command {
	var p ingestFlags
	c := &cobra.Command{
		Use:   "ingest",
		Short: "bring the project's change stream into the lake",
		Long: `Follow the project's change stream and bring it into the lake, epoch by epoch.
Each epoch ends on a source transaction's boundary and enters all its tables in
one atomic step. The lake is the only checkpoint: kill it at any moment and start
it again. SIGTERM ends it after the epoch under way.

The work is done by a process of its own, which is replaced by a new one now and then (see
ingest.process in the project file), because the embedded runner keeps some memory for each epoch.
On a terminal one line tells how far it is; elsewhere each epoch is a line of JSON.`,
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := p.load()
			if err != nil {
				return err
			}
			// A process of its own can only write to this one's own output.
			if p.inProcess || embedded.Supervised() || c.OutOrStdout() != os.Stdout {
				return p.work(c.Context(), f, c.OutOrStdout(), c.ErrOrStderr())
			}
			return supervise(c.Context(), f, c.OutOrStdout(), logger(f, c.ErrOrStderr()))
		},
	}
	p.add(c)
	c.Flags().BoolVar(&p.caughtUp, "until-caught-up", false, "end once the stream has nothing more")
	c.Flags().StringVar(&p.metrics, "metrics-addr", "", "serve /metrics and /healthz on this host:port; instead of the project file's metrics.addr")
	c.Flags().BoolVar(&p.inProcess, "in-process", false, "work in this process, without one that is replaced")
	return c
}

// exitCode is an error that only carries the exit code of a process that has said all there is to say.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// carryVariable names the file by which a working process hands its report to the next one.
const carryVariable = "MILLRACE_INGEST_CARRY"

// supervise runs this command line in a process that is replaced before it grows too large.
func supervise(ctx context.Context, f *project.File, out io.Writer, log *slog.Logger) error {
	dir, err := os.MkdirTemp("", "millrace-ingest-")
	if err != nil {
		return fmt.Errorf("make a folder for the working process's report: %w", err)
	}
	defer os.RemoveAll(dir)
	self, err := embedded.Self(os.Args[1:]...)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "report.json")
	if err := os.Setenv(carryVariable, file); err != nil {
		return fmt.Errorf("hand the working process its report's place: %w", err)
	}
	// Signals reach the working process through Supervise itself; ctx ends by the same ones.
	code, err := embedded.Supervise(context.WithoutCancel(ctx), self, embedded.RecyclePolicy{
		MaxJobs: f.Ingest.Process.MaxEpochs, MaxHeap: int64(f.Ingest.Process.MaxHeap), Log: log,
	})
	switch {
	case err != nil:
		return err
	case code != 0:
		return exitCode(code)
	}
	rep, found, err := readReport(file)
	if err != nil || !found {
		return err
	}
	return newProgress(out, time.Now).done(rep) // the stop came when the last process was about to be replaced
}

// work ingests in this process.
func (p *ingestFlags) work(ctx context.Context, f *project.File, out, errs io.Writer) (err error) {
	log := logger(f, errs)
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		debug.SetMemoryLimit(int64(f.Ingest.Process.Memory))
	}
	addr := f.MetricsAddr()
	if p.metrics != "" {
		addr = p.metrics
	}
	tel, err := telemetry.Start(ctx, telemetry.Options{Addr: addr, Lookup: os.LookupEnv, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tel.Close(ctx)) }()
	if addr != "" {
		f.Observe(tel.Meter())
	}
	o, err := ingest.FromProject(ctx, f, log)
	if err != nil {
		return err
	}
	defer o.Lake.Close()
	defer o.Source.Close()
	show := newProgress(out, time.Now)
	o.UntilCaughtUp = p.caughtUp
	o.Meter, o.Tracer, o.Alive = tel.Meter(), tel.Tracer(), tel.Beat
	o.Progress, o.Recycle = show.epoch, embedded.RecycleDue
	o.Run = func(ctx context.Context, build func(beam.Scope) error) error {
		_, err := embedded.Run(ctx, build, embedded.Options{Name: "ingest", Log: log})
		return err
	}
	carried := ""
	if embedded.Supervised() {
		carried = os.Getenv(carryVariable)
	}
	if o.Before, _, err = readReport(carried); err != nil {
		return err
	}
	rep, err := ingest.Run(ctx, o)
	if errors.Is(err, ingest.ErrRecycle) {
		if err := writeReport(carried, rep); err != nil {
			return err
		}
		return exitCode(embedded.RecycleExitCode)
	}
	if err == nil && carried != "" {
		err = os.RemoveAll(carried) // it is told here
	}
	if err != nil {
		return err
	}
	return show.done(rep)
}

// readReport reads the report that a working process left for the next one; false if there is none.
func readReport(file string) (rep ingest.Report, found bool, err error) {
	if file == "" {
		return rep, false, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return rep, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &rep)
	}
	if err != nil {
		return rep, false, fmt.Errorf("take over the report of the process before: %w", err)
	}
	return rep, true, nil
}

// writeReport leaves a report to the next process.
func writeReport(file string, rep ingest.Report) error {
	b, err := json.Marshal(rep)
	if err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("hand the report to the next process: %w", err)
	}
	return nil
}
