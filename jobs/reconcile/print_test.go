package reconcile_test

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/reconciliation"
)

func TestPrint(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	err := reconcile.Print(&b, reconcile.Report{Run: "r1", Cut: 7, AsOf: "2026-01-05", Verdict: reconcile.Fail, Breaks: 3, Again: true,
		Checked: &reconcile.StatementReport{Rule: "cards", Table: "ledger.entries", Files: []reconcile.File{{Name: "cards.csv"}}, Left: 10, Right: 9, Matched: 8, Quarantined: 1, FirstReject: "cards.csv:3: amount",
			Breaks: reconcile.ByClass{reconciliation.MissingRight: 2}, Totals: []reconcile.Totals{{Currency: "EUR", Left: cent(t), Right: cent(t)}}},
		Balances: &reconcile.BalanceReport{Rule: "balances", Days: 5, Holds: 3, Unproved: 1, Breaks: reconcile.ByClass{reconciliation.Opening: 1}},
		Source: &reconcile.SourceReport{Stream: "bank", Failed: []string{"entries: short"}, Tables: []reconcile.SourceCount{{Table: "entries", Source: map[string]int64{"c": 4}, Lake: map[string]int64{"c": 3},
			Rows: &reconcile.RowCounts{Lake: 3, Matched: 3}}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"cards: 10 rows of ledger.entries against 9 of cards.csv, 8 pairs match\n", "  1 records cannot be read; the first: cards.csv:3: amount\n",
		"  missing_right  2  on the left only\n", "     EUR    0.01       0.01                 0          0            0",
		"balances: 5 account-days, 3 hold, 1 lie before the first balance stated\n", "  opening  1  the opening is not the prior closing\n",
		"  entries  4 events  3 in the lake  0 control totals  3 rows, 3 equal\n", "  differs: entries: short\n",
		"FAIL: 3 breaks at cut 7 as of 2026-01-05 (run r1; this run was in the lake already)\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("missing %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := reconcile.Print(&b, reconcile.Report{Verdict: reconcile.Incomplete, Source: &reconcile.SourceReport{Gap: "offset 7 is gone"}}); err != nil || !strings.Contains(b.String(), "not proved: offset 7 is gone") {
		t.Errorf("%v: %s", err, b.String())
	}
}
