package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/jobs/features"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files/fileset"
)

// featuresFlags are the flags of the verb features, beside the lake's.
type featuresFlags struct {
	asOf                             []string
	from, to, table, knownAt         string
	every                            int
	spine, spineAccount, spineColumn string
	cut                              int64
}

func featuresCommand() *cobra.Command {
	var l lakeFlags
	var x featuresFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "features",
		Short: "compute the accounts' credit features as of dates, into a table of the lake",
		Long: `Compute twelve credit features of every account (balance, inflow and outflow over 7, 30
and 90 days, counts, the largest debit, days since the last credit, days of history) as of one or many
instants, from one cut of the lake, into a table of the lake. A date means its end.

Say as of when: --as-of for single dates or instants, --from and --to for a range of dates, or --spine for
a list of (account, as-of) pairs: a table of the lake, or a .csv or .parquet file. Instants that are
computed again replace their rows; a list replaces the whole table, so give it one of its own with --table.

--known-at commit takes an entry as known from its commit at the source on, so that what arrives late
never changes an earlier as-of. The ledger's tables and columns are in the project file's section features.

  millrace features --as-of 2026-03-31
  millrace features --from 2026-01-01 --to 2026-03-31 --every 7
  millrace features --spine ledger.loans --spine-as-of granted_on --table features.loans`,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := l.features(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer o.Lake.Close()
			if err := x.into(c.Context(), &o); err != nil {
				return err
			}
			o.Run = onEmbedded("features", o.Logger)
			rep, err := features.Run(c.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), rep)
			}
			return printFeatures(c.OutOrStdout(), rep, l.again())
		},
	}
	l.add(c)
	f := c.Flags()
	f.StringArrayVar(&x.asOf, "as-of", nil, "a date such as 2026-03-31, or an instant such as 2026-03-31T12:00:00Z (repeatable)")
	f.StringVar(&x.from, "from", "", "first date of a range")
	f.StringVar(&x.to, "to", "", "last date of a range")
	f.IntVar(&x.every, "every", 1, "days from one date of the range to the next")
	f.StringVar(&x.spine, "spine", "", "a table of the lake, or a .csv or .parquet file, with (account, as-of) pairs")
	f.StringVar(&x.spineAccount, "spine-account", "", "the spine's column of the account (default as in the entries)")
	f.StringVar(&x.spineColumn, "spine-as-of", "as_of", "the spine's column of the as-of: a date or a timestamp")
	f.StringVar(&x.table, "table", "", "the table to write (default as the project file says, or features.account_daily)")
	f.StringVar(&x.knownAt, "known-at", "", "when an entry became known: booked, commit or a column (default as the project file says, or booked)")
	f.Int64Var(&x.cut, "cut", 0, "the cut of the lake to read (default the latest)")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// features are the options that the project file gives, or the defaults for a demo's folder.
func (l *lakeFlags) features(ctx context.Context, errs io.Writer) (features.Options, error) {
	if l.dir != "" {
		log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn}))
		lake, err := openDemoLake(ctx, l.dir, log)
		return features.Options{Lake: lake, Logger: log}, err
	}
	f, err := l.load()
	if err != nil {
		return features.Options{}, err
	}
	return features.FromProject(ctx, f, logger(f, errs))
}

// again is how the next command names the same lake.
func (l *lakeFlags) again() string {
	switch {
	case l.dir != "":
		return " --dir " + l.dir
	case l.path != "millrace.yaml":
		return " --project " + l.path
	}
	return ""
}

// onEmbedded runs a job's pipelines in this process.
func onEmbedded(name string, log *slog.Logger) func(context.Context, func(beam.Scope) error) error {
	return func(ctx context.Context, build func(beam.Scope) error) error {
		_, err := embedded.Run(ctx, build, embedded.Options{Name: name, Log: log})
		return err
	}
}

// into puts the flags over the options.
func (x *featuresFlags) into(ctx context.Context, o *features.Options) (err error) {
	if x.table != "" {
		o.Table = x.table
	}
	if x.knownAt != "" {
		o.KnownAt = x.knownAt
	}
	o.At = catalog.At{Cut: x.cut}
	switch given := []bool{len(x.asOf) > 0, x.from != "" || x.to != "", x.spine != ""}; {
	case given[0] && given[1] || given[0] && given[2] || given[1] && given[2]:
		return fault.Usagef("--as-of, --from with --to, and --spine exclude each other")
	case given[0]:
		return x.instants(o)
	case given[1]:
		return x.dates(o)
	case given[2]:
		o.Spine, err = x.pairs(ctx, o)
		return err
	}
	return fault.Usagef("as of when? write --as-of 2026-03-31, or --from and --to, or --spine; see: millrace features --help")
}

func (x *featuresFlags) instants(o *features.Options) error {
	for _, text := range x.asOf {
		at, err := features.ParseAsOf(text, o.Zone)
		if err != nil {
			return fault.Usagef("--as-of: %w", err)
		}
		o.Spine.Instants = append(o.Spine.Instants, at)
	}
	return nil
}

func (x *featuresFlags) dates(o *features.Options) error {
	zone := o.Zone
	if zone == nil {
		zone = time.UTC
	}
	var ends [2]time.Time
	for i, text := range []string{x.from, x.to} {
		at, err := time.ParseInLocation(time.DateOnly, text, zone)
		if err != nil {
			return fault.Usagef("--from and --to go together: write two dates such as 2026-01-01 and 2026-03-31, not %q", text)
		}
		ends[i] = at
	}
	var err error
	o.Spine, err = features.Daily(ends[0], ends[1], x.every, zone)
	return err
}

// pairs is a spine of a table, or of a file by its ending.
func (x *featuresFlags) pairs(ctx context.Context, o *features.Options) (features.Spine, error) {
	account := x.spineAccount
	if account == "" {
		account = o.Account
	}
	if account == "" {
		account = "account_id"
	}
	ext := strings.ToLower(filepath.Ext(x.spine))
	if ext != ".csv" && ext != ".parquet" {
		return features.FromTable(x.spine, account, x.spineColumn), nil
	}
	if _, err := os.Stat(x.spine); err != nil {
		return features.Spine{}, fault.Usagef("--spine: %w", err)
	}
	store, err := localio.Opener(localio.Options{})(ctx, filepath.Dir(x.spine))
	if err != nil {
		return features.Spine{}, err
	}
	var in dataset.Reader
	if ext == ".csv" {
		in, err = csvio.NewSource(ctx, store, filepath.Base(x.spine), csvio.Options{}, fileset.Rejects{})
	} else {
		in, err = parquetio.NewSource(ctx, store, filepath.Base(x.spine), parquetio.Options{})
	}
	if err != nil {
		return features.Spine{}, fmt.Errorf("--spine: %w", err)
	}
	return features.FromReader(in, account, x.spineColumn), nil
}

func printFeatures(w io.Writer, rep features.Report, again string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d rows as of %s", rep.Table, rep.Rows, rep.AsOf)
	if rep.NoHistory > 0 {
		fmt.Fprintf(&b, ", %d of them without history", rep.NoHistory)
	}
	fmt.Fprintf(&b, "\nread at cut %d, visible from cut %d", rep.Cut, rep.Committed)
	if rep.Replaced > 0 {
		fmt.Fprintf(&b, ", in place of %d rows", rep.Replaced)
	}
	b.WriteByte('\n')
	for _, ccy := range slices.Sorted(maps.Keys(rep.Balances)) {
		fmt.Fprintf(&b, "Σ balance %s %s\n", rep.Balances[ccy], ccy)
	}
	if rep.Entries > 0 {
		fmt.Fprintf(&b, "balances = Σ entries by currency, at each instant (%d entries)\n", rep.Entries)
	}
	fmt.Fprintf(&b, "look at them: millrace show%s %s --limit 5\n", again, rep.Table)
	_, err := io.WriteString(w, b.String())
	return err
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
