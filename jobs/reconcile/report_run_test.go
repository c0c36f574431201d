package reconcile

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// leave writes breaks.csv as a run does.
func leave(t *testing.T, dir string, breaks ...[]string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, breaksName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := csv.NewWriter(f)
	for _, b := range append([][]string{breakHeader}, breaks...) {
		if err := w.Write(append(b, make([]string, len(breakHeader)-len(b))...)); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		t.Fatal(err)
	}
}

func TestReportOfARun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	five := money.FromInt64(5)
	rep := Report{Run: "r1", Cut: 17, AsOf: "2026-03-31", Verdict: Fail, Breaks: 2,
		Checked: &StatementReport{Rule: "cards", Table: "ledger.entries", Files: []File{{Name: "cards.csv", Bytes: 9, SHA256: "ab"}}, Left: 4, Right: 3, Matched: 3,
			Breaks: ByClass{reconciliation.MissingRight: 1}, Totals: []Totals{{Currency: "EUR", LeftItems: 4, RightItems: 3, LeftMatched: 3, RightMatched: 3, LeftBreaks: 1, Left: five, BreakDifference: five}}},
		Balances: &BalanceReport{Rule: "balances", Days: 1200, Holds: 1199, Unproved: 3, Breaks: ByClass{}},
		Source: &SourceReport{Stream: "kafka", Position: "p9", Rejected: 1, Tables: []SourceCount{{Table: "ledger.entries", Source: map[string]int64{"c": 4000}, Lake: map[string]int64{"c": 4000},
			Rows: &RowCounts{Source: 40, Lake: 39, Matched: 39}}}, Failed: []string{"ledger.entries <b> lacks a row"}}}
	leave(t, dir, []string{"b1", "missing_right", "left", "cards", "A<1>", "5", "", "5", "EUR", "", "", "", "", "", `{"amount":12345678901234567890.50,"ref":null,"text":"<i>"}`}, []string{"b2", "row", "left", "source ledger.entries", "7"})
	if err := WriteReport(t.Context(), dir, rep); err != nil {
		t.Fatal(err)
	}
	page := string(readFile(t, dir, reportName))
	for _, want := range []string{
		"2 breaks: 1 missing right, 1 row. Source and lake differ: ledger.entries &lt;b&gt; lacks a row.", "A&lt;1&gt;", "opening + movements = closing on 1\u202f199 of 1\u202f200 account-days",
		"Breaks of ledger against statement", "Breaks of source against lake", "<td class=\"n\">4\u202f000</td>", "cut of the lake</th><td>17<", "<dd>12345678901234567890.50</dd>", "<dd>&lt;i&gt;</dd>", "cards.csv",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, e := range elements(t, []byte(page)) {
		for _, a := range e.Attr {
			if a.Key == "href" && !strings.Contains(page, ` id="`+strings.TrimPrefix(a.Val, "#")+`"`) {
				t.Errorf("%s leads nowhere", e)
			}
		}
	}
}

// A run that passes says so, and one whose breaks are gone has no page.
func TestReportOfARunWithoutBreaks(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "night")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	before := filepath.Join(filepath.Dir(dir), "before")
	if err := os.MkdirAll(before, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(before, summaryName), []byte(`{"run":"r0","cut":3,"as_of":"2026-03-30","verdict":"fail","breaks":4}`), 0o600); err != nil {
		t.Fatal(err)
	}
	rep := Report{Run: "r1", Cut: 4, AsOf: "2026-03-31", Verdict: Pass, Balances: &BalanceReport{Rule: "balances", Days: 1, Holds: 1}}
	if err := WriteReport(t.Context(), dir, rep); err == nil {
		t.Error("there is a page without breaks.csv")
	}
	leave(t, dir)
	if err := WriteReport(t.Context(), dir, rep); err != nil {
		t.Fatal(err)
	}
	if page := string(readFile(t, dir, reportName)); !strings.Contains(page, "Every check that was made holds.") || !strings.Contains(page, "2026-03-30: 4 fail; 2026-03-31: 0 pass") {
		t.Error("the page does not say that it passes, or how the night before was")
	}
}
