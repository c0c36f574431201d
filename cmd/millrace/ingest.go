package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/runners/embedded"
)

func ingestCommand() *cobra.Command {
	var p projectFlags
	var caughtUp bool
	c := &cobra.Command{
		Use:   "ingest",
		Short: "bring the project's change stream into the lake",
		Long: `Follow the project's change stream and bring it into the lake, epoch by epoch.
Each epoch ends on a source transaction's boundary and enters all its tables in
one atomic step. The lake is the only checkpoint: kill it at any moment and start
it again. SIGTERM ends it after the epoch under way.`,
		RunE: func(c *cobra.Command, _ []string) error {
			f, err := p.load()
			if err != nil {
				return err
			}
			log := logger(f, c.ErrOrStderr())
			o, err := ingest.FromProject(c.Context(), f, log)
			if err != nil && c.Context().Err() != nil {
				return finish(c.OutOrStdout(), ingest.Report{}) // told to end before it began
			}
			if err != nil {
				return err
			}
			defer o.Lake.Close()
			defer o.Source.Close()
			o.UntilCaughtUp = caughtUp
			o.Run = func(ctx context.Context, build func(beam.Scope) error) error {
				_, err := embedded.Run(ctx, build, embedded.Options{Name: "ingest", Log: log})
				return err
			}
			o.Progress = progressTo(c.OutOrStdout(), time.Now)
			rep, err := ingest.Run(c.Context(), o)
			if err != nil {
				return err
			}
			return finish(c.OutOrStdout(), rep)
		},
	}
	p.add(c)
	c.Flags().BoolVar(&caughtUp, "until-caught-up", false, "end once the stream has nothing more")
	return c
}

// progressTo prints a line an epoch: for people on a terminal, JSON elsewhere.
func progressTo(w io.Writer, clock func() time.Time) func(ingest.Progress) {
	start := clock()
	return func(p ingest.Progress) {
		rate := int64(float64(p.Report.Counts.Events) / max(clock().Sub(start).Seconds(), 1e-3))
		if onTerminal(w) {
			fmt.Fprintf(w, "\rcut %d  %d events  %d/s  behind %d events, %s  \x1b[K", p.Cut, p.Report.Counts.Events, rate, p.Lag.Events, p.Lag.Age.Round(time.Millisecond))
			return
		}
		// The writer is the process's own output; where that is gone, so is whoever would read an error.
		_ = json.NewEncoder(w).Encode(map[string]any{"event": "epoch", "epoch": p.Epoch.ID, "cut": p.Cut, "events": p.Epoch.Counts.Events,
			"rejected": p.Epoch.Counts.Rejected, "duplicates": p.Epoch.Counts.Duplicates, "transactions": p.Epoch.Counts.Transactions,
			"took_ms": p.Took.Milliseconds(), "events_total": p.Report.Counts.Events, "events_per_second": rate,
			"lag_events": p.Lag.Events, "lag_ms": p.Lag.Age.Milliseconds()})
	}
}

func finish(w io.Writer, rep ingest.Report) error {
	if onTerminal(w) {
		_, err := fmt.Fprintf(w, "\ndone: %d epochs, %d events, %d quarantined, %d duplicates dropped, cut %d\n",
			rep.Epochs, rep.Counts.Events, rep.Counts.Rejected, rep.Counts.Duplicates, rep.Cut)
		return err
	}
	return json.NewEncoder(w).Encode(map[string]any{"event": "done", "report": rep})
}
