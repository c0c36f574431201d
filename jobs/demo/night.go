package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/jobs/export"
	"github.com/millrace/millrace/jobs/features"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// night is what the nightly verbs found. Each ran as a process of its own, as a person would run it.
type night struct {
	Planted  ledgergen.Planted `json:"planted"` // differences of the statement, as they were made
	Proof    reconcile.Report  `json:"reconciliation"`
	Features features.Report   `json:"features"`
	Export   export.Report     `json:"export"`
	Account  map[string]any    `json:"account"` // features of one account on the last day
}

const (
	featuresTable = "features.account_daily" // where the demo's features are
	statementName = "statement.csv"          // what the card scheme says
	lookName      = "look.sql"               // a script for DuckDB
)

// runNight reconciles, computes features and exports them.
func runNight(ctx context.Context, o Options, cfg ledgergen.Config, truth *ledgergen.Truth) (n night, err error) {
	if n.Planted, err = writeStatement(o, truth); err != nil {
		return n, err
	}
	say(o.Out, "the night: ledger against statement (%d lines), balances against movements, stream against lake\n", n.Planted.Lines)
	if n.Proof, err = proof(ctx, o); err != nil {
		return n, err
	}
	if err := foundAsPlanted(n.Planted, n.Proof); err != nil {
		return n, err
	}
	first, last := cfg.Start, cfg.Start.AddDate(0, 0, cfg.Days-1)
	say(o.Out, "  features of every account at the end of each week up to %s\n", last.Format(time.DateOnly))
	first = last.AddDate(0, 0, -7*(int(last.Sub(first).Hours()/24)/7)) // whole weeks before the last day
	err = o.verb(ctx, &n.Features, "features", "--from", first.Format(time.DateOnly), "--to", last.Format(time.DateOnly), "--every", "7", "--json")
	if err != nil {
		return n, err
	}
	say(o.Out, "  the features leave the lake as files with a manifest, which is verified\n")
	if err := o.verb(ctx, &n.Export, "export", featuresTable, "--json"); err != nil {
		return n, err
	}
	if err := o.verb(ctx, nil, "export", "--verify", n.Export.Location); err != nil {
		return n, err
	}
	if n.Account, err = oneAccount(ctx, o, truth, last); err != nil {
		return n, err
	}
	return n, writeLook(ctx, o)
}

// writeStatement writes what the card scheme says, with planted differences.
func writeStatement(o Options, truth *ledgergen.Truth) (p ledgergen.Planted, err error) {
	f, err := os.Create(filepath.Join(o.Dir, statementName))
	if err != nil {
		return p, fmt.Errorf("demo: write the statement: %w", err)
	}
	p, err = ledgergen.WriteStatement(f, truth, o.Seed)
	if err = errors.Join(err, f.Close()); err != nil {
		return p, fmt.Errorf("demo: write the statement: %w", err)
	}
	return p, nil
}

// proof runs the reconciliation; breaks are what it is for.
func proof(ctx context.Context, o Options) (rep reconcile.Report, err error) {
	out := filepath.Join(o.Dir, "reconciliation")
	_, err = o.command(ctx, []int{0, 1}, "reconcile", "--rows", "--out", out)
	if err != nil {
		return rep, err
	}
	data, err := os.ReadFile(filepath.Join(out, "summary.json"))
	if err == nil {
		err = json.Unmarshal(data, &rep)
	}
	if err != nil {
		return rep, fmt.Errorf("demo: read what the reconciliation found: %w", err)
	}
	return rep, nil
}

// foundAsPlanted holds what the reconciliation found against what was planted.
func foundAsPlanted(p ledgergen.Planted, rep reconcile.Report) error {
	if rep.Checked == nil || rep.Balances == nil || rep.Source == nil {
		return errors.New("demo: the reconciliation did not check everything that the project file asks for")
	}
	for class, want := range map[reconciliation.Class]int{
		reconciliation.MissingLeft: p.MissingInLedger, reconciliation.MissingRight: p.MissingOnPaper, reconciliation.Amount: p.Amount,
		reconciliation.Duplicate: p.Duplicate, reconciliation.Date: p.Timing, reconciliation.Currency: 0,
	} {
		if have := rep.Checked.Breaks[class]; have != int64(want) {
			return fmt.Errorf("demo: the reconciliation found %d breaks of class %s, %d were planted", have, class, want)
		}
	}
	if b := rep.Balances; b.Days == 0 || b.Holds+b.Unproved != b.Days {
		return fmt.Errorf("demo: of %d account-days %d hold and %d cannot be proved", b.Days, b.Holds, b.Unproved)
	}
	if s := rep.Source; s.Gap != "" || len(s.Failed) > 0 || len(s.Breaks) > 0 {
		return fmt.Errorf("demo: the stream and the lake differ: gap %q, %v, rows %v", s.Gap, s.Failed, s.Breaks)
	}
	return nil
}

// oneAccount shows the features of the customer's account with the most entries, at the end of a day.
func oneAccount(ctx context.Context, o Options, truth *ledgergen.Truth, day time.Time) (map[string]any, error) {
	count, busiest := map[int64]int{}, int64(0)
	for _, e := range truth.Entries() {
		if a, ok := truth.Tables[ledgergen.Accounts][e.AccountID].(*ledgergen.Account); !ok || a.CustomerID == 0 {
			continue
		}
		count[e.AccountID]++
		if count[e.AccountID] > count[busiest] {
			busiest = e.AccountID
		}
	}
	var shown struct {
		Rows []map[string]any `json:"rows"`
	}
	err := o.verb(ctx, &shown, "show", featuresTable, "--key", "account_id="+strconv.FormatInt(busiest, 10),
		"--where", "as_of_date = date '"+day.Format(time.DateOnly)+"'", "--json")
	if err != nil {
		return nil, err
	}
	if len(shown.Rows) != 1 {
		return nil, fmt.Errorf("demo: %d rows of features for account %d on %s, not one", len(shown.Rows), busiest, day.Format(time.DateOnly))
	}
	return shown.Rows[0], nil
}

// verb runs a verb that must end well, and decodes what it prints.
func (o Options) verb(ctx context.Context, into any, args ...string) error {
	out, err := o.command(ctx, []int{0}, args...)
	if err != nil || into == nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(out))
	d.UseNumber() // ids and amounts as they are written
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("demo: read what %s printed: %w", args[0], err)
	}
	return nil
}

// command runs the binary with the demo's project and returns what it printed; codes are the exit codes that it may end with.
func (o Options) command(ctx context.Context, codes []int, args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, o.Binary, append(args, "--project", filepath.Join(o.Dir, "millrace.yaml"))...)
	c.Env = append(os.Environ(), "MILLRACE_S3_ACCESS_KEY="+accessKey, "MILLRACE_S3_SECRET_KEY="+secretKey)
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	for _, code := range codes {
		if c.ProcessState != nil && c.ProcessState.ExitCode() == code {
			return out.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("demo: %s ended with %w: %s", args[0], err, bytes.TrimSpace(errs.Bytes()))
}
