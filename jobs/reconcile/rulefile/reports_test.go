package rulefile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
)

// What a rule file says of reports, of who is told and of lineage comes as it stands, with its defaults, and secrets from the environment.
func TestReportsAndNotify(t *testing.T) {
	t.Parallel()
	env := map[string]string{"HOOK_SECRET": "s3cret", "SMTP_PASSWORD": "p4ss"}
	f, err := rulefile.Parse("rules.yaml", []byte(cards+`
reports: [parquet, xlsx]
notify:
  - {webhook: {url: "https://hooks.example.com/x", secret: "${HOOK_SECRET}"}}
  - on: warn
    email: {server: "smtp.example.com:587", username: u, password: "${SMTP_PASSWORD}", from: a@example.com, to: [b@example.com], retry: {attempts: 2}}
lineage: {url: "http://marquez:5000"}
`), func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	hook, mail := f.Notify[0], f.Notify[1]
	if hook.On != notifyio.OnFail || hook.Webhook.Secret != "s3cret" {
		t.Errorf("%+v", hook)
	}
	if mail.On != notifyio.OnWarn || mail.Email.Password != "p4ss" || mail.Email.Security != "starttls" || mail.Email.Retry.Attempts != 2 || mail.Email.Retry.Timeout != 10*time.Second {
		t.Errorf("%+v", mail.Email)
	}
	if f.Lineage.Namespace != "millrace" || f.Lineage.Endpoint != "api/v1/lineage" || strings.Join(f.Reports, " ") != "parquet xlsx" {
		t.Errorf("%+v", f.Lineage)
	}
}

// Mistakes are told with their line, all at once.
func TestReportAndSideMistakes(t *testing.T) {
	t.Parallel()
	text := strings.Replace(cards, "    file: ledger.csv\n", "    file: ledger.csv\n    format: fixed\n", 1)
	text = strings.Replace(text, "  - name: bank\n", "  - name: bank\n    quarantine: 1\n    database: {url: \"postgres://h/d\", query: DROP TABLE t, ref: []}\n", 1)
	_, err := rulefile.Parse("rules.yaml", []byte(text+`
reports: [json, json]
notify: [{on: fail}]
lineage: {file: a, url: b}
`), none)
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{
		"rules.yaml:6:13: sides[0].format: fixed needs the key fixed", "rules.yaml:14:15: sides[1].database: format, csv, fixed and quarantine have no effect on a query",
		"sides[1].database: the query must be one SELECT", "sides[1].database.ref: name the columns that tell rows apart",
		"rules.yaml:29:17: reports[1]: is named twice", "rules.yaml:30:10: notify[0]: a channel is a webhook or an email", "rules.yaml:31:10: lineage: give a url or a file",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}
