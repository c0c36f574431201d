package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connectors/lineageio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

// byRules compares the sides of a rule file.
func (x *reconcileFlags) byRules(c *cobra.Command) error {
	for _, f := range []string{"statement", "only", "rows", "quarantine"} {
		if c.Flags().Changed(f) {
			return fault.Usagef("--%s has no effect with --rules", f)
		}
	}
	o, done, err := x.rulesOptions(c)
	if err != nil {
		return err
	}
	defer done()
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(50) // most of what a run holds are rows without pointers: collecting them oftener costs little
	}
	rep, err := reconcile.RunRules(c.Context(), o)
	if err != nil && rep.Run == "" {
		return err
	}
	if err := errors.Join(err, printRules(c.OutOrStdout(), rep)); err != nil {
		return err // the run has a verdict, but not everybody knows
	}
	if rep.Verdict != reconcile.Fail {
		return nil
	}
	return fault.Findingsf("%s", rep.WhyFailed())
}

func printRules(w io.Writer, rep reconcile.RulesReport) error {
	if onTerminal(w) {
		return reconcile.PrintRules(w, rep)
	}
	return json.NewEncoder(w).Encode(map[string]any{"event": "reconciled", "report": rep})
}

// rulesOptions put the rule file and the flags together. done closes what is open.
func (x *reconcileFlags) rulesOptions(c *cobra.Command) (o reconcile.RulesOptions, done func(), err error) {
	done = func() {}
	if o.Rules, o.Text, err = loadRules(x.rules); err != nil {
		return o, done, err
	}
	o.Sides = map[string]string{}
	for _, s := range x.sides {
		name, path, ok := strings.Cut(s, "=")
		if !ok || name == "" || path == "" {
			return o, done, fault.Usagef("--side %s: write it as NAME=PATH", s)
		}
		if o.Sides[name] != "" {
			return o, done, fault.Usagef("--side %s is given twice", name)
		}
		o.Sides[name] = path
	}
	o.Dry, o.NoMatches = x.dry, x.noMatches
	o.Out, o.At.Cut, o.MetricsFile, o.Lineage = x.out, x.cut, x.metrics, lineageio.FromEnv(os.LookupEnv)
	if x.asOf != "" {
		day, err := time.Parse(time.DateOnly, x.asOf)
		if err != nil {
			return o, done, fault.Usagef("--as-of takes a date such as 2026-11-23")
		}
		if x.cut == 0 { // with a cut the date says of when the books are, and the cut what is read
			o.At.BusinessDate = day
		}
		if o.AsOf, err = reconciliation.ParseDay(x.asOf); err != nil {
			return o, done, fault.Mark(fault.Usage, err)
		}
	}
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	o.Stores, o.Logger = storage.Resolver{"file": localio.Opener(localio.Options{})}, log
	if !x.needsProject(c, o) {
		return o, done, nil
	}
	ctx := c.Context()
	writes := o.Rules.Life != nil || (o.Rules.Compare == "tree" && !o.Dry) // into the lake
	if x.dir != "" {
		open := project.OpenFolder
		if !writes {
			open = project.ReadFolder
		}
		lake, stores, err := open(ctx, x.dir, log)
		if err != nil {
			return o, done, err
		}
		if stores["s3"] != nil {
			o.Stores["s3"] = stores["s3"]
		}
		o.Lake = lake
	} else {
		f, err := x.load()
		if err != nil {
			return o, done, err
		}
		o.Stores = f.Stores()
		if !writes {
			o.Lake, err = f.ReadLake(ctx, log)
		} else {
			o.Lake, err = f.OpenLake(ctx, true, log)
		}
		if err != nil {
			return o, done, err
		}
	}
	return o, func() { _ = o.Lake.Close() }, nil // what was written is committed
}

// loadRules reads a rule file; in a step of a night, as the night began with it.
func loadRules(path string) (*rulefile.File, []byte, error) {
	data, found, err := pinned(path)
	if err != nil || !found {
		if err == nil {
			return rulefile.Load(path, os.LookupEnv)
		}
		return nil, nil, err
	}
	f, err := rulefile.Parse(path, data, os.LookupEnv)
	return f, data, err
}

// needsProject reports whether a lake, or a store that only a project file knows, is needed.
func (x *reconcileFlags) needsProject(c *cobra.Command, o reconcile.RulesOptions) bool {
	if x.dir != "" || c.Flags().Changed("project") || o.Rules.Life != nil {
		return true
	}
	for _, s := range o.Rules.Sides {
		location := s.File
		if given := o.Sides[s.Name]; given != "" {
			location = given
		}
		if strings.HasPrefix(location, "s3://") || (location == "" && s.Table != "") {
			return true
		}
	}
	return false
}
