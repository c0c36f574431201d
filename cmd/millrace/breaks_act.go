package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation/life"
)

// personFlags say who does something, when and why.
type personFlags struct{ by, at, why string }

func (p *personFlags) add(c *cobra.Command, why bool) {
	c.Flags().StringVar(&p.by, "by", "", "who does this (required)")
	c.Flags().StringVar(&p.at, "at", "", "when, as 2026-11-24T08:30:00Z (default now)")
	if why {
		c.Flags().StringVar(&p.why, "why", "", "the reason")
	}
}

// event is one of this person's, at the time that now gives where no other is named.
func (p *personFlags) event(kind life.Kind, now func() time.Time) (life.Event, error) {
	e := life.Event{Kind: kind, By: p.by, Reason: p.why, At: now().UTC().Truncate(time.Microsecond)}
	if strings.TrimSpace(p.by) == "" {
		return e, fault.Usagef("who does this? give a name with --by")
	}
	if p.at != "" {
		at, err := time.Parse(time.RFC3339, p.at)
		if err != nil {
			return e, fault.Usagef("--at %s: write a time as 2026-11-24T08:30:00Z", p.at)
		}
		e.At = at.UTC()
	}
	return e, nil
}

// breakAct is a verb that records what a person does to breaks.
type breakAct struct {
	use, short, long string
	kind             life.Kind
	most             int  // breaks that it takes; 0: any number
	why              bool // it takes a reason
	// flags adds the verb's own; fill completes its event.
	flags func(c *cobra.Command, e *life.Event)
	fill  func(h *reconcile.History, cases []*life.Case, e *life.Event) error
}

// breakActs are the verbs that change something.
func breakActs() []breakAct {
	return []breakAct{
		{use: "assign BREAK", short: "give a break an owner and a deadline", kind: life.Assigned, most: 1, why: true, flags: func(c *cobra.Command, e *life.Event) {
			c.Flags().StringVar(&e.Owner, "to", "", "the owner (required)")
			c.Flags().StringVar(&e.Deadline, "deadline", "", "the last day, as 2026-11-30; a night after it escalates the break")
		}},
		{use: "comment BREAK", short: "add a remark to a break", kind: life.Commented, most: 1, why: true},
		{use: "escalate BREAK", short: "say that a break needs attention", kind: life.Escalated, most: 1, why: true},
		{use: "reopen BREAK", short: "open a break again that was resolved or superseded", kind: life.Reopened, most: 1, why: true},
		{use: "match BREAK...", short: "propose that breaks belong together; somebody else approves it", kind: life.MatchProposed, why: true,
			long: "Their differences must add up to zero in each currency. From the approval on they do not count as breaks."},
		{use: "write-off BREAK", short: "propose to write a break off, within the limits of the rules", kind: life.WriteOffProposed, most: 1, why: true,
			long: "The limits are those that the rules of the last recorded night state: of one break, of a period, of an account. What waits for approval counts in them."},
		{use: "approve BREAK", short: "approve the match or write-off that was proposed by somebody else", kind: life.Approved, most: 1, why: true, fill: pendingOf},
		{use: "reject BREAK", short: "reject the match or write-off that was proposed, or withdraw one's own", kind: life.Rejected, most: 1, why: true, fill: pendingOf},
		{use: "unmatch BREAK", short: "undo an approved match; its history stays", kind: life.Unmatched, most: 1, why: true, fill: settledOf},
		{use: "reverse BREAK", short: "undo an approved write-off; its history stays", kind: life.WriteOffReversed, most: 1, why: true, fill: settledOf},
	}
}

// pendingOf names what waits for approval.
func pendingOf(_ *reconcile.History, cases []*life.Case, e *life.Event) error {
	p := cases[0].Pending
	if p == nil {
		return fault.Usagef("break %s: nothing waits for approval", cases[0].ID)
	}
	e.Proposal, e.Cases = p.Seq, p.Cases
	return nil
}

// settledOf names what was approved.
func settledOf(_ *reconcile.History, cases []*life.Case, e *life.Event) error {
	p := cases[0].Settled
	if p == nil {
		return fault.Usagef("break %s: no match or write-off was approved", cases[0].ID)
	}
	e.Proposal, e.Cases = p.Seq, p.Cases
	return nil
}

// command is the act as a verb.
func (a breakAct) command() *cobra.Command {
	var l lakeFlags
	var p personFlags
	var own life.Event
	c := &cobra.Command{Use: a.use, Short: a.short, Long: strings.TrimSpace(strings.ToUpper(a.short[:1]) + a.short[1:] + ". " + a.long),
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return fault.Usagef("which break? give its identity, or the beginning of it, as breaks list shows it")
			case a.most > 0 && len(args) > a.most:
				return fault.Usagef("one break at a time, not %d", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			e, err := p.event(a.kind, time.Now)
			if err != nil {
				return err
			}
			e.Owner, e.Deadline = own.Owner, own.Deadline
			j, done, err := openJournal(c.Context(), &l, c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			h, err := j.Append(c.Context(), func(h *reconcile.History) ([]life.Event, error) {
				cases, err := casesOf(h, args)
				if err != nil {
					return nil, err
				}
				e := e
				e.Rules = cases[0].Rules
				for _, k := range cases {
					e.Cases = append(e.Cases, k.ID)
				}
				if a.fill != nil {
					if err := a.fill(h, cases, &e); err != nil {
						return nil, err
					}
				}
				return []life.Event{e}, nil
			})
			if err != nil {
				return err
			}
			return printEvent(c.OutOrStdout(), h)
		}}
	l.add(c)
	p.add(c, a.why)
	if a.flags != nil {
		a.flags(c, &own)
	}
	return c
}

// openJournal opens the log of breaks. done closes the lake.
func openJournal(ctx context.Context, l *lakeFlags, errs io.Writer) (*reconcile.Journal, func(), error) {
	lake, err := l.open(ctx, warnings(errs))
	if err != nil {
		return nil, nil, err
	}
	return reconcile.NewJournal(lake), func() { _ = lake.Close() }, nil // what was written is committed
}

// leastPrefix is how many digits of an identity are enough where they are the only ones.
const leastPrefix = 6

// casesOf finds cases by their identities or by what these begin with.
func casesOf(h *reconcile.History, ids []string) (out []*life.Case, err error) {
	for _, id := range ids {
		var found []*life.Case
		if k := h.State.Case(id); k != nil {
			found = append(found, k)
		} else if len(id) >= leastPrefix {
			for _, k := range h.State.Cases() {
				if strings.HasPrefix(k.ID, id) {
					found = append(found, k)
				}
			}
		}
		switch len(found) {
		case 0:
			return nil, fault.Usagef("there is no break %s; see millrace breaks list --all", id)
		case 1:
			out = append(out, found[0])
		default:
			return nil, fault.Usagef("%d breaks begin with %s: give more of it", len(found), id)
		}
	}
	return out, nil
}

// printEvent tells the event that was recorded last.
func printEvent(w io.Writer, h *reconcile.History) error {
	e := h.Events[len(h.Events)-1]
	what := e.Rules
	if len(e.Cases) > 0 {
		what = strings.Join(e.Cases, ", ")
	}
	_, err := fmt.Fprintf(w, "event %d: %s %s by %s\n", e.Seq, what, strings.ReplaceAll(string(e.Kind), "_", " "), e.By)
	return err
}
