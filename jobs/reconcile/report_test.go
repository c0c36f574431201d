package reconcile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/net/html"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/storage"
)

const reportRules = `
name: cards <b>&
reports: [parquet, xlsx, json]
sides:
  - name: ledger
    columns: {reference: {}, amount: {}, currency: {}, date: {}, text: {}}
  - name: bank
    columns: {reference: {}, amount: {}, currency: {}, date: {}, text: {}}
timing: [{side: ledger, within: 3}]
passes:
  - {name: exact, keys: [reference], dates: {date: {}}}
`

// hostile texts must neither become elements of the page nor formulas.
var hostile = []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `=HYPERLINK("http://evil.example","x")`, `@SUM(1+1)`, `</svg><script>`, `{{.}}`, "a`b${1}"}

// runReport runs the rules over two sides of CSV, each without its header.
func runReport(t testing.TB, rules, out, asOf, left, right string) (RulesReport, error) {
	t.Helper()
	dir := t.TempDir()
	for name, rows := range map[string]string{"ledger.csv": left, "bank.csv": right} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("reference,amount,currency,date,text\n"+rows), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := rulefile.Parse(filepath.Join(dir, "rules.yaml"), []byte(rules), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	o := RulesOptions{Rules: f, Text: []byte(rules), Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}, Out: out,
		Sides:  map[string]string{"ledger": filepath.Join(dir, "ledger.csv"), "bank": filepath.Join(dir, "bank.csv")},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if asOf != "" {
		if o.AsOf, err = reconciliation.ParseDay(asOf); err != nil {
			t.Fatal(err)
		}
	}
	return RunRules(t.Context(), o)
}

func hostileRows() string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	for i, text := range hostile {
		_ = w.Write([]string{text, fmt.Sprintf("%d.50", i+1), "EUR", "2026-01-05", text}) // into memory
	}
	w.Flush()
	return b.String()
}

func readFile(t testing.TB, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// elements of a page, with their attributes.
func elements(t *testing.T, page []byte) (out []html.Token) {
	t.Helper()
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if z.Err() != io.EOF {
				t.Fatal(z.Err())
			}
			return out
		case html.StartTagToken, html.SelfClosingTagToken:
			out = append(out, z.Token())
		}
	}
}

// What rows hold shows as text: it makes no element, no script, no style, no address.
func TestThePageEscapesWhatRowsHold(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "night")
	if _, err := runReport(t, reportRules, out, "2026-03-31", hostileRows(), ""); err != nil {
		t.Fatal(err)
	}
	page := readFile(t, out, reportName)
	known := regexp.MustCompile(`^(html|head|meta|title|style|body|header|h1|h2|h3|span|p|ul|li|b|nav|a|div|table|caption|tr|th|td|br|section|figure|svg|desc|line|text|rect|circle|details|summary|dl|dt|dd|pre|thead|tbody|tfoot|strong|em|code|ol|time)$`)
	ids := map[string]bool{}
	for _, e := range elements(t, page) {
		if !known.MatchString(e.Data) {
			t.Errorf("the page has an element %s", e)
		}
		for _, a := range e.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "src", a.Key == "href" && !strings.HasPrefix(a.Val, "#"):
				t.Errorf("the page has %s", e)
			case a.Key == "id" && ids[a.Val]:
				t.Errorf("two elements have the id %s", a.Val)
			case a.Key == "id":
				ids[a.Val] = true
			}
		}
	}
	for _, e := range elements(t, page) {
		for _, a := range e.Attr {
			for _, id := range strings.Fields(a.Val) {
				if a.Key == "href" && !ids[strings.TrimPrefix(id, "#")] || a.Key == "aria-labelledby" && !ids[id] {
					t.Errorf("%s leads nowhere", e)
				}
			}
		}
	}
	for _, text := range hostile {
		if !strings.Contains(html.UnescapeString(string(page)), text) {
			t.Errorf("the page does not show %q", text)
		}
	}
}

func TestMoreReports(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "night")
	rep, err := runReport(t, reportRules, out, "2026-03-31", hostileRows()+"A1,1234567890123456.78,EUR,2026-01-05,long\n", "B1,0.10,EUR,2026-03-30,short\n")
	if err != nil || rep.Verdict != Fail {
		t.Fatal(rep.Verdict, err)
	}
	rows, err := csv.NewReader(bytes.NewReader(readFile(t, out, breaksName))).ReadAll()
	if err != nil || int64(len(rows)) != rep.Total+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	lines := bufio.NewScanner(bytes.NewReader(readFile(t, out, breaksJSON)))
	for _, want := range rows[1:] {
		if !lines.Scan() {
			t.Fatal("breaks.ndjson is short")
		}
		var got map[string]any
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for i, name := range ruleBreakHeader {
			text, ok := got[name].(string)
			if _, isRows := got[name].([]any); !isRows && text != want[i] || ok != (want[i] != "") && !isRows {
				t.Errorf("breaks.ndjson has %v for %s, want %q", got[name], name, want[i])
			}
		}
	}
	book, err := excelize.OpenFile(filepath.Join(out, breaksXLSX))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := book.GetRows("breaks", excelize.Options{RawCellValue: true})
	if err != nil || len(cells) != len(rows) {
		t.Fatalf("breaks.xlsx has %d rows, %v", len(cells), err)
	}
	for r := range rows {
		for c, want := range rows[r] {
			if c < len(cells[r]) && cells[r][c] != want || c >= len(cells[r]) && want != "" {
				t.Errorf("breaks.xlsx row %d %s: want %q in %q", r, rows[0][c], want, cells[r])
			}
		}
	}
	store, err := localio.Open(out, localio.Options{})
	if err != nil {
		t.Fatal(err)
	}
	schema, err := parquetio.Infer(t.Context(), store, breaksParquet, parquetio.Options{})
	if err != nil || schema.NumFields() != len(ruleBreakHeader) || schema.Field(5).Type.String() != "decimal(38, 2)" {
		t.Fatalf("breaks.parquet: %v, %v", schema, err)
	}

	// Reports that are not asked for any more do not stay behind.
	if _, err := runReport(t, strings.Replace(reportRules, "reports: [parquet, xlsx, json]\n", "", 1), out, "2026-03-31", "", ""); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil || len(left) != 4 {
		t.Errorf("%q, %v", left, err)
	}
}

// The page of many breaks stays small, and says how many it does not show.
func TestThePageStaysSmall(t *testing.T) {
	t.Parallel()
	var rows strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&rows, "R%05d,%d.00,EUR,2026-01-05,%s\n", i, i+1, strings.Repeat("long text ", 60))
	}
	out := filepath.Join(t.TempDir(), "night")
	if _, err := runReport(t, reportRules, out, "2026-03-31", rows.String(), ""); err != nil {
		t.Fatal(err)
	}
	page := readFile(t, out, reportName)
	if len(page) > 2<<20 || !bytes.Contains(page, []byte("and 3\u202f800 more in breaks.csv")) || !bytes.Contains(page, []byte("(all of it is in breaks.csv)")) {
		t.Errorf("%d bytes", len(page))
	}
}

// The trend has earlier nights of the same rules, and does not change when a night is run again.
func TestTrend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func(day, left string) []byte {
		t.Helper()
		if _, err := runReport(t, reportRules, filepath.Join(dir, day), day, left, ""); err != nil {
			t.Fatal(err)
		}
		return readFile(t, filepath.Join(dir, day), reportName)
	}
	first := run("2026-01-05", "A,1.00,EUR,2025-12-01,x\n")
	run("2026-01-06", "")
	if err := os.MkdirAll(filepath.Join(dir, "other"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other", summaryName), []byte("{not JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	third := string(run("2026-01-07", "A,1.00,EUR,2026-01-07,x\n"))
	if !strings.Contains(third, `<desc id="trend-d">2026-01-05: 1 fail; 2026-01-06: 0 pass; 2026-01-07: 1 warn</desc>`) {
		t.Errorf("the trend is missing:\n%s", regexp.MustCompile(`<desc id="trend.*`).FindString(third))
	}
	if again := run("2026-01-05", "A,1.00,EUR,2025-12-01,x\n"); !bytes.Equal(first, again) {
		t.Error("a night that is run again has another page")
	}
}

// The page shows the rules without their secrets, and who has signed.
func TestThePageKeepsSecrets(t *testing.T) {
	t.Parallel()
	rules := reportRules + `
notify:
  - webhook: {url: "http://127.0.0.1:1/t0ken", secret: s3cret}
  - email: {server: "mail.example.com:587", username: u, password: p4ssword, from: a@example.com, to: [b@example.com]}
`
	f, err := rulefile.Parse("rules.yaml", []byte(rules), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	rep := RulesReport{Rules: "cards", Verdict: Pass}
	p, err := newPage(&RulesOptions{Rules: f, Out: t.TempDir(), SignOffs: []SignOff{{"reviewer", "R. Novák <b>", "2026-04-01", "agreed", "c0ffee"}}}, &rep)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := p.render(&b); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"t0ken", "s3cret", "p4ssword", "<b>&#39;", "name and signature"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("the page shows %q", secret)
		}
	}
	for _, shown := range []string{"mail.example.com:587", "R. Novák &lt;b&gt;", "agreed"} {
		if !strings.Contains(b.String(), shown) {
			t.Errorf("the page does not show %q", shown)
		}
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rep  RulesReport
		want string
	}{
		{RulesReport{Verdict: Pass, Matched: 1}, "1 match, nothing is left over on any side, and no difference of amounts is unexplained."},
		{RulesReport{Verdict: Warn, Total: 2, Breaks: ByClass{reconciliation.TimingDifference: 2}, Legs: []LegReport{{Verdict: Warn}}},
			"2 breaks: 2 timing. All of them are rows that are not due on the other side yet."},
		{RulesReport{Verdict: Fail, Total: 1300, Breaks: ByClass{reconciliation.Amount: 100, reconciliation.MissingLeft: 1200}, Legs: []LegReport{{Verdict: Fail}}},
			"1\u202f300 breaks: 1\u202f200 missing left, 100 amount."},
		{RulesReport{Verdict: Fail, Sides: []SideReport{{Name: "bank", Quarantined: 3}}}, "3 records of side bank cannot be read and are set aside."},
		{RulesReport{Verdict: Fail, Matched: 5, Legs: []LegReport{{Verdict: Pass}}}, "A proof or a limit that is stated below does not hold."},
	} {
		if got := c.rep.reason(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestGrouped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "-": "-", "7": "7", "1234": "1\u202f234", "-1234567.8900": "−1\u202f234\u202f567.8900", "12a4": "12a4", "100": "100", "2026-01-05": "2026-01-05"} {
		if got := grouped(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// BenchmarkPage is the page of 50,000 breaks.
func BenchmarkPage(b *testing.B) {
	p := &page{RulesReport: &RulesReport{}, Pages: []*legPage{{LegReport: &LegReport{Name: "a-b", AsOf: "2026-03-31"}, ID: "leg1", ages: make([]int64, len(ages))}}}
	for b.Loop() {
		for i := range 50_000 {
			if err := p.add(&ruleBreak{ID: "x", Leg: "a-b", Class: "amount", AmountLeft: fmt.Sprintf("%d.00", i), CurrencyLeft: "EUR", DateLeft: "2026-01-05"}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
