package demo

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/millrace/millrace/sdk/reconciliation"
)

// print writes the summary for a person.
func (s Summary) print(o Options) {
	s.Rows[featuresTable] = s.Night.Features.Rows
	t := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	say(t, "\nlake table\trows\t\n")
	for _, name := range slices.Sorted(maps.Keys(s.Rows)) {
		say(t, "%s\t%d\t\n", name, s.Rows[name])
	}
	_ = t.Flush() // a person's screen
	say(o.Out, "\nSource and lake are equal, row by row, in every column; %d malformed messages are in quarantine,\n%d redelivered ones were dropped.\n",
		s.Quarantine, s.Messages["duplicate"])
	if len(s.Findings) > 0 {
		say(o.Out, "%d of %d cuts do NOT hold; the first: cut %d: %s\n", len(s.Findings), s.Cuts, s.Findings[0].Cut, s.Findings[0].Reason)
	} else {
		say(o.Out, "%d cuts: at every one debits = credits, and each balance = the sum of its entries.\n", s.Cuts)
	}
	s.printNight(o.Out)
	say(o.Out, look, s.Seconds, o.Dir)
}

// printNight writes what the night found.
func (s Summary) printNight(out io.Writer) {
	n := s.Night
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	say(t, "\nledger against statement\t\t\nmatched\t%d\t\n", n.Proof.Checked.Matched)
	for _, class := range reconciliation.Classes() {
		if k := n.Proof.Checked.Breaks[class]; k > 0 {
			say(t, "%s\t%d\t\n", inWords(class), k)
		}
	}
	_ = t.Flush() // a person's screen
	say(out, "\nThese are the differences that were planted, and no other. Breaks explain every cent:\n")
	for _, c := range n.Proof.Checked.Totals {
		say(t, "%s\tledger\t%s\tstatement\t%s\tunexplained\t%s\t\n", c.Currency, c.Left, c.Right, c.Unexplained)
	}
	_ = t.Flush() // a person's screen
	say(out, "Opening + movements = closing on each of %d account-days.\n", n.Proof.Balances.Holds)
	a := n.Account
	say(out, `
account %v at the end of %v
  balance                   %v %[4]v
  inflow of 30 days         %[5]v %[4]v
  largest debit of 90 days  %[6]v %[4]v

%[7]d rows of features left the lake; their files are what the manifest says:
  %[8]s
`, a["account_id"], a["as_of_date"], a["balance"], a["currency"], a["inflow_30d"], a["largest_debit_90d"], n.Export.Manifest.Rows, n.Export.Location)
}

// inWords is a class of breaks where the left side is the ledger and the right one the statement.
func inWords(c reconciliation.Class) string {
	switch c {
	case reconciliation.MissingLeft:
		return "on the statement only"
	case reconciliation.MissingRight:
		return "in the ledger only"
	case reconciliation.Amount, reconciliation.Date, reconciliation.Currency:
		return "other " + string(c)
	}
	return string(c)
}

// say writes to a person's screen; where that is gone, so is whoever would read an error.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// look says how to go on.
const look = `
%[1]d seconds. Look at it:
  bin/millrace tables --dir %[2]s
  bin/millrace show features.account_daily --dir %[2]s --limit 5
  less -S %[2]s/reconciliation/breaks.csv

With DuckDB, while the lake is served:
  MILLRACE_S3_ACCESS_KEY=reader MILLRACE_S3_SECRET_KEY=reader-secret bin/millrace lake serve --dir %[2]s --addr 127.0.0.1:9000 &
  duckdb < %[2]s/look.sql
`

// lookSQL is a script for DuckDB; %[1]s and so on are the tables' metadata.
const lookSQL = `-- What the demo left, with DuckDB, while "millrace lake serve --addr 127.0.0.1:9000" serves it.
INSTALL httpfs; INSTALL avro; INSTALL iceberg;
LOAD httpfs; LOAD avro; LOAD iceberg;
CREATE SECRET (TYPE s3, KEY_ID 'reader', SECRET 'reader-secret', REGION 'us-east-1', ENDPOINT '127.0.0.1:9000', URL_STYLE 'path', USE_SSL false);

-- Debits = credits.
SELECT currency, count(*) AS entries, sum(amount) AS total FROM iceberg_scan('%[1]s') GROUP BY currency ORDER BY currency;

-- Each balance is the sum of its entries: no row.
SELECT account_id, a.balance, coalesce(sum(e.amount), 0) AS entries FROM iceberg_scan('%[2]s') a
LEFT JOIN iceberg_scan('%[1]s') e USING (account_id) GROUP BY account_id, a.balance HAVING a.balance <> coalesce(sum(e.amount), 0);

-- The largest overdrafts on the last day.
SELECT account_id, currency, balance, inflow_30d, outflow_30d, days_since_credit FROM iceberg_scan('%[3]s')
WHERE as_of_date = (SELECT max(as_of_date) FROM iceberg_scan('%[3]s')) ORDER BY balance LIMIT 5;
`

// writeLook leaves the script in the demo's folder.
func writeLook(ctx context.Context, o Options) error {
	var list struct {
		Tables []struct{ Table, Metadata string }
	}
	if err := o.verb(ctx, &list, "tables", "--json"); err != nil {
		return err
	}
	files := map[string]string{}
	for _, t := range list.Tables {
		files[t.Table] = t.Metadata
	}
	text := fmt.Sprintf(lookSQL, files["ledger.entries"], files["ledger.accounts"], files[featuresTable])
	if err := os.WriteFile(filepath.Join(o.Dir, lookName), []byte(text), 0o644); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}
