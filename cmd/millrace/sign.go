package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation/life"
)

func signCommand() *cobra.Command {
	var l lakeFlags
	var p personFlags
	var as string
	c := &cobra.Command{Use: "sign DIR", Short: "sign a run of a rule file, as its preparer or its reviewer",
		Long: `Sign a run that reconcile --rules has left in a folder: the SHA-256 of its summary.json, which has the run's
parameters, totals and verdict, enters the chain of events in the lake. The reviewer is another person and signs
after the preparer. Where the rules have life:, the page of the run, made again, shows the signatures.

  millrace sign night --as preparer --by anna
  millrace sign night --as reviewer --by boris`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fault.Usagef("name the folder of one run")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			e, err := p.event(life.Signed, time.Now)
			if err != nil {
				return err
			}
			e.Role = as
			if err := signed(args[0], &e); err != nil {
				return err
			}
			j, done, err := openJournal(c.Context(), &l, c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer done()
			h, err := j.Append(c.Context(), func(*reconcile.History) ([]life.Event, error) { return []life.Event{e}, nil })
			if err != nil {
				return err
			}
			return printEvent(c.OutOrStdout(), h)
		}}
	l.add(c)
	p.add(c, true)
	c.Flags().StringVar(&as, "as", "", "preparer or reviewer (required)")
	return c
}

// signed fills in what is signed: the run whose files are in a folder.
func signed(dir string, e *life.Event) error {
	path := filepath.Join(dir, "summary.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return fault.Usagef("%s holds no run: there is no summary.json; write one with millrace reconcile --rules FILE --out %s", dir, dir)
	}
	if err != nil {
		return fault.Mark(fault.Usage, err)
	}
	var run struct {
		Run, Rules string
		Night      string `json:"as_of"`
	}
	if err := json.Unmarshal(data, &run); err != nil || run.Run == "" || run.Rules == "" {
		return fault.Usagef("%s is not the summary of a run by a rule file", path)
	}
	e.Run, e.Rules, e.Night, e.Digest = run.Run, run.Rules, run.Night, life.HashOf(data)
	return nil
}
