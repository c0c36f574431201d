package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/internal/telemetry"
	"github.com/millrace/millrace/jobs/maintain"
)

func maintainCommand() *cobra.Command {
	var l lakeFlags
	var tables []string
	var dryRun, full, asJSON bool
	var every time.Duration
	var addr string
	c := &cobra.Command{
		Use:   "maintain",
		Short: "compact tables, forget old snapshots, delete what nothing refers to",
		Long: `Merge small files and files with many deleted rows (keeping their order), forget
old snapshots (but not those of cuts' and business dates' tags), and delete old files that nothing
refers to any more. Readers see the same rows before and after. It runs beside ingest, and
loses neither's commits; kill it at any moment. With --every it goes on until SIGTERM.
The settings are in the project file's section maintain.`,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			o, distance, tel, err := l.maintenance(c, addr, every, dryRun)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, o.Lake.Close(), tel.Close(context.WithoutCancel(c.Context()))) }()
			o.DryRun, o.Compact.Full = dryRun, full
			if len(tables) > 0 {
				o.Tables = tables
			}
			asJSON = asJSON || !onTerminal(c.OutOrStdout())
			if distance <= 0 || dryRun {
				rep, err := maintain.Run(c.Context(), o)
				if perr := printMaintenance(c.OutOrStdout(), rep, asJSON); err == nil {
					err = perr
				}
				return err
			}
			return maintain.Follow(c.Context(), o, distance, func(rep maintain.Report, _ error) error { // the error is in the log and in the report
				return printMaintenance(c.OutOrStdout(), rep, asJSON)
			})
		},
	}
	l.add(c)
	c.Flags().StringArrayVar(&tables, "table", nil, "maintain only this table, or a pattern such as 'ledger.*' (repeatable)")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "tell what would be done, and change nothing")
	c.Flags().BoolVar(&full, "full", false, "merge all small files, however few, and every file with a deleted row")
	c.Flags().DurationVar(&every, "every", 0, "make a pass again so long after the last one's end, until SIGTERM; 0: one pass")
	c.Flags().StringVar(&addr, "metrics-addr", "", "serve /metrics and /healthz on this host:port while it runs (the project file's metrics.addr is the ingest's)")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, also on a terminal")
	return c
}

// patience is how long a step of a table's maintenance may take before /healthz says that it stalls.
const patience = time.Hour

// maintenance are the options of a lake's maintenance, with the lake open, the distance between passes, and what shows them.
// The caller closes the lake and then the telemetry.
func (l *lakeFlags) maintenance(c *cobra.Command, addr string, every time.Duration, dryRun bool) (o maintain.Options, distance time.Duration, tel *telemetry.Telemetry, err error) {
	ctx, errs := c.Context(), c.ErrOrStderr()
	log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var f *project.File
	if l.dir == "" {
		if f, err = l.load(); err != nil {
			return o, 0, nil, err
		}
		log, distance = logger(f, errs), f.Maintain.Every
	}
	if c.Flags().Changed("every") {
		distance = every
	}
	tel, err = telemetry.Start(ctx, telemetry.Options{Addr: addr, Stale: max(distance, 0) + patience, Logger: log})
	if err != nil {
		return o, 0, nil, err
	}
	if f == nil {
		o.Logger = log
		open := project.OpenFolder
		if dryRun {
			open = project.ReadFolder
		}
		o.Lake, _, err = open(ctx, l.dir, log)
	} else {
		f.Observe(tel.Meter())
		o, err = maintain.FromProject(ctx, f, dryRun, log)
	}
	if err != nil {
		return o, 0, nil, errors.Join(err, tel.Close(context.WithoutCancel(ctx)))
	}
	o.Meter, o.Alive = tel.Meter(), tel.Beat
	return o, distance, tel, nil
}

func printMaintenance(w io.Writer, rep maintain.Report, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"event": "maintained", "report": rep})
	}
	did := "done"
	if rep.DryRun {
		did = "would do; nothing was changed"
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "TABLE\tFILES\tDELETED ROWS\tSNAPSHOTS\tTAGS\tGARBAGE\tWAITING\t\n")
	for _, t := range rep.Tables {
		files := fmt.Sprintf("%d → %d", t.FilesIn, t.FilesOut)
		if rep.DryRun {
			files = fmt.Sprint(t.FilesIn)
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%d\t%d\t%d (%s)\t%d\t%s\n", t.Table, files, t.DeletedRows, t.Snapshots, len(t.Tags), t.Garbage, size(t.GarbageBytes), t.Waiting+t.Young, t.Error)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s in %.1f s\n", did, rep.Seconds)
	return err
}

// size writes a number of bytes for people.
func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return strictyaml.Size(n >> 20 << 20).String()
}
