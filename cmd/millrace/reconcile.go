package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// reconcileFlags are the flags of the verb reconcile, beside the lake's.
type reconcileFlags struct {
	lakeFlags
	statement, asOf, out string
	cut, quarantine      int64
	rows, dry            bool
	only                 []string
	rules, metrics       string
	sides                []string
	follow, caughtUp     bool
	noMatches            bool
	state, metricsAddr   string
}

func reconcileCommand() *cobra.Command {
	var x reconcileFlags
	c := &cobra.Command{
		Use:   "reconcile",
		Short: "prove the lake: against a statement, its balances, and the change stream",
		Long: `Prove the lake at one cut, by the project file's section reconcile:

  statement  a table of the ledger against an external statement (CSV or Parquet), movement by
             movement: missing on either side, duplicates, amounts, currencies, dates
  balances   opening + movements = closing, and opening = prior closing, by account and day
  source     the change stream, read again, against the tables that were ingested from it:
             events, control totals and, with --rows, every row

Or compare two or more sides by a rule file, which says where they are and what matches
(docs/reconciliation.md); a lake is needed only where a side is one of its tables.

A run and its breaks are recorded in the lake in one step. The same night run twice is one run: it
is known by what it compares. With --out, breaks.csv, matches.parquet, summary.json and a page for
people, report.html, are written.

  millrace reconcile --statement cards-2026-11-23.csv --as-of 2026-11-23 --out night
  millrace reconcile --only source --rows
  millrace reconcile --rules cards.yaml --side bank=cards-2026-11-23.csv --as-of 2026-11-23 --out night

With --follow the sides of a rule file are reconciled as they grow: files that are added or get more
lines, tables, databases. Events are lines of JSON: matched, overdue (a break whose deadline has
passed), resolved, revised. What it ends with is what the night would say.

  millrace reconcile --rules cards.yaml --follow --state cards.state --out events.ndjson`,
		RunE: func(c *cobra.Command, _ []string) error {
			if x.follow && x.rules != "" {
				return x.followSides(c)
			}
			for _, f := range []string{"follow", "state", "until-caught-up", "metrics-addr"} {
				if c.Flags().Changed(f) {
					return fault.Usagef("--%s is for sides of a rule file that grow: give --rules and --follow", f)
				}
			}
			if x.rules != "" {
				return x.byRules(c)
			}
			if len(x.sides) > 0 {
				return fault.Usagef("--side names a side of a rule file: give --rules")
			}
			for _, f := range []string{"metrics-file", "no-matches"} {
				if c.Flags().Changed(f) {
					return fault.Usagef("--%s is for a run by a rule file: give --rules", f)
				}
			}
			o, done, err := x.options(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			rep, err := reconcile.Run(c.Context(), o)
			if err == nil && o.Out != "" {
				err = reconcile.WriteReport(c.Context(), o.Out, rep)
			}
			if err != nil {
				return err
			}
			if err := printReport(c.OutOrStdout(), rep); err != nil {
				return err
			}
			return verdict(rep)
		},
	}
	x.add(c)
	f := c.Flags()
	f.StringVar(&x.statement, "statement", "", "the statement: a file, or an s3:// location; instead of the project file's")
	f.StringVar(&x.asOf, "as-of", "", "prove the lake as it was at the end of a business date, such as 2026-11-23")
	f.Int64Var(&x.cut, "cut", 0, "the cut of the lake to prove (default the latest)")
	f.StringVar(&x.out, "out", "", "a folder for breaks.csv, matches.parquet, summary.json and report.html; with --follow a file for the events")
	f.BoolVar(&x.rows, "rows", false, "compare the source with the lake row by row too")
	f.StringSliceVar(&x.only, "only", nil, "make only these checks: statement, balances, source")
	f.Int64Var(&x.quarantine, "quarantine", -1, "most records of the statement that may be set aside because they cannot be read (default as the project file says)")
	f.Lookup("quarantine").DefValue = "0" // the text says the default
	f.BoolVar(&x.dry, "dry-run", false, "record nothing in the lake")
	f.StringVar(&x.rules, "rules", "", "a rule file: compare its sides, instead of the project file's checks")
	f.StringArrayVar(&x.sides, "side", nil, "where a side of the rule file is, as NAME=PATH (repeatable)")
	f.BoolVar(&x.noMatches, "no-matches", false, "with --rules: write no matches.parquet, which takes most of the time where most rows match")
	f.BoolVar(&x.follow, "follow", false, "with --rules: go on while the sides grow, and tell matches and overdue breaks as lines of JSON; SIGTERM ends it")
	f.StringVar(&x.state, "state", "", "with --follow: a folder for what is known of the sides, from which a run that was killed goes on")
	f.BoolVar(&x.caughtUp, "until-caught-up", false, "with --follow: end once the sides have nothing new")
	f.StringVar(&x.metricsAddr, "metrics-addr", "", "with --follow: serve /metrics and /healthz on this host:port")
	f.StringVar(&x.metrics, "metrics-file", "", "with --rules: a file for the run's metrics as Prometheus' text, replaced whole, for the textfile collector")
	return c
}

// options puts the project file and the flags together. done closes what is open.
func (x *reconcileFlags) options(ctx context.Context, errs io.Writer) (o reconcile.Options, done func(), err error) {
	if o, err = x.settings(); err != nil {
		return o, nil, err
	}
	if err := x.into(&o); err != nil {
		return o, nil, err
	}
	log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	done = func() {
		_ = o.Lake.Close() // nothing is written any more
		if o.Source != nil && o.Source.Stream != nil {
			_ = o.Source.Stream.Close() // nor read
		}
	}
	if x.dir != "" {
		o.Lake, o.Stores, err = project.OpenFolder(ctx, x.dir, log)
		if err != nil {
			return o, nil, err
		}
		local := localio.Opener(localio.Options{})
		o.Stores = storage.Resolver{"file": local, "s3": o.Stores["s3"]}
		if o.Stores["s3"] == nil {
			delete(o.Stores, "s3")
		}
	} else {
		f, err := x.load()
		if err != nil {
			return o, nil, err
		}
		log = logger(f, errs)
		if err := reconcile.Open(ctx, f, log, &o); err != nil {
			return o, nil, err
		}
	}
	o.Logger = log
	o.Run = func(ctx context.Context, build func(beam.Scope) error) error {
		// More than this makes the exchange of both sides no faster, and the process larger.
		_, err := embedded.Run(ctx, build, embedded.Options{Name: "reconcile", Log: log, Dataset: dataset.RunOptions{Memory: 16 << 20}})
		return err
	}
	return o, done, nil
}

// settings are the checks that the project file asks for. A folder's own project
// file need not find its secrets: its objects are read from disk.
func (x *reconcileFlags) settings() (reconcile.Options, error) {
	if x.dir == "" {
		f, err := x.load()
		if err != nil {
			return reconcile.Options{}, err
		}
		return reconcile.Settings(f)
	}
	f, err := project.Load(filepath.Join(x.dir, "millrace.yaml"), func(name string) (string, bool) {
		if v, ok := os.LookupEnv(name); ok {
			return v, true
		}
		return "-", true
	}, x.set...)
	if err != nil {
		return reconcile.Options{}, err
	}
	o, err := reconcile.Settings(f)
	if len(x.only) == 0 { // the stream of a folder that was left is not there
		o.Source = nil
	}
	return o, err
}

// into puts the flags over the options.
func (x *reconcileFlags) into(o *reconcile.Options) error {
	o.Out, o.Dry, o.At.Cut = x.out, x.dry, x.cut
	if x.asOf != "" {
		day, err := time.Parse(time.DateOnly, x.asOf)
		if err != nil || x.cut != 0 {
			return fault.Usagef("--as-of takes a date such as 2026-11-23, and excludes --cut")
		}
		o.At.BusinessDate = day
	}
	for _, n := range x.only {
		if !slices.Contains([]string{"statement", "balances", "source"}, n) {
			return fault.Usagef("--only: %q is not a check; write statement, balances or source", n)
		}
	}
	if len(x.only) > 0 && !o.Only(x.only...) {
		return fault.Usagef("--only %s: the project file has no such section under reconcile", strings.Join(x.only, ","))
	}
	if x.rows {
		if o.Source == nil {
			return fault.Usagef("--rows has no effect: set source: true in the project file's section reconcile")
		}
		o.Source.Rows = true
	}
	if o.Source != nil && x.dir != "" {
		return fault.Usagef("--only source needs --project: the stream is not in the folder")
	}
	return x.overStatement(o)
}

func (x *reconcileFlags) overStatement(o *reconcile.Options) error {
	st := o.Statement
	if st == nil {
		if x.statement != "" {
			return fault.Usagef("--statement: say in the project file's section reconcile.statement what it is compared with")
		}
		return nil
	}
	if x.statement != "" {
		st.File = x.statement
	}
	if x.quarantine >= 0 {
		st.Quarantine = x.quarantine
	}
	if st.File == "" {
		return fault.Usagef("which statement? name it with --statement, or under reconcile.statement.file, or leave it out with --only")
	}
	return nil
}

// printReport prints for people on a terminal, and one line of JSON elsewhere.
func printReport(w io.Writer, rep reconcile.Report) error {
	if onTerminal(w) {
		return reconcile.Print(w, rep)
	}
	return json.NewEncoder(w).Encode(map[string]any{"event": "reconciled", "report": rep})
}

// verdict is an error, of exit code 1, where the run does not pass.
func verdict(rep reconcile.Report) error {
	switch {
	case rep.Verdict == reconcile.Pass:
		return nil
	case rep.Verdict == reconcile.Incomplete:
		return fault.Findingsf("not everything could be proved: %s", rep.Source.Gap)
	case rep.Breaks > 0:
		return fault.Findingsf("%d breaks at cut %d", rep.Breaks, rep.Cut)
	case rep.Source != nil && len(rep.Source.Failed) > 0:
		return fault.Findingsf("source and lake differ: %s", rep.Source.Failed[0])
	}
	return fault.Findingsf("%d records of the statement cannot be read; the first: %s", rep.Checked.Quarantined, rep.Checked.FirstReject)
}
