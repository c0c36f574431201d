package demo

import (
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"
)

// print writes the summary for a person.
func (s Summary) print(o Options) {
	t := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format, args...) } // Flush reports
	p("\nlake table\trows\t\n")
	for _, name := range slices.Sorted(maps.Keys(s.Rows)) {
		p("%s\t%d\t\n", name, s.Rows[name])
	}
	_ = t.Flush() // a person's screen
	held := "debits = credits and balances = the sum of their entries at every one of them"
	if len(s.Findings) > 0 {
		held = fmt.Sprintf("%d of them do NOT hold; the first: cut %d: %s", len(s.Findings), s.Findings[0].Cut, s.Findings[0].Reason)
	}
	_, _ = fmt.Fprintf(o.Out, `
source and lake are equal, row by row; %d malformed messages are in quarantine, %d redelivered ones were dropped
%d cuts: %s
%d seconds

Look at it:
  MILLRACE_S3_ACCESS_KEY=demo-key MILLRACE_S3_SECRET_KEY=demo-secret bin/millrace lake serve --dir %s --addr 127.0.0.1:9000
  bin/millrace tables --dir %s
  bin/millrace verify --dir %s
`, s.Quarantine, s.Messages["duplicate"], s.Cuts, held, s.Seconds, o.Dir, o.Dir, o.Dir)
}
