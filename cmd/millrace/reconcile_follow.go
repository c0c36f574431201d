package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/internal/telemetry"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/sdk/fault"
)

// followSides reconciles the sides of a rule file while they grow.
func (x *reconcileFlags) followSides(c *cobra.Command) (err error) {
	for _, f := range []string{"statement", "only", "rows", "quarantine", "metrics-file", "no-matches", "dry-run", "cut"} {
		if c.Flags().Changed(f) {
			return fault.Usagef("--%s has no effect with --follow", f)
		}
	}
	if x.state == "" {
		return fault.Usagef("--follow keeps what it knows of the sides: name a folder with --state")
	}
	r, done, err := x.rulesOptions(c)
	if err != nil {
		return err
	}
	defer done()
	r.At.BusinessDate, r.Out = time.Time{}, "" // tables are followed to their latest snapshots, whatever day the books are of
	o := reconcile.FollowOptions{RulesOptions: r, State: x.state, Events: c.OutOrStdout(), EventsFile: x.out, UntilCaughtUp: x.caughtUp}
	tel, err := telemetry.Start(c.Context(), telemetry.Options{Addr: x.metricsAddr, Lookup: os.LookupEnv, Logger: r.Logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tel.Close(c.Context())) }()
	o.Meter, o.Alive = tel.Meter(), tel.Beat
	rep, err := reconcile.Follow(c.Context(), o)
	if err != nil {
		return err
	}
	if onTerminal(c.OutOrStdout()) {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %s, %d matches, %d breaks\n", rep.Rules, rep.Verdict, rep.Matched, rep.Total)
	} else {
		err = json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{"event": "done", "report": rep})
	}
	if err == nil && x.caughtUp && rep.Verdict == reconcile.Fail {
		var aside int64
		for _, n := range rep.Quarantined {
			aside += n
		}
		if aside > 0 {
			return fault.Findingsf("%d breaks, and %d records that cannot be read", rep.Total, aside)
		}
		return fault.Findingsf("%d breaks", rep.Total)
	}
	return err
}
