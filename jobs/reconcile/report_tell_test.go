package reconcile

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// inbox is a receiver of webhooks and of lineage, by path.
type inbox struct {
	mu     sync.Mutex
	bodies map[string][]map[string]any
	status int
}

func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var m map[string]any
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil || r.URL.Path == "/hook" && !notifyio.Verify([]byte("k3y"), r.Header, body) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bodies[r.URL.Path] = append(b.bodies[r.URL.Path], m)
	if b.status != 0 {
		w.WriteHeader(b.status)
	}
}

func newInbox(t *testing.T) (*inbox, string) {
	t.Helper()
	b := &inbox{bodies: map[string][]map[string]any{}}
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	return b, s.URL
}

// telling are rules that tell of a run.
func telling(url, on string) string {
	return reportRules + `
notify:
  - {on: ` + on + `, webhook: {url: "` + url + `/hook", secret: k3y, retry: {attempts: 2, backoff: 1ms}}}
lineage: {url: "` + url + `"}
`
}

func TestARunTellsHowItEnded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, on, left string
		subject        string // of the webhook, "" for none
	}{
		{"breaks", "fail", "A,1.00,EUR,2025-12-01,x\n", "cards <b>&: FAIL, 1 break, as of 2026-03-31"},
		{"nothing to tell", "fail", "", ""},
		{"always", "always", "", "cards <b>&: PASS, as of 2026-03-31"},
		{"timing is a warning", "warn", "A,1.00,EUR,2026-03-31,x\n", "cards <b>&: WARN, 1 break, as of 2026-03-31"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, url := newInbox(t)
			rep, err := runReport(t, telling(url, c.on), filepath.Join(t.TempDir(), "night"), "2026-03-31", c.left, "")
			if err != nil {
				t.Fatal(err)
			}
			hooks := b.bodies["/hook"]
			if c.subject == "" {
				if len(hooks) != 0 {
					t.Errorf("told %v", hooks)
				}
			} else if len(hooks) != 1 || hooks[0]["subject"] != c.subject || hooks[0]["id"] != rep.Run || hooks[0]["event"] != EventFinished ||
				hooks[0]["data"].(map[string]any)["verdict"] != string(rep.Verdict) {
				t.Errorf("told %v", hooks)
			}
			events := b.bodies["/api/v1/lineage"]
			if len(events) != 2 || events[0]["eventType"] != "START" || events[1]["eventType"] != "COMPLETE" || len(events[1]["inputs"].([]any)) != 2 || len(events[1]["outputs"].([]any)) != 4 {
				t.Errorf("lineage %v", events)
			}
		})
	}
}

// A place that cannot be told is an error beside the verdict; the run's files are there.
func TestNotToldIsNeverSilent(t *testing.T) {
	t.Parallel()
	b, url := newInbox(t)
	b.status = http.StatusServiceUnavailable
	out := filepath.Join(t.TempDir(), "night")
	rep, err := runReport(t, telling(url, "always"), out, "2026-03-31", "", "")
	if err == nil || rep.Run == "" || rep.Verdict != Pass || fault.Of(err) != fault.Fault ||
		!strings.Contains(err.Error(), "the run has ended (pass), but not everybody was told: notify webhook "+url+": given up after 2 attempts: answered 503") {
		t.Fatalf("%v: %v", rep.Run, err)
	}
	if len(readFile(t, out, summaryName)) == 0 {
		t.Error("the run left nothing")
	}
}

// A run that cannot be made is told as a fail, and keeps its own kind of error.
func TestARunThatCannotBeMadeIsTold(t *testing.T) {
	t.Parallel()
	b, url := newInbox(t)
	_, err := runReport(t, telling(url, "fail"), filepath.Join(t.TempDir(), "night"), "2026-03-31", "A,twenty,EUR,2025-12-01,x\n", "")
	if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "twenty") {
		t.Fatal(err)
	}
	hooks, events := b.bodies["/hook"], b.bodies["/api/v1/lineage"]
	if len(hooks) != 1 || hooks[0]["event"] != EventFailed || hooks[0]["status"] != "fail" || !strings.Contains(hooks[0]["text"].(string), "twenty") {
		t.Errorf("told %v", hooks)
	}
	if len(events) != 2 || events[1]["eventType"] != "FAIL" {
		t.Errorf("lineage %v", events)
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	rep, err := runReport(t, reportRules, "", "2026-03-31", "A,1234.50,EUR,2025-12-01,x\n", "")
	if err != nil {
		t.Fatal(err)
	}
	m := mail{RulesReport: &rep, Subject: "cards <b>&: FAIL", Reason: rep.reason(), Out: "night/"}
	text := m.text()
	for _, want := range []string{"cards <b>&: FAIL\n\n1 break: 1 missing right.\n", "EUR: 1234.50 - 0.00 = 0.00 within tolerances + 1234.50 in breaks + 0.00 unexplained", "report: night/report.html"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	page, err := m.html()
	if err != nil || strings.Contains(page, "<b>&") || !strings.Contains(page, "1\u202f234.50") {
		t.Errorf("%s, %v", page, err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "millrace.prom")
	began := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	te := &teller{o: &RulesOptions{Rules: &rulefile.File{Name: `a "b"`}, MetricsFile: file}, began: began, clock: func() time.Time { return began.Add(1500 * time.Millisecond) }}
	amount, err := money.Parse("-12345678901234567.89")
	if err != nil {
		t.Fatal(err)
	}
	rep := RulesReport{Rules: `a "b"`, Verdict: Fail, Total: 2, Sides: []SideReport{{Name: "bank", Rows: 7, Quarantined: 1}},
		Legs: []LegReport{{Name: "l", Matched: 5, Breaks: ByClass{reconciliation.Amount: 2}, Controls: []ControlReport{{Currency: "EUR", Breaks: amount}}}}}
	if err := te.writeMetrics(&rep, nil); err != nil {
		t.Fatal(err)
	}
	text := string(readFile(t, filepath.Dir(file), "millrace.prom"))
	for _, want := range []string{
		`millrace_reconcile_completed{rules="a \"b\""} 1`, `millrace_reconcile_run_timestamp_seconds{rules="a \"b\""} 1774958401.500`, `millrace_reconcile_duration_seconds{rules="a \"b\""} 1.500`,
		`millrace_reconcile_verdict{rules="a \"b\"",verdict="fail"} 1`, `millrace_reconcile_verdict{rules="a \"b\"",verdict="pass"} 0`, `millrace_reconcile_rows{rules="a \"b\"",side="bank"} 7`,
		`millrace_reconcile_quarantined_records{rules="a \"b\"",side="bank"} 1`, `millrace_reconcile_matches{rules="a \"b\"",leg="l"} 5`,
		`millrace_reconcile_breaks{rules="a \"b\"",leg="l",class="amount"} 2`, `millrace_reconcile_breaks_total{rules="a \"b\""} 2`,
		`millrace_reconcile_break_difference{rules="a \"b\"",leg="l",currency="EUR"} -12345678901234567.89`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if families, err := parser.TextToMetricFamilies(strings.NewReader(text)); err != nil || len(families) != 10 {
		t.Errorf("%d families, %v", len(families), err)
	}
	if err := te.writeMetrics(&rep, errors.New("no file")); err != nil {
		t.Fatal(err)
	}
	if text := string(readFile(t, filepath.Dir(file), "millrace.prom")); !strings.Contains(text, "completed{rules=\"a \\\"b\\\"\"} 0\n") || strings.Contains(text, "_verdict") {
		t.Errorf("a run that failed:\n%s", text)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}
