package project_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/sdk/fault"
)

const around = "name: x\nlake: {catalog: 'sqlite://c', warehouse: 'file://w'}\n"

func TestReconcileDefaults(t *testing.T) {
	t.Parallel()
	f, err := project.Parse("m.yaml", []byte(around+`
reconcile:
  statement: {file: cards.csv, table: ledger.entries, key: [reference]}
  balances: {stated: {}}
`), env)
	if err != nil {
		t.Fatal(err)
	}
	s, b := f.Reconcile.Statement, f.Reconcile.Balances
	if s.Rule != "statement" || s.Amount != "amount" || s.Date != "none" || s.Tolerance != "0" || s.Quarantine != 0 || f.Reconcile.Namespace != "reconciliation" {
		t.Errorf("statement %+v", s)
	}
	if b.Movements.Table != "ledger.entries" || b.Stated.Table != "ledger.accounts_changes" || b.Stated.Before != "_before_balance" {
		t.Errorf("balances %+v, %+v", b, b.Stated)
	}
}

func TestMistakesOfReconcile(t *testing.T) {
	t.Parallel()
	for section, want := range map[string]string{
		"statement: {file: a.csv, key: [r]}":                                           "reconcile.statement.table: is required",
		"statement: {table: entries, key: [r]}":                                        `reconcile.statement.table: "entries" is not a table`,
		"statement: {table: l.e, key: [r], tolerance: '1,0'}":                          `reconcile.statement.tolerance: "1,0" is not an amount`,
		"statement: {table: l.e, key: [r], tolerance: '-1'}":                           `reconcile.statement.tolerance: "-1" is not an amount of zero or more`,
		"statement: {table: l.e, key: [r], days: 2}":                                   "reconcile.statement.days: has no effect without a date",
		"statement: {table: l.e, key: [r], days: -2, date: d}":                         "reconcile.statement.days: must not be negative",
		"statement: {table: l.e, key: [r], where: 'channel = '}":                       "reconcile.statement.where: ",
		"statement: {table: l.e, key: [r], columns: {reference: ref}}":                 "reconcile.statement.columns.reference: has no effect",
		"statement: {table: l.e, key: [r], file: 's3://b/f.csv'}":                      "reconcile.statement.file: s3://b/f.csv needs the settings lake.s3",
		"statement: {table: l.e, key: [r], format: xlsx}":                              "csv",
		"statement: {table: l.e, key: [r], format: parquet, delimiter: ';'}":           "reconcile.statement.delimiter: has no effect on Parquet",
		"statement: {table: l.e, key: [r], currency: none, file_currency: EUR}":        "reconcile.statement.file_currency: has no effect",
		"statement: {table: l.e, key: [r], lookup: {table: t, on: [a], columns: [b]}}": `reconcile.statement.lookup.table: "t" is not a table`,
		"balances: {}": "reconcile.balances: says nothing of where balances are stated",
		"balances: {stated: {}, movements: {balance: b}}": "reconcile.balances.movements.balance: has no effect",
		"balances: {stated: {table: accounts}}":           `reconcile.balances.stated.table: "accounts" is not a table`,
		"balances: {stated: {where: '('}}":                "reconcile.balances.stated.where: ",
		"source: true":                                    "reconcile.source: has no effect without a source",
		"namespace: ledger":                               "reconcile.namespace: is the ledger's own",
		"statment: {}":                                    "reconcile.statment: unknown key; did you mean statement?",
	} {
		_, err := project.Parse("m.yaml", []byte(around+"reconcile:\n  "+section+"\n"), env)
		if err == nil || fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "m.yaml:") {
			t.Errorf("%s: want %q in\n%v", section, want, err)
		}
	}
}
