package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation/life"
)

func breaksCommand() *cobra.Command {
	c := &cobra.Command{Use: "breaks", Short: "breaks over nights: list, assign, match, write off, approve, audit",
		Long: `The breaks that nights by rule files with a section life have recorded in the lake. What a person
does to them is an event in a chain that cannot be altered unseen; matches and write-offs count once a
second person has approved them, and the next night leaves them out of its verdict.

  millrace breaks list --overdue
  millrace breaks assign 3f9c21 --to treasury --deadline 2026-11-30 --by anna
  millrace breaks write-off 3f9c21 --why "bank charge below 5 EUR" --by anna
  millrace breaks approve 3f9c21 --by boris
  millrace breaks audit`}
	c.AddCommand(breaksList(), breaksShow(), breaksAudit(), breaksWriteOffs())
	for _, a := range breakActs() {
		c.AddCommand(a.command())
	}
	return c
}

func warnings(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// breakLine is a break as it is listed.
type breakLine struct {
	ID         string `json:"break_id"`
	Rules      string `json:"rules"`
	Status     string `json:"status"`
	Class      string `json:"class"`
	Side       string `json:"side,omitempty"`
	Key        string `json:"key,omitempty"`
	Difference string `json:"difference,omitempty"`
	Currency   string `json:"currency,omitempty"`
	Account    string `json:"account,omitempty"`
	First      string `json:"first_seen"`
	Last       string `json:"last_seen"`
	Days       int64  `json:"age_days"` // from the first night to the last recorded one, in calendar days
	Owner      string `json:"owner,omitempty"`
	Deadline   string `json:"deadline,omitempty"`
	Overdue    bool   `json:"overdue,omitempty"`
	Escalated  bool   `json:"escalated,omitempty"`
	Waits      string `json:"waits_for_approval,omitempty"` // what, and who proposed it
}

func lineOf(h *reconcile.History, k *life.Case) breakLine {
	night := k.Last
	if n := h.State.Nights(k.Rules); len(n) > 0 {
		night = n[len(n)-1].Day
	}
	b := breakLine{ID: k.ID, Rules: k.Rules, Status: string(k.Status), Class: k.Class, Side: k.Side, Key: k.Key, Difference: k.Difference, Currency: k.Currency,
		Account: k.Account, First: calendar.FormatDay(k.First), Last: calendar.FormatDay(k.Last), Days: int64(night) - int64(k.First), Owner: k.Owner, Escalated: k.Escalated}
	if k.Deadline != life.NoDay {
		b.Deadline, b.Overdue = calendar.FormatDay(k.Deadline), k.IsOpen() && k.Deadline < night
	}
	if p := k.Pending; p != nil {
		b.Waits = strings.ReplaceAll(strings.TrimSuffix(string(p.Kind), "_proposed"), "_", "-") + " by " + p.By
	}
	return b
}

// listFlags filter breaks.
type listFlags struct {
	rules, status, class, owner string
	older                       int64
	all, overdue, asJSON        bool
}

func (x *listFlags) wants(k *life.Case, b breakLine) bool {
	switch {
	case x.status != "" && b.Status != x.status, x.status == "" && !x.all && !k.IsOpen():
		return false
	case x.rules != "" && b.Rules != x.rules, x.class != "" && b.Class != x.class, x.owner != "" && b.Owner != x.owner:
		return false
	}
	return (!x.overdue || b.Overdue) && b.Days >= x.older
}

func breaksList() *cobra.Command {
	var l lakeFlags
	var x listFlags
	c := &cobra.Command{Use: "list", Short: "list breaks: open ones, or those that the flags ask for", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		known := []life.Status{life.Open, life.Proposed, life.MatchedBy, life.WrittenOff, life.Resolved, life.Replaced}
		if x.status != "" && !slices.Contains(known, life.Status(x.status)) {
			return fault.Usagef("--status %s is not one of open, proposed, matched, written_off, resolved, superseded", x.status)
		}
		h, done, err := readJournal(c, &l)
		if err != nil {
			return err
		}
		defer done()
		lines := []breakLine{}
		for _, k := range h.State.Cases() {
			if b := lineOf(h, k); x.wants(k, b) {
				lines = append(lines, b)
			}
		}
		slices.SortStableFunc(lines, func(a, b breakLine) int { return strings.Compare(a.First, b.First) }) // the oldest first
		return printList(c.OutOrStdout(), x.asJSON, "BREAK\tSTATUS\tCLASS\tKEY\tDIFFERENCE\tSINCE\tDAYS\tOWNER\tDEADLINE\tWAITS FOR APPROVAL", lines, func(t io.Writer, b breakLine) {
			mark := ""
			if b.Overdue {
				mark = " overdue"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s %s\t%s\t%d\t%s\t%s%s\t%s\n", b.ID[:min(12, len(b.ID))], b.Status, b.Class, b.Key, b.Difference, b.Currency, b.First, b.Days, b.Owner, b.Deadline, mark, b.Waits)
		})
	}}
	l.add(c)
	f := c.Flags()
	f.StringVar(&x.rules, "name", "", "only of the reconciliation of this name")
	f.StringVar(&x.status, "status", "", "only of this status: open, proposed, matched, written_off, resolved, superseded")
	f.StringVar(&x.class, "class", "", "only of this class")
	f.StringVar(&x.owner, "owner", "", "only of this owner")
	f.Int64Var(&x.older, "days", 0, "only those that are so many days old, or older")
	f.BoolVar(&x.overdue, "overdue", false, "only those whose deadline has passed")
	f.BoolVar(&x.all, "all", false, "also those that are not open")
	f.BoolVar(&x.asJSON, "json", false, "print JSON")
	return c
}

// printList prints lines as JSON, or as a table with a header, whose cells are parted by tabs.
func printList[T any](out io.Writer, asJSON bool, header string, lines []T, line func(io.Writer, T)) error {
	if asJSON {
		return json.NewEncoder(out).Encode(lines)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, header)
	for _, l := range lines {
		line(t, l)
	}
	return t.Flush()
}

// readJournal reads the log of breaks. done closes the lake.
func readJournal(c *cobra.Command, l *lakeFlags) (*reconcile.History, func(), error) {
	lake, err := l.read(c.Context(), warnings(c.ErrOrStderr()))
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = lake.Close() } // nothing was written
	h, err := reconcile.NewJournal(lake).Read(c.Context())
	if err != nil {
		done()
		return nil, nil, brokenChain(err)
	}
	return h, done, nil
}

// brokenChain makes a finding of a chain that does not hold.
func brokenChain(err error) error {
	var broken *life.BrokenError
	if errors.As(err, &broken) {
		return fault.Findingsf("%w", err)
	}
	return err
}

func breaksShow() *cobra.Command {
	var l lakeFlags
	var asJSON bool
	c := &cobra.Command{Use: "show BREAK", Short: "show a break and all that happened to it", Args: func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fault.Usagef("name one break")
		}
		return nil
	}, RunE: func(c *cobra.Command, args []string) error {
		h, done, err := readJournal(c, &l)
		if err != nil {
			return err
		}
		defer done()
		cases, err := casesOf(h, args)
		if err != nil {
			return err
		}
		var events []*life.Event
		for _, e := range h.Events {
			if slices.Contains(e.Cases, cases[0].ID) {
				events = append(events, e)
			}
		}
		b := lineOf(h, cases[0])
		if asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"break": b, "continues": cases[0].Continues, "events": events})
		}
		out := c.OutOrStdout()
		fmt.Fprintf(out, "break %s of %s: %s, %s, key %s, difference %s %s\nsince %s, %d days; owner %s, deadline %s\n", b.ID, b.Rules, b.Status, b.Class, b.Key, b.Difference, b.Currency,
			b.First, b.Days, orNone(b.Owner), orNone(b.Deadline))
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, e := range events {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", e.Seq, e.At.Format(time.RFC3339), strings.ReplaceAll(string(e.Kind), "_", " "), whoOf(e), whyOf(e))
		}
		return t.Flush()
	}}
	l.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func whoOf(e *life.Event) string {
	if e.By != "" {
		return e.By
	}
	return "night " + e.Night
}

// whyOf is what an event says beside its kind.
func whyOf(e *life.Event) string {
	said := []string{}
	if e.Owner != "" {
		said = append(said, "to "+e.Owner)
	}
	if e.Deadline != "" {
		said = append(said, "until "+e.Deadline)
	}
	if e.Proposal != 0 {
		said = append(said, "of event "+strconv.FormatInt(e.Proposal, 10))
	}
	if e.Reason != "" {
		said = append(said, e.Reason)
	}
	return strings.Join(said, "; ")
}

func breaksAudit() *cobra.Command {
	var l lakeFlags
	var anchor string
	c := &cobra.Command{Use: "audit", Short: "verify the chain of events, and print its end", Args: cobra.NoArgs,
		Long: `Verify the chain of events: each holds the SHA-256 of the one before. The end that is printed proves,
kept outside the lake and given again with --anchor, that nothing up to there was altered or taken away.`,
		RunE: func(c *cobra.Command, _ []string) error {
			h, done, err := readJournal(c, &l)
			if err != nil {
				return err
			}
			defer done()
			if anchor != "" {
				a, err := life.ParseAnchor(anchor)
				if err != nil {
					return fault.Mark(fault.Usage, err)
				}
				if err := a.Check(h.Records); err != nil {
					return fault.Findingsf("%w", err)
				}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%d events hold; the end is %s\n", len(h.Records), h.State.Anchor)
			return err
		}}
	l.add(c)
	c.Flags().StringVar(&anchor, "anchor", "", "an end that was printed before: what is there now must go on from it")
	return c
}

func breaksWriteOffs() *cobra.Command {
	var l lakeFlags
	var asJSON bool
	c := &cobra.Command{Use: "write-offs", Short: "list write-offs, approved and waiting, with their totals by period", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		h, done, err := readJournal(c, &l)
		if err != nil {
			return err
		}
		defer done()
		type writeOff struct {
			ID       string `json:"break_id"`
			Rules    string `json:"rules"`
			Period   string `json:"period"`
			Amount   string `json:"amount"`
			Currency string `json:"currency"`
			Account  string `json:"account,omitempty"`
			Status   string `json:"status"`
			By       string `json:"proposed_by"`
			Why      string `json:"why"`
			Spent    string `json:"period_total"` // of all accounts, approved or waiting
		}
		out := []writeOff{}
		for _, k := range h.State.Cases() {
			p := k.Settled
			if k.Pending != nil {
				p = k.Pending
			}
			if p == nil || p.Kind != life.WriteOffProposed {
				continue
			}
			out = append(out, writeOff{k.ID, k.Rules, p.Period, k.Difference, k.Currency, k.Account, string(k.Status), p.By, p.Reason,
				h.State.Spent(k.Rules, k.Currency, p.Period, "").String()})
		}
		return printList(c.OutOrStdout(), asJSON, "BREAK\tPERIOD\tAMOUNT\tSTATUS\tPROPOSED BY\tPERIOD'S TOTAL\tWHY", out, func(t io.Writer, w writeOff) {
			fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t%s\t%s\t%s\n", w.ID[:min(12, len(w.ID))], w.Period, w.Amount, w.Currency, w.Status, w.By, w.Spent, w.Why)
		})
	}}
	l.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
