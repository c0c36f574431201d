package reconcile

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// metrics are samples in the text format of Prometheus. Names and labels are stable: dashboards and alerts rely on them.
type metrics struct{ bytes.Buffer }

// family begins a metric, a gauge.
func (m *metrics) family(name, help string) {
	fmt.Fprintf(m, "# HELP millrace_reconcile_%s %s\n# TYPE millrace_reconcile_%s gauge\n", name, help, name)
}

// sample adds a value, already as text so that amounts are exact, with labels as name, value, name, value.
func (m *metrics) sample(name, value string, labels ...string) {
	fmt.Fprintf(m, "millrace_reconcile_%s{", name)
	for i := 0; i+1 < len(labels); i += 2 {
		if i > 0 {
			m.WriteByte(',')
		}
		fmt.Fprintf(m, `%s="%s"`, labels[i], strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(labels[i+1]))
	}
	fmt.Fprintf(m, "} %s\n", value)
}

// seconds writes a duration with its milliseconds.
func seconds(d time.Duration) string {
	ms := d.Milliseconds()
	return fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
}

// writeMetrics replaces the file of metrics whole, as the textfile collector of node_exporter wants it. A run that could not be made leaves only what
// is known of it: that it was not completed.
func (t *teller) writeMetrics(rep *RulesReport, failed error) error {
	m, rules, now := &metrics{}, t.o.Rules.Name, t.clock()
	completed := "1"
	if failed != nil {
		completed = "0"
	}
	m.family("completed", "1 where the last run has a verdict, 0 where it could not be made")
	m.sample("completed", completed, "rules", rules)
	m.family("run_timestamp_seconds", "when the last run ended")
	m.sample("run_timestamp_seconds", seconds(time.Duration(now.UnixMilli())*time.Millisecond), "rules", rules)
	m.family("duration_seconds", "how long the last run took")
	m.sample("duration_seconds", seconds(now.Sub(t.began)), "rules", rules)
	if failed == nil {
		m.outcome(rep)
	}
	return replaceFile(t.o.MetricsFile, m.Bytes())
}

// outcome are the metrics of a run that has its verdict.
func (m *metrics) outcome(rep *RulesReport) {
	m.family("verdict", "1 for the last run's verdict, 0 for the others")
	for _, v := range []Verdict{Pass, Warn, Fail, Incomplete} {
		m.sample("verdict", map[bool]string{true: "1", false: "0"}[v == rep.Verdict], "rules", rep.Rules, "verdict", string(v))
	}
	m.family("rows", "rows of a side")
	for _, s := range rep.Sides {
		m.sample("rows", fmt.Sprint(s.Rows), "rules", rep.Rules, "side", s.Name)
	}
	m.family("quarantined_records", "records of a side that cannot be read")
	for _, s := range rep.Sides {
		m.sample("quarantined_records", fmt.Sprint(s.Quarantined), "rules", rep.Rules, "side", s.Name)
	}
	m.family("matches", "matches of a leg")
	for _, l := range rep.Legs {
		m.sample("matches", fmt.Sprint(l.Matched), "rules", rep.Rules, "leg", l.Name)
	}
	m.family("breaks", "breaks of a leg by class")
	for _, l := range rep.Legs {
		for _, c := range slices.Sorted(maps.Keys(l.Breaks)) {
			m.sample("breaks", fmt.Sprint(l.Breaks[c]), "rules", rep.Rules, "leg", l.Name, "class", string(c))
		}
	}
	m.family("breaks_total", "breaks of all legs")
	m.sample("breaks_total", fmt.Sprint(rep.Total), "rules", rep.Rules)
	m.family("break_difference", "left less right of the rows in breaks")
	for _, l := range rep.Legs {
		for _, c := range l.Controls {
			m.sample("break_difference", c.Breaks.String(), "rules", rep.Rules, "leg", l.Name, "currency", c.Currency)
		}
	}
}

// replaceFile writes a file that is there whole or not at all.
func replaceFile(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".millrace-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // it is gone where all went well
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Chmod(0o644)
	}
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}
