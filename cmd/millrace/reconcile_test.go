package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/laketest"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/jobs/reconcile"
)

// TestReconcile goes the way of a night: a statement that differs, one that agrees, and what a wrong command says.
func TestReconcile(t *testing.T) {
	t.Parallel()
	dir, truth := laketest.Bank(t, ledgergen.Config{Seed: 9, Accounts: 30, Days: 5, Clean: true})
	file := filepath.Join(dir, "millrace.yaml")
	section := `
reconcile:
  statement:
    file: cards.csv
    table: ledger.entries
    lookup: {table: ledger.transactions, on: [transaction_id], columns: [reference]}
    where: channel = 'card' and amount < 0
    key: [reference]
    date: value_date
    columns: {value_date: settled_on}
    tolerance: "0.01"
    days: 6
  balances: {stated: {}}
  source: true
`
	project, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	project = bytes.Replace(project, []byte("reconcile: {balances: {stated: {}}}\n"), []byte(section), 1)
	if err := os.WriteFile(file, project, 0o600); err != nil {
		t.Fatal(err)
	}
	line(t, 2, "cards.csv", "reconcile", "-p", file)
	var cards bytes.Buffer
	if _, err := ledgergen.WriteStatement(&cards, truth, 1); err != nil {
		t.Fatal(err)
	}
	put := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "cards.csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(cards.String() + "XX1,1,-5.00,EUR,2026-01-02\n")
	out := filepath.Join(t.TempDir(), "night")
	line(t, 1, "breaks at cut", "reconcile", "-p", file, "--out", out, "--rows")
	data, err := os.ReadFile(filepath.Join(out, "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rep reconcile.Report
	if err := json.Unmarshal(data, &rep); err != nil {
		t.Fatal(err)
	}
	if rep.Verdict != reconcile.Fail || rep.Breaks == 0 || rep.Checked.Breaks["missing_left"] == 0 || rep.Balances.Holds != rep.Balances.Days || len(rep.Source.Failed) > 0 {
		t.Errorf("%s", data)
	}
	for _, name := range []string{"breaks.csv", "matches.parquet", "report.html"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	line(t, 0, `"verdict":"pass"`, "reconcile", "-p", file, "--only", "balances,source", "--rows", "--dry-run")
	line(t, 0, `"verdict":"pass"`, "reconcile", "--dir", dir, "--only", "balances")
	line(t, 0, `"as_of":"2026-01-02"`, "reconcile", "--dir", dir, "--only", "balances", "--as-of", "2026-01-02")
	put(strings.Replace(cards.String(), "\n", "\nRF1,1,ten,EUR,2026-01-02\n", 1))
	line(t, 2, "cards.csv:2: ", "reconcile", "--dir", dir, "--only", "statement")
	line(t, 1, `"quarantined":1`, "reconcile", "--dir", dir, "--only", "statement", "--quarantine", "3")
	for want, args := range map[string][]string{
		"a date such as":           {"--as-of", "yesterday"},
		"excludes --cut":           {"--as-of", "2026-01-02", "--cut", "3"},
		`"sources" is not a check`: {"--only", "sources"},
		"needs --project":          {"--only", "source"},
		"--rows has no effect":     {"--rows"},
	} {
		line(t, 2, want, append([]string{"reconcile", "--dir", dir}, args...)...)
	}
}
