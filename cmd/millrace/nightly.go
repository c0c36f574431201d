package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/internal/telemetry"
	"github.com/millrace/millrace/jobs/nightly"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

func nightlyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "nightly",
		Short: "run the bank's night: steps in order, once, by one of several replicas",
		Long: `Run the project file's section nightly: for each business date its steps (ingest caught up to the
cut-off, reconcile, features, export, maintain) in the order of their dependencies. Several processes may serve
one project; the lease in the catalog's database lets one of them run a night, and another resume it where it
died. See docs/nightly.md.`,
	}
	c.AddCommand(nightlyServeCommand(), nightlyRunCommand(), nightlyBackfillCommand(), nightlyStatusCommand(), nightlyHistoryCommand(), nightlyNextCommand())
	return c
}

// nightlyFlags are those of every verb of nights.
type nightlyFlags struct {
	projectFlags
	json bool
	now  func() time.Time
}

func (x *nightlyFlags) add(c *cobra.Command) {
	x.projectFlags.add(c)
	c.Flags().BoolVar(&x.json, "json", false, "print JSON, also on a terminal")
}

// settings reads the project file as it is now.
func (x *nightlyFlags) settings(errs io.Writer) (nightly.Settings, *project.File, error) {
	text, err := os.ReadFile(x.path)
	if err != nil {
		if _, err := x.load(); err != nil { // it says what to do
			return nightly.Settings{}, nil, err
		}
		return nightly.Settings{}, nil, fault.Usagef("read project file: %w", err)
	}
	f, err := project.Parse(x.path, text, os.LookupEnv, x.set...)
	if err != nil {
		return nightly.Settings{}, nil, err
	}
	path, err := filepath.Abs(x.path)
	if err != nil {
		return nightly.Settings{}, nil, fault.Usagef("project file %s: %w", x.path, err)
	}
	s, err := nightly.FromProject(f, filepath.ToSlash(path), string(text), stepProcess(errs), logger(f, errs), x.set...)
	return s, f, err
}

// open opens the run history, and puts together what runs nights. It makes the history's database, which is the catalog's unless the
// project file names another: the lease must be there before anything else is. Tables of a lake are not made in it: that is for
// the first ingest, and until then every verb says that there is no lake.
func (x *nightlyFlags) open(c *cobra.Command) (o nightly.Options, f *project.File, done func() error, err error) {
	ctx, errs := c.Context(), &lockedWriter{to: c.ErrOrStderr()}
	_, f, err = x.settings(errs)
	if err != nil {
		return o, f, nil, err
	}
	leases, err := catalog.OpenLeases(ctx, f.NightlyDatabase(), catalog.LeaseOptions{Name: f.Lake.Name})
	if err != nil {
		return o, f, nil, err
	}
	h, err := nightly.OpenHistory(ctx, leases, nil)
	if err != nil {
		return o, f, nil, errors.Join(err, leases.Close())
	}
	o = nightly.Options{
		History: h, Holder: holder(), Lease: f.Nightly.Lease, Logger: logger(f, errs),
		Load: func(context.Context) (nightly.Settings, error) {
			s, _, err := x.settings(errs)
			return s, err
		},
		Changed: x.digest,
	}
	return o, f, leases.Close, nil
}

// digest is that of the project file and of the files that it names.
func (x *nightlyFlags) digest() (string, error) {
	text, err := os.ReadFile(x.path)
	if err != nil {
		return "", fmt.Errorf("read project file: %w", err)
	}
	all := []string{string(text)}
	if f, err := project.Parse(x.path, text, os.LookupEnv, x.set...); err == nil { // else the file itself says enough
		for _, path := range nightly.Files(f) {
			data, err := os.ReadFile(path)
			if err != nil {
				return "", fmt.Errorf("read a file that the project file names: %w", err)
			}
			all = append(all, path, string(data))
		}
	}
	return nightly.Digest(strings.Join(all, "\x00")), nil
}

// holder names this process, and no other.
func holder() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	var id [4]byte
	_, _ = rand.Read(id[:]) // it never fails
	return fmt.Sprintf("%s@%s/%d/%s", name, host, os.Getpid(), hex.EncodeToString(id[:]))
}

// lockedWriter is written to by steps that run side by side.
type lockedWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

func nightlyServeCommand() *cobra.Command {
	x := nightlyFlags{now: time.Now}
	var addr string
	c := &cobra.Command{
		Use:   "serve",
		Short: "run nights at their times until SIGTERM",
		Long: `Run each business date's night at its time until SIGTERM, which ends the steps under way; the next
process resumes the night. Start as many as you like. The project file is looked at every two
seconds, and at SIGHUP: a change takes effect once the whole of it is right, for nights that begin later.`,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			o, f, done, err := x.open(c)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, done()) }()
			tel, err := telemetry.Start(c.Context(), telemetry.Options{Addr: addr, Lookup: os.LookupEnv, Stale: 10 * time.Minute, Logger: logger(f, c.ErrOrStderr())})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, tel.Close(context.WithoutCancel(c.Context()))) }()
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			reload := make(chan struct{}, 1)
			go func() { // it ends with the process: signals come until then
				for range hup {
					reload <- struct{}{}
				}
			}()
			o.Reload, o.Meter, o.Tracer, o.Alive = reload, tel.Meter(), tel.Tracer(), tel.Beat
			o.Progress = x.progress(c.OutOrStdout())
			return nightly.Serve(c.Context(), o)
		},
	}
	x.add(c)
	c.Flags().StringVar(&addr, "metrics-addr", "", "serve /metrics and /healthz on this host:port (the project file's metrics.addr is the ingest's)")
	return c
}

// progress prints what goes on: a line a step on a terminal, JSON lines elsewhere.
func (x *nightlyFlags) progress(w io.Writer) func(nightly.Progress) {
	if x.json || !onTerminal(w) {
		enc := json.NewEncoder(w)
		return func(p nightly.Progress) {
			_ = enc.Encode(p) // the history has it too
		}
	}
	return func(p nightly.Progress) {
		_, _ = fmt.Fprintln(w, nightly.Line(p)) // as above
	}
}

func nightlyRunCommand() *cobra.Command {
	x := nightlyFlags{now: time.Now}
	var date string
	var steps []string
	var again, patient bool
	c := &cobra.Command{
		Use:   "run",
		Short: "run a business date's night now, or what is left of it",
		Long: `Run the night of a business date now. What is done already is not done again: a night that died is resumed,
one that failed is tried again from the step that failed, and --again does all of it anew. Without --date it is the
latest date whose time has come. Where another process runs a night it says so, and ends with code 3, or waits with --wait.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return x.run(c, func(s nightly.Settings) (a nightly.Ask, err error) {
				a = nightly.Ask{Reason: nightly.Asked, Only: steps, Again: again, Wait: patient}
				if date == "" {
					day, ok := s.LastDue(x.now())
					if !ok {
						return a, fault.Usagef("no business date's time has come yet; give --date")
					}
					a.Days = []calendar.Day{day}
					return a, nil
				}
				day, err := calendar.ParseDay(date)
				if err == nil && !s.Calendar.Business(day) {
					err = fault.Usagef("--date: %s is no business date of the calendar", date)
				}
				a.Days = []calendar.Day{day}
				return a, err
			})
		},
	}
	x.add(c)
	c.Flags().StringVar(&date, "date", "", "the business date, such as 2026-11-23 (default the latest whose time has come)")
	c.Flags().StringArrayVar(&steps, "step", nil, "run only this step, whether those before it are done or not (repeatable)")
	c.Flags().BoolVar(&again, "again", false, "run also what is done")
	c.Flags().BoolVar(&patient, "wait", false, "wait while another process runs a night")
	return c
}

func nightlyBackfillCommand() *cobra.Command {
	x := nightlyFlags{now: time.Now}
	var from, to string
	var steps []string
	var again, patient bool
	c := &cobra.Command{
		Use:   "backfill",
		Short: "run the nights of a range of business dates, in order",
		Long: `Run the nights of all business dates from one to another, in order, at once. Nights that are done are left
alone unless --again says otherwise; with --step only that step of each is run. Kill it at any moment and run it again.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return x.run(c, func(s nightly.Settings) (a nightly.Ask, err error) {
				a = nightly.Ask{Reason: nightly.Backfill, Only: steps, Again: again, Keep: !again && len(steps) == 0, Wait: patient}
				first, err := calendar.ParseDay(from)
				if err != nil {
					return a, fault.Usagef("--from: %w", err)
				}
				last, err := calendar.ParseDay(to)
				if err != nil {
					return a, fault.Usagef("--to: %w", err)
				}
				for day := first; day <= last; day++ {
					if s.Calendar.Business(day) {
						a.Days = append(a.Days, day)
					}
				}
				if len(a.Days) == 0 {
					return a, fault.Usagef("there is no business date from %s to %s", from, to)
				}
				return a, nil
			})
		},
	}
	x.add(c)
	c.Flags().StringVar(&from, "from", "", "first business date, such as 2026-11-02")
	c.Flags().StringVar(&to, "to", "", "last business date")
	c.Flags().StringArrayVar(&steps, "step", nil, "run only this step, whether those before it are done or not (repeatable)")
	c.Flags().BoolVar(&again, "again", false, "run also what is done")
	c.Flags().BoolVar(&patient, "wait", false, "wait while another process runs a night")
	return c
}

// run runs the nights that are asked for.
func (x *nightlyFlags) run(c *cobra.Command, ask func(nightly.Settings) (nightly.Ask, error)) (err error) {
	s, _, err := x.settings(io.Discard)
	if err != nil {
		return err
	}
	a, err := ask(s)
	if err == nil {
		err = s.Over(a.Days, x.now())
	}
	if err != nil {
		return err
	}
	o, f, done, err := x.open(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	tel, err := telemetry.Start(c.Context(), telemetry.Options{Lookup: os.LookupEnv, Logger: logger(f, c.ErrOrStderr())})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tel.Close(context.WithoutCancel(c.Context()))) }()
	o.Tracer, o.Progress = tel.Tracer(), x.progress(c.OutOrStdout())
	_, err = nightly.Run(c.Context(), o, a)
	return err
}
