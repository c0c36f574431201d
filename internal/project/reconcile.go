package project

import (
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/money"
)

// Reconcile says what the nightly proof compares.
type Reconcile struct {
	Namespace string              `yaml:"namespace" default:"reconciliation" doc:"namespace of the tables runs and breaks in the lake"`
	Statement *ReconcileStatement `yaml:"statement" doc:"a table of the ledger against an external statement, movement by movement"`
	Balances  *ReconcileBalances  `yaml:"balances" doc:"opening + movements = closing, and opening = prior closing, by account and day"`
	Source    bool                `yaml:"source" doc:"the change stream, read again, against the tables that were ingested from it"`
}

// ReconcileStatement compares a table (left) with a statement's file (right). Column names are
// those of the table; columns says where the file's names differ.
type ReconcileStatement struct {
	Rule       string            `yaml:"rule" default:"statement" doc:"the rule's name: part of every break's identity, so keep it"`
	File       string            `yaml:"file" doc:"path, file:// or s3:// location of the statement; its last part may be a pattern such as cards-*.csv; or give --statement"`
	Format     string            `yaml:"format" default:"auto" enum:"auto|csv|parquet" doc:"auto: by the file's name"`
	Table      string            `yaml:"table" required:"true" doc:"the lake's side, such as ledger.entries"`
	Lookup     *ReconcileLookup  `yaml:"lookup" doc:"columns of another table that the table's rows need, such as a reference"`
	Where      string            `yaml:"where" doc:"which of the table's rows are expected on the statement, such as channel = 'card' and amount < 0"`
	Key        []string          `yaml:"key" required:"true" doc:"columns that identify a movement on both sides"`
	Amount     string            `yaml:"amount" default:"amount" doc:"column of the amount"`
	Currency   string            `yaml:"currency" default:"currency" doc:"column of the currency; none: neither side has one"`
	Date       string            `yaml:"date" default:"none" doc:"column of the date, or of a time, of which the day counts; none: dates are not compared"`
	Row        []string          `yaml:"row" doc:"columns that tell the table's rows apart; default its key"`
	Columns    map[string]string `yaml:"columns" doc:"the file's name of a column where it differs, as value_date: settled_on"`
	Tolerance  string            `yaml:"tolerance" default:"0" doc:"largest difference of amounts that still matches, such as 0.01"`
	Days       int               `yaml:"days" default:"0" doc:"largest difference of dates that still matches, in calendar days"`
	Negate     bool              `yaml:"negate" doc:"the statement's signs are the other way round"`
	CurrencyIs string            `yaml:"file_currency" doc:"the currency of all of the statement, where no column of it says one"`
	Show       []string          `yaml:"show" doc:"columns of the table that breaks carry along"`
	ShowFile   []string          `yaml:"show_file" doc:"columns of the file that breaks carry along"`
	Quarantine int64             `yaml:"quarantine" default:"0" doc:"most records that may be set aside because they cannot be read; 0 refuses the statement at the first"`
	Delimiter  string            `yaml:"delimiter" doc:"character between a CSV file's fields; default a comma"`
	Encoding   string            `yaml:"encoding" default:"utf-8" enum:"utf-8|latin-1" doc:"how a CSV file's text is encoded"`
	SkipLines  int               `yaml:"skip_lines" default:"0" doc:"lines before a CSV file's header"`
	Decimal    string            `yaml:"decimal_mark" doc:"character before decimals; default a point"`
	Group      string            `yaml:"group_mark" doc:"character between thousands, which is dropped"`
	DateLayout string            `yaml:"date_layout" doc:"how a CSV file writes dates, as Go's layout 02.01.2006; default 2006-01-02"`
}

// ReconcileLookup joins another table by columns of the same names.
type ReconcileLookup struct {
	Table   string   `yaml:"table" required:"true" doc:"the other table, such as ledger.transactions"`
	On      []string `yaml:"on" required:"true" doc:"columns by which it is joined"`
	Columns []string `yaml:"columns" required:"true" doc:"columns to bring along"`
}

// ReconcileBalances says where movements and balances are.
type ReconcileBalances struct {
	Rule      string             `yaml:"rule" default:"balances" doc:"the rule's name: part of every break's identity, so keep it"`
	Movements ReconcileMovements `yaml:"movements" doc:"the movements"`
	Stated    *ReconcileStated   `yaml:"stated" doc:"where balances are stated; without it the movements' own column balance is"`
}

// ReconcileMovements says where movements are.
type ReconcileMovements struct {
	Table   string `yaml:"table" default:"ledger.entries" doc:"the table of movements"`
	Account string `yaml:"account" default:"account_id" doc:"column: whose movement it is"`
	Amount  string `yaml:"amount" default:"amount" doc:"column: the signed amount"`
	Date    string `yaml:"date" default:"booked_at" doc:"column: the business day, a date or a time"`
	Balance string `yaml:"balance" doc:"column: the balance after the movement, where no other table states balances; the order within a day does not matter"`
	Where   string `yaml:"where" doc:"which rows count"`
}

// ReconcileStated says where balances are stated.
type ReconcileStated struct {
	Table   string   `yaml:"table" default:"ledger.accounts_changes" doc:"the table that states balances: a change log, or any other"`
	Account string   `yaml:"account" default:"account_id" doc:"column: whose balance it is"`
	Balance string   `yaml:"balance" default:"balance" doc:"column: the balance after"`
	Before  string   `yaml:"before" default:"_before_balance" doc:"column: the balance before; none: the prior closing is the opening"`
	Date    string   `yaml:"date" default:"updated_at" doc:"column: the business day, a date or a time"`
	Order   []string `yaml:"order" doc:"columns by which the statements of a day follow one another; default _committed_at, _offset"`
	Op      string   `yaml:"op" default:"_op" doc:"column of a change log that says c where an account begins; none: the table is no change log"`
	Where   string   `yaml:"where" doc:"which rows count"`
}

// checkReconcile finds the mistakes of the section reconcile.
func (f *File) checkReconcile(say sayer) {
	r := f.Reconcile
	if r.Namespace == f.Ingest.Namespace && f.where["reconcile.namespace"] != [2]int{} {
		say("reconcile.namespace", "is the ledger's own")
	}
	if r.Source && f.Source == nil {
		say("reconcile.source", "has no effect without a source")
	}
	if r.Statement != nil {
		f.checkStatement(r.Statement, say)
	}
	if b := r.Balances; b != nil {
		f.checkBalances(b, say)
	}
}

func (f *File) checkStatement(s *ReconcileStatement, say sayer) {
	const at = "reconcile.statement."
	table := func(path, name string) {
		if name != "" && !isTableName(name) {
			say(at+path, "%q is not a table; write namespace.name", name)
		}
	}
	table("table", s.Table)
	if s.Lookup != nil {
		table("lookup.table", s.Lookup.Table)
	}
	if strings.Contains(s.File, "://") {
		f.checkLocation(at+"file", s.File, say)
	}
	checkWhere(at+"where", s.Where, say)
	if d, err := money.Parse(s.Tolerance); s.Tolerance != "" && (err != nil || d.Sign() < 0) {
		say(at+"tolerance", "%q is not an amount of zero or more; write it as 0.01", s.Tolerance)
	}
	for _, n := range []struct {
		path  string
		value int64
	}{{"days", int64(s.Days)}, {"quarantine", s.Quarantine}, {"skip_lines", int64(s.SkipLines)}} {
		if n.value < 0 {
			say(at+n.path, "must not be negative")
		}
	}
	if s.Days > 0 && s.Date == "none" {
		say(at+"days", "has no effect without a date")
	}
	if s.CurrencyIs != "" && s.Currency == "none" {
		say(at+"file_currency", "has no effect: the table has no currency")
	}
	used := slices.Concat(s.Key, []string{s.Amount, s.Currency, s.Date})
	for _, name := range slices.Sorted(maps.Keys(s.Columns)) {
		if !slices.Contains(used, name) {
			say(at+"columns."+name, "has no effect: %s is neither a key nor the amount, the currency or the date", name)
		}
	}
	if s.Format == "parquet" {
		for _, n := range []struct {
			path string
			set  bool
		}{{"delimiter", s.Delimiter != ""}, {"skip_lines", s.SkipLines > 0}, {"decimal_mark", s.Decimal != ""}, {"group_mark", s.Group != ""},
			{"date_layout", s.DateLayout != ""}, {"quarantine", s.Quarantine > 0}} {
			if n.set {
				say(at+n.path, "has no effect on Parquet")
			}
		}
	}
}

func checkWhere(path, text string, say sayer) {
	if text == "" {
		return
	}
	if _, err := expr.Parse(text); err != nil {
		say(path, "%v", err)
	}
}

func (f *File) checkBalances(b *ReconcileBalances, say sayer) {
	const at = "reconcile.balances."
	m := b.Movements
	if m.Table != "" && !isTableName(m.Table) {
		say(at+"movements.table", "%q is not a table; write namespace.name", m.Table)
	}
	checkWhere(at+"movements.where", m.Where, say)
	switch {
	case b.Stated == nil && m.Balance == "":
		say("reconcile.balances", "says nothing of where balances are stated; write stated: {} for those of ledger.accounts_changes, or movements.balance")
	case b.Stated != nil && m.Balance != "":
		say(at+"movements.balance", "has no effect where stated says another table")
	}
	s := b.Stated
	if s == nil {
		return
	}
	if s.Table != "" && !isTableName(s.Table) {
		say(at+"stated.table", "%q is not a table; write namespace.name", s.Table)
	}
	checkWhere(at+"stated.where", s.Where, say)
	if name, ok := strings.CutSuffix(baseName(s.Table), "_changes"); ok && strings.HasPrefix(s.Table, f.Ingest.Namespace+".") {
		if t, known := f.Ingest.Tables[name]; known && !t.History {
			say(at+"stated.table", "is not kept: set history of ingest.tables.%s", name)
		}
	}
}
