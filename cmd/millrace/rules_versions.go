package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation/life"
)

func rulesCommand() *cobra.Command {
	c := &cobra.Command{Use: "rules", Short: "versions of rule files: propose, approve, list",
		Long: `Versions of rule files, each known by the SHA-256 of its text. Where a rule file says
life: {approval: required}, a night runs only with a version that a second person has approved.`}
	c.AddCommand(ruleAct("propose FILE", "propose a version of a rule file; somebody else approves it", life.RulesProposed),
		ruleAct("approve FILE", "approve a version that somebody else proposed", life.RulesApproved),
		ruleAct("reject FILE", "reject a version that was proposed, or withdraw one's own", life.RulesRejected), rulesListCommand())
	return c
}

func oneRuleFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fault.Usagef("name one rule file")
	}
	return nil
}

// ruleAct is a verb that records what a person does to a version.
func ruleAct(use, short string, kind life.Kind) *cobra.Command {
	var l lakeFlags
	var p personFlags
	var from string
	c := &cobra.Command{Use: use, Short: short, Args: oneRuleFile, RunE: func(c *cobra.Command, args []string) error {
		f, text, err := loadRules(args[0])
		if err != nil {
			return err
		}
		e, err := p.event(kind, time.Now)
		if err != nil {
			return err
		}
		e.Rules, e.Version, e.Effective = f.Name, life.HashOf(text), from
		if kind == life.RulesProposed {
			e.Text = string(text)
		}
		j, done, err := openJournal(c.Context(), &l, c.ErrOrStderr())
		if err != nil {
			return err
		}
		defer done()
		h, err := j.Append(c.Context(), func(h *reconcile.History) ([]life.Event, error) {
			e := e
			for _, v := range h.State.Versions(f.Name) {
				if v.SHA256 == e.Version && v.Pending != nil && kind != life.RulesProposed {
					e.Proposal = v.Pending.Seq
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
	p.add(c, true)
	if kind == life.RulesProposed {
		c.Flags().StringVar(&from, "effective", "", "the first business date with this version, as 2026-12-01 (default any)")
	}
	return c
}

func rulesListCommand() *cobra.Command {
	var l lakeFlags
	var asJSON bool
	c := &cobra.Command{Use: "list FILE", Short: "list the versions of a rule file that were proposed or used", Args: oneRuleFile, RunE: func(c *cobra.Command, args []string) error {
		f, _, err := loadRules(args[0])
		if err != nil {
			return err
		}
		h, done, err := readJournal(c, &l)
		if err != nil {
			return err
		}
		defer done()
		type version struct {
			SHA256     string `json:"sha256"`
			Status     string `json:"status"` // approved, proposed, or used: a night ran with it and nobody proposed it
			Proposed   string `json:"proposed_by,omitempty"`
			ApprovedBy string `json:"approved_by,omitempty"`
			Effective  string `json:"effective,omitempty"`
		}
		out := []version{}
		for _, v := range h.State.Versions(f.Name) {
			s := version{SHA256: v.SHA256, Status: "used", ApprovedBy: v.ApprovedBy}
			switch {
			case v.ApprovedBy != "":
				s.Status = "approved"
			case v.Pending != nil:
				s.Status, s.Proposed = "proposed", v.Pending.By
			}
			if v.Effective != life.NoDay {
				s.Effective = calendar.FormatDay(v.Effective)
			}
			out = append(out, s)
		}
		return printList(c.OutOrStdout(), asJSON, "SHA256\tSTATUS\tPROPOSED BY\tAPPROVED BY\tEFFECTIVE", out, func(t io.Writer, v version) {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", v.SHA256[:16], v.Status, v.Proposed, v.ApprovedBy, v.Effective)
		})
	}}
	l.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
