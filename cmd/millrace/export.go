package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/jobs/export"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// exportFlags are the flags of the verb export, beside the lake's.
type exportFlags struct {
	to, format, where, name, verify string
	columns                         []string
	state                           stateFlags
	replace, json                   bool
}

// stateFlags say which state of the lake to read.
type stateFlags struct {
	cut int64
	day string
}

func (s *stateFlags) add(c *cobra.Command) {
	c.Flags().Int64Var(&s.cut, "cut", 0, "the cut of the lake to read (default the latest)")
	c.Flags().StringVar(&s.day, "as-of", "", "the business date whose end is read, such as 2026-03-31")
}

func (s *stateFlags) at() (catalog.At, error) {
	if s.day == "" {
		return catalog.At{Cut: s.cut}, nil
	}
	if s.cut != 0 {
		return catalog.At{}, fault.Usagef("--cut and --as-of exclude each other")
	}
	day, err := expr.ParseDay(s.day)
	if err != nil {
		return catalog.At{}, fault.Usagef("--as-of %q: write a date such as 2026-03-31", s.day)
	}
	return catalog.At{BusinessDate: day.Time()}, nil
}

func exportCommand() *cobra.Command {
	var l lakeFlags
	var x exportFlags
	c := &cobra.Command{
		Use:   "export TABLE",
		Short: "write a table as Parquet or CSV files with a manifest, or verify such files",
		Long: `Write one snapshot of a table as Parquet or CSV files, in a folder of their own with
manifest.json beside them: files with rows, bytes and SHA-256, columns, control totals by currency, table, snapshot
and cut. The manifest is written last: without it there is no export. The same export again finds
itself and writes nothing. --verify reads an export again and holds it against its manifest.

  millrace export features.account_daily --where "as_of_date = date '2026-03-31'"
  millrace export ledger.entries --columns entry_id,account_id,amount,currency --format csv --to file://out
  millrace export --verify out/features.account_daily-cut-7-0f9d3a1c`,
		Args: func(c *cobra.Command, args []string) error {
			return oneTable(c, args, x.verify == "")
		},
		RunE: func(c *cobra.Command, args []string) error {
			if x.verify != "" {
				return x.check(c.Context(), &l, c.OutOrStdout())
			}
			o, err := l.exports(c.Context(), &x, c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer o.Lake.Close()
			o.Table = args[0]
			if err := x.into(&o); err != nil {
				return err
			}
			o.Run = onEmbedded("export", o.Logger)
			rep, err := export.Run(c.Context(), o)
			if err != nil {
				return err
			}
			if x.json {
				return printJSON(c.OutOrStdout(), rep)
			}
			return printExport(c.OutOrStdout(), rep, l.again())
		},
	}
	l.add(c)
	f := c.Flags()
	f.StringVar(&x.to, "to", "", "where exports go: file://folder or s3://bucket/prefix (default as the project file says, or exports in the warehouse)")
	f.StringVar(&x.format, "format", "", "parquet or csv (default as the project file says, or parquet)")
	f.StringSliceVar(&x.columns, "columns", nil, "columns, in this order (default all)")
	f.StringVar(&x.where, "where", "", "keep the rows for which this is true, such as \"currency = 'EUR' and balance < 0\"")
	f.StringVar(&x.name, "name", "", "the export's folder (default the table, its cut and the export's identity)")
	f.BoolVar(&x.replace, "replace", false, "take the place of another export of that name")
	f.StringVar(&x.verify, "verify", "", "verify the export in this folder, instead of writing one")
	f.BoolVar(&x.json, "json", false, "print JSON")
	x.state.add(c)
	return c
}

// oneTable refuses any number of arguments but one, or none.
func oneTable(c *cobra.Command, args []string, wanted bool) error {
	switch {
	case wanted && len(args) == 1, !wanted && len(args) == 0:
		return nil
	case wanted && len(args) == 0:
		return fault.Usagef("name a table; see them with: millrace tables")
	case wanted:
		return fault.Usagef("%s takes one table, but was given %s", c.CommandPath(), strings.Join(args, " "))
	}
	return fault.Usagef("--verify takes no table, but was given %s", strings.Join(args, " "))
}

// stores opens the storage of the project, or of a demo's folder, as far as there is one.
func (l *lakeFlags) stores(location string) (storage.Resolver, error) {
	if l.dir != "" {
		abs, err := filepath.Abs(l.dir)
		if err != nil {
			return nil, fmt.Errorf("folder %s: %w", l.dir, err)
		}
		return project.FolderOfBuckets(filepath.Join(abs, "s3")), nil
	}
	if storage.Scheme(location) == "file" {
		return storage.Resolver{"file": localio.Opener(localio.Options{Lazy: true})}, nil
	}
	f, err := l.load()
	if err != nil {
		return nil, err
	}
	return f.Stores(), nil
}

// exports are the options that the project file gives, or the defaults for a demo's folder.
func (l *lakeFlags) exports(ctx context.Context, x *exportFlags, errs io.Writer) (o export.Options, err error) {
	if l.dir == "" {
		f, err := l.load()
		if err != nil {
			return o, err
		}
		if o, err = export.FromProject(ctx, f, logger(f, errs)); err != nil || x.to == "" {
			return o, err
		}
		return o, x.open(ctx, f.OutputStores(), &o)
	}
	log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if o.Lake, _, err = project.ReadFolder(ctx, l.dir, log); err != nil {
		return o, err
	}
	o.Logger = log
	stores, err := l.stores("")
	if err != nil {
		return o, err
	}
	if x.to == "" {
		x.to = "s3://lake/warehouse/exports"
	}
	return o, x.open(ctx, stores, &o)
}

// open opens the place of --to; the lake is closed where that fails.
func (x *exportFlags) open(ctx context.Context, stores storage.Resolver, o *export.Options) (err error) {
	if o.To, err = stores.Open(ctx, x.to); err != nil {
		_ = o.Lake.Close() // the location's error matters more
		return fmt.Errorf("--to: %w", err)
	}
	return nil
}

// into puts the flags over the options.
func (x *exportFlags) into(o *export.Options) (err error) {
	if x.format != "" {
		o.Format = x.format
	}
	if o.At, err = x.state.at(); err != nil {
		return err
	}
	if x.where != "" {
		if o.Where, err = expr.Parse(x.where); err != nil {
			return fmt.Errorf("--where: %w", err)
		}
	}
	o.Columns, o.Name, o.Replace = x.columns, x.name, x.replace
	return nil
}

// check verifies an export.
func (x *exportFlags) check(ctx context.Context, l *lakeFlags, w io.Writer) error {
	stores, err := l.stores(x.verify)
	if err != nil {
		return err
	}
	store, folder, err := stores.OpenObject(ctx, strings.TrimRight(x.verify, "/"))
	if err != nil {
		return fmt.Errorf("--verify: %w", err)
	}
	v, err := export.Verify(ctx, store, folder)
	if err != nil {
		return err
	}
	if x.json {
		err = printJSON(w, v)
	} else if len(v.Findings) == 0 {
		_, err = fmt.Fprintf(w, "%s is what its manifest says: %s\n", x.verify, describeExport(v.Manifest))
	} else {
		_, err = fmt.Fprintf(w, "%s\n", strings.Join(v.Findings, "\n"))
	}
	if err != nil {
		return err
	}
	if n := len(v.Findings); n > 0 {
		return fault.Findingsf("%s is not what its manifest says; findings: %d", x.verify, n)
	}
	return nil
}

func describeExport(m export.Manifest) string {
	return fmt.Sprintf("%d rows of %s at cut %d, in %d %s files of %d bytes", m.Rows, m.Table, m.Cut, len(m.Files), m.Format, m.Bytes)
}

func printExport(w io.Writer, rep export.Report, again string) error {
	var b strings.Builder
	m := rep.Manifest
	fmt.Fprintf(&b, "%s\n%s\n", rep.Location, describeExport(m))
	if rep.Existed {
		b.WriteString("it was there already: nothing was written\n")
	}
	amounts := map[string][]string{}
	for _, t := range m.Totals {
		if t.Currency != nil && *t.Currency != "" {
			amounts[t.Column] = append(amounts[t.Column], t.Sum+" "+*t.Currency)
		}
	}
	for _, col := range slices.Sorted(maps.Keys(amounts)) {
		fmt.Fprintf(&b, "Σ %s  %s\n", col, strings.Join(amounts[col], ", "))
	}
	if !strings.HasPrefix(rep.Location, "s3:") {
		again = ""
	}
	fmt.Fprintf(&b, "verify it: millrace export%s --verify %s\n", again, rep.Location)
	_, err := io.WriteString(w, b.String())
	return err
}
