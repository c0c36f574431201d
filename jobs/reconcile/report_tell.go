package reconcile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/connectors/lineageio"
	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/fault"
)

// Events that are told.
const (
	// EventFinished is a run that has its verdict.
	EventFinished = "reconciliation.finished"
	// EventFailed is a run that could not be made: its status is fail.
	EventFailed = "reconciliation.failed"
)

// teller tells the world of a run: by the rules' notifications, as lineage, and as metrics.
type teller struct {
	o        *RulesOptions
	channels []notifyio.Channel
	lineage  *lineageio.Emitter
	clock    func() time.Time
	began    time.Time
	id       string // of the lineage's run
}

func newTeller(o *RulesOptions) (*teller, error) {
	if o.Rules == nil || o.Stores == nil {
		return nil, fault.Usagef("rules and stores are required")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	t := &teller{o: o, clock: o.Clock}
	if t.clock == nil {
		t.clock = time.Now
	}
	t.began = t.clock()
	var err error
	if t.channels, err = notifyio.Open(o.Rules.Notify, notifyio.Options{Clock: t.clock}); err != nil {
		return nil, err
	}
	config := o.Lineage
	if o.Rules.Lineage != nil {
		config = o.Rules.Lineage
	}
	if config != nil {
		here := *config
		here.File = o.Rules.Path(here.File)
		if t.lineage, err = lineageio.New(here); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// ended tells how a run has ended. The run's own error comes back; where not all who want to know could be told, that is an error too, never silent. A
// run that somebody stopped is told to nobody: who stopped it knows.
func (t *teller) ended(ctx context.Context, rep *RulesReport, failed error) error {
	if failed != nil && errors.Is(context.Cause(ctx), context.Canceled) {
		return failed
	}
	ctx = context.WithoutCancel(ctx) // a run that ran out of time is told all the same
	t.lineageEnd(ctx, rep, failed)
	out := failed
	if t.o.MetricsFile != "" {
		if err := t.writeMetrics(rep, failed); err != nil {
			out = errors.Join(out, fmt.Errorf("reconcile: write metrics to %s: %w", t.o.MetricsFile, err))
		}
	}
	m, err := t.message(rep, failed)
	if err == nil {
		err = notifyio.Send(ctx, t.channels, m)
	}
	if err != nil { // %v: a place that may be tried again is no reason to run again
		out = errors.Join(out, fmt.Errorf("reconcile: the run has ended (%s), but not everybody was told: %v", m.Status, err))
	}
	return out
}

// message says how a run has ended.
func (t *teller) message(rep *RulesReport, failed error) (m notifyio.Message, err error) {
	name := t.o.Rules.Name
	if failed != nil {
		id := sha256.Sum256([]byte(name + "\x00" + string(t.o.Text) + "\x00" + fmt.Sprint(t.o.AsOf) + "\x00" + failed.Error()))
		m = notifyio.Message{ID: hex.EncodeToString(id[:16]), Event: EventFailed, Status: notifyio.Fail, Subject: name + ": the run failed",
			Text: "The reconciliation " + name + " could not be made; its books are not proved.\n\n" + failed.Error() + "\n"}
		m.Data, err = json.Marshal(struct {
			Rules string `json:"rules"`
			Error string `json:"error"`
		}{name, failed.Error()})
		return m, err
	}
	m = notifyio.Message{ID: rep.Run, Event: EventFinished, Status: statusOf(rep.Verdict)}
	m.Subject = fmt.Sprintf("%s: %s", name, strings.ToUpper(string(rep.Verdict)))
	if rep.Total > 0 {
		m.Subject += ", " + counted(rep.Total, "break")
	}
	if rep.AsOf != "" {
		m.Subject += ", as of " + rep.AsOf
	}
	told := mail{RulesReport: rep, Subject: m.Subject, Reason: rep.reason(), Out: t.o.Out}
	m.Text = told.text()
	if m.HTML, err = told.html(); err != nil {
		return m, err
	}
	m.Data, err = json.Marshal(told.data())
	return m, err
}

// statusOf is a verdict as channels know it: what is neither pass nor warn is told like a fail.
func statusOf(v Verdict) notifyio.Status {
	switch v {
	case Pass:
		return notifyio.Pass
	case Warn:
		return notifyio.Warn
	}
	return notifyio.Fail
}

// mail is what a message says of a run.
type mail struct {
	*RulesReport
	Subject, Reason, Out string
}

func (m mail) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", m.Subject, m.Reason)
	for _, l := range m.Legs {
		fmt.Fprintf(&b, "\n%s against %s: %s\n", l.Left, l.Right, strings.ToUpper(string(l.Verdict)))
		for _, c := range l.Controls {
			fmt.Fprintf(&b, "  %s: %s - %s = %s within tolerances + %s in breaks + %s unexplained\n", c.Currency, c.Left, c.Right, c.Matched, c.Breaks, c.Unexplained)
		}
	}
	fmt.Fprintf(&b, "\nrun %s, rules %s\n", m.Run, m.SHA256)
	if m.Out != "" {
		fmt.Fprintf(&b, "report: %s/%s\n", strings.TrimSuffix(m.Out, "/"), reportName)
	}
	return b.String()
}

// mailTemplate is parsed once.
var mailTemplate = sync.OnceValues(func() (*template.Template, error) {
	return template.New("mail").Funcs(template.FuncMap{"num": func(v any) string { return grouped(fmt.Sprint(v)) }, "upper": func(v Verdict) string { return strings.ToUpper(string(v)) }}).
		Parse(`<!doctype html><html lang="en"><body style="font:15px/1.5 sans-serif;color:#1f2430">
<h1 style="font-size:1.3em">{{.Subject}}</h1><p>{{.Reason}}</p>
{{range .Legs}}<h2 style="font-size:1em">{{.Left}} against {{.Right}}: {{upper .Verdict}}</h2>
<table cellpadding="4" style="border-collapse:collapse"><tr align="right"><th align="left">currency</th><th>{{.Left}}</th><th>{{.Right}}</th><th>within tolerances</th><th>in breaks</th><th>unexplained</th></tr>
{{range .Controls}}<tr align="right"><td align="left">{{.Currency}}</td><td>{{num .Left}}</td><td>{{num .Right}}</td><td>{{num .Matched}}</td><td>{{num .Breaks}}</td><td>{{num .Unexplained}}</td></tr>
{{end}}</table>{{end}}
<p>Run {{.Run}}, rules {{.SHA256}}.{{with .Out}} Report: {{.}}/report.html{{end}}</p></body></html>
`)
})

func (m mail) html() (string, error) {
	t, err := mailTemplate()
	if err != nil {
		return "", fmt.Errorf("read the template of mails: %w", err)
	}
	m.Out = strings.TrimSuffix(m.Out, "/")
	var b bytes.Buffer
	if err := t.Execute(&b, m); err != nil {
		return "", fmt.Errorf("write mail: %w", err)
	}
	return b.String(), nil
}

// data is for machines: the report without the lists of files.
func (m mail) data() any {
	return struct {
		Run     string      `json:"run"`
		Rules   string      `json:"rules"`
		SHA256  string      `json:"rules_sha256"`
		AsOf    string      `json:"as_of,omitempty"`
		Verdict Verdict     `json:"verdict"`
		Reason  string      `json:"reason"`
		Matched int64       `json:"matched"`
		Breaks  ByClass     `json:"breaks"`
		Total   int64       `json:"breaks_total"`
		Legs    []LegReport `json:"legs"`
	}{m.Run, m.Rules, m.SHA256, m.AsOf, m.Verdict, m.Reason, m.Matched, m.Breaks, m.Total, m.Legs}
}

// location of a side's files, "" where it is none.
func location(o *RulesOptions, side *rulefile.Side) string {
	if given := o.Sides[side.Name]; given != "" {
		return given
	}
	return o.Rules.Path(side.File)
}
