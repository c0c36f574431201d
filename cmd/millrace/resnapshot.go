package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/fault"
)

func resnapshotCommand() *cobra.Command {
	var p projectFlags
	var from string
	var empty []string
	c := &cobra.Command{
		Use:   "resnapshot",
		Short: "replace the lake's tables by a new snapshot, after a gap in the stream",
		Long: `After a gap (the log was cut before it was read), bring the lake back to the source:

  1. stop the ingest;
  2. let the connector take a new snapshot of all tables, note when it began, and wait for its end;
  3. run this with --from that time (it must lie behind the gap), then start the ingest again.

What the stream holds from that time on is gathered in tables of their own (NAMESPACE_resnapshot). Once it is
complete, one atomic step replaces every mirror, adds the events to the change logs, and moves the stream's
position behind the gap. Readers see the state before until then. Kill it at any moment and run it again. The
snapshots of that cut say since when events are lost (millrace.resnapshot in their summaries).`,
		RunE: func(c *cobra.Command, _ []string) error {
			at, err := time.Parse(time.RFC3339, from)
			if err != nil {
				return fault.Usagef("--from %q: write the time at which the new snapshot began, such as 2026-11-23T02:00:00Z", from)
			}
			f, err := p.load()
			if err != nil {
				return err
			}
			log := logger(f, c.ErrOrStderr())
			o, r, err := ingest.ResnapshotFromProject(c.Context(), f, at, log)
			if err != nil {
				return err
			}
			defer o.Lake.Close()
			defer o.Source.Close()
			r.Empty = empty
			o.Progress = newProgress(c.OutOrStdout(), time.Now).epoch
			o.Run = func(ctx context.Context, build func(beam.Scope) error) error {
				_, err := embedded.Run(ctx, build, embedded.Options{Name: "resnapshot", Log: log})
				return err
			}
			rep, err := ingest.Resnapshot(c.Context(), o, r)
			if err != nil {
				return err
			}
			if !onTerminal(c.OutOrStdout()) {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"event": "resnapshot", "report": rep})
			}
			fmt.Fprintf(c.OutOrStdout(), "\ncut %d replaces the tables; events after %s are lost to the logs, up to the snapshot\n", rep.Cut, rep.Since.Format(time.RFC3339))
			for _, t := range slices.Sorted(maps.Keys(rep.Reads)) {
				fmt.Fprintf(c.OutOrStdout(), "  %s: %d rows (%d in the snapshot), %d events\n", t, rep.Rows[t], rep.Reads[t], rep.Log[t])
			}
			return nil
		},
	}
	p.add(c)
	c.Flags().StringVar(&from, "from", "", "when the new snapshot began (RFC 3339); required")
	c.Flags().StringArrayVar(&empty, "empty", nil, "a table that is empty in the source, so that the snapshot has no row of it (repeatable)")
	return c
}
