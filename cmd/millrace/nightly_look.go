package main

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/jobs/nightly"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// look opens the run history for reading.
func (x *nightlyFlags) look(c *cobra.Command, do func(h *nightly.History, s nightly.Settings, l *catalog.Leases) error) (err error) {
	s, f, err := x.settings(io.Discard)
	if err != nil {
		return err
	}
	leases, err := catalog.OpenLeases(c.Context(), f.NightlyDatabase(), catalog.LeaseOptions{Name: f.Lake.Name, ReadOnly: true})
	if errors.Is(err, catalog.ErrNotFound) {
		return noHistory(f)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leases.Close()) }()
	h, err := nightly.LookAtHistory(c.Context(), leases)
	if errors.Is(err, catalog.ErrNotFound) {
		return noHistory(f)
	}
	if err != nil {
		return err
	}
	x.json = x.json || !onTerminal(c.OutOrStdout())
	return do(h, s, leases)
}

// noHistory says that no night was run yet.
func noHistory(f *project.File) error {
	return fault.Usagef("there is no run history in %s yet: run `millrace nightly run` first, or check where nightly.database or lake.catalog points", storage.Redact(f.NightlyDatabase()))
}

func nightlyStatusCommand() *cobra.Command {
	x := nightlyFlags{now: time.Now}
	c := &cobra.Command{
		Use:   "status",
		Short: "who runs nights, how the last one stands, and when the next one begins",
		RunE: func(c *cobra.Command, _ []string) error {
			return x.look(c, func(h *nightly.History, s nightly.Settings, _ *catalog.Leases) error {
				st, err := h.Status(c.Context(), s, x.now())
				if err != nil {
					return err
				}
				if x.json {
					return json.NewEncoder(c.OutOrStdout()).Encode(st)
				}
				return nightly.PrintStatus(c.OutOrStdout(), st)
			})
		},
	}
	x.add(c)
	return c
}

func nightlyHistoryCommand() *cobra.Command {
	x := nightlyFlags{now: time.Now}
	var date string
	var limit int
	var events, alerts bool
	c := &cobra.Command{
		Use:   "history",
		Short: "nights that were run, the attempts of one, the audit trail, or alerts",
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 {
				return fault.Usagef("--limit must be at least 1")
			}
			return x.look(c, func(h *nightly.History, _ nightly.Settings, _ *catalog.Leases) error {
				w, ctx := c.OutOrStdout(), c.Context()
				switch {
				case events:
					list, err := h.Events(ctx, limit)
					return show(w, x.json, list, err, nightly.PrintEvents)
				case alerts:
					list, err := h.Alerts(ctx, limit)
					return show(w, x.json, list, err, nightly.PrintAlerts)
				case date != "":
					if _, err := calendar.ParseDay(date); err != nil {
						return err
					}
					list, err := h.Attempts(ctx, date)
					return show(w, x.json, list, err, nightly.PrintAttempts)
				}
				list, err := h.Nights(ctx, limit)
				return show(w, x.json, list, err, nightly.PrintNights)
			})
		},
	}
	x.add(c)
	c.Flags().StringVar(&date, "date", "", "the attempts of this business date's night")
	c.Flags().IntVar(&limit, "limit", 30, "most lines")
	c.Flags().BoolVar(&events, "events", false, "the audit trail: changes of settings, nights left out, what was asked to be done again")
	c.Flags().BoolVar(&alerts, "alerts", false, "what was told")
	return c
}

// show prints a list: a line of JSON for each, or a table.
func show[T any](w io.Writer, asJSON bool, list []T, err error, table func(io.Writer, []T) error) error {
	if err != nil {
		return err
	}
	if !asJSON {
		return table(w, list)
	}
	enc := json.NewEncoder(w)
	for _, v := range list {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

func nightlyNextCommand() *cobra.Command {
	x := nightlyFlags{now: time.Now}
	var n int
	var after string
	c := &cobra.Command{
		Use:   "next",
		Short: "when the next nights begin, their cut-offs and deadlines",
		RunE: func(c *cobra.Command, _ []string) error {
			s, _, err := x.settings(io.Discard)
			if err != nil {
				return err
			}
			now := x.now()
			if after != "" {
				if now, err = time.Parse(time.RFC3339, after); err != nil {
					return fault.Usagef("--after takes an instant such as 2026-11-23T12:00:00Z")
				}
			}
			if n < 1 || n > 1000 {
				return fault.Usagef("--count must be from 1 to 1000")
			}
			return show(c.OutOrStdout(), x.json || !onTerminal(c.OutOrStdout()), s.Upcoming(now, n), nil, nightly.PrintUpcoming)
		},
	}
	x.add(c)
	c.Flags().IntVar(&n, "count", 5, "how many")
	c.Flags().StringVar(&after, "after", "", "as seen at this instant (default now)")
	return c
}
