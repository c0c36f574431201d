package nightly_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/jobs/nightly"
)

func TestWhatPeopleRead(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 1, 30, 0, 0, time.UTC)
	night := nightly.Night{Date: "2026-11-23", Status: nightly.NightFindings, Reason: nightly.Scheduled, Started: at, Ended: at.Add(90 * time.Second),
		Position: nightly.Position{Cut: 7}, Message: "step proof: 3 breaks"}
	attempts := []nightly.Attempt{{Step: "ingest", Attempt: 1, Outcome: nightly.StepOK, Started: at, Ended: at.Add(time.Second), Cut: 7},
		{Step: "proof", Attempt: 2, Outcome: nightly.StepRunning, Started: at, Run: "r1"}}
	var b bytes.Buffer
	for _, err := range []error{
		nightly.PrintStatus(&b, nightly.Standing{Holder: "ops@a/1", Left: 20 * time.Second, Night: &night, Attempts: attempts, Next: []nightly.Upcoming{{Date: "2026-11-24", Start: at.Add(24 * time.Hour)}}}),
		nightly.PrintStatus(&b, nightly.Standing{}),
		nightly.PrintNights(&b, []nightly.Night{night}),
		nightly.PrintEvents(&b, []nightly.Event{{At: at, Kind: "settings.changed", Who: "ops@a/1", Detail: []byte(`{"before":"1"}`)}}),
		nightly.PrintAlerts(&b, []nightly.Alert{{At: at, Status: notifyio.Fail, Text: "the night of 2026-11-23 is not done at its deadline"}}),
		nightly.PrintUpcoming(&b, []nightly.Upcoming{{Date: "2026-11-24", CutOff: at, Start: at, Deadline: at}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []nightly.Progress{
		{Event: "night", Date: "2026-11-23", Status: "scheduled", At: at}, {Event: "step", Step: "proof", Attempt: 1, At: at}, {Event: "step", Step: "proof", Attempt: 2, At: at},
		{Event: "step.done", Step: "proof", Status: "failed", Message: "no answer", Took: 1234 * time.Millisecond, At: at}, {Event: "night.done", Date: "2026-11-23", Status: "ok", Took: time.Minute, At: at},
	} {
		b.WriteString(nightly.Line(p) + "\n")
	}
	const want = `ops@a/1 runs a night (its lease ends in 20s unless it is renewed)
the night of 2026-11-23: findings step proof: 3 breaks
next: 2026-11-24 at 2026-11-25T01:30:00Z
STEP    ATTEMPT  OUTCOME  BEGAN                 TOOK  CUT  RUN
ingest  1        ok       2026-11-24 01:30:00Z  1s    7
proof   2        running  2026-11-24 01:30:00Z  -     0    r1
nobody runs a night
DATE        STATUS    WHY        BEGAN                 TOOK   CUT  RESUMED
2026-11-23  findings  scheduled  2026-11-24 01:30:00Z  1m30s  7    0        step proof: 3 breaks
AT                    WHAT              WHO      DATE  DETAIL
2026-11-24 01:30:00Z  settings.changed  ops@a/1        {"before":"1"}
AT                    STATUS  ALERT
2026-11-24 01:30:00Z  fail    the night of 2026-11-23 is not done at its deadline
DATE        CUT-OFF               START                 DEADLINE
2026-11-24  2026-11-24 01:30:00Z  2026-11-24 01:30:00Z  2026-11-24 01:30:00Z
01:30:00  night of 2026-11-23 (scheduled)
01:30:00    proof …
01:30:00    proof, attempt 2 …
01:30:00    proof: failed in 1.2s: no answer
01:30:00  night of 2026-11-23: ok in 1m0s
`
	var lines []string
	for line := range strings.SplitSeq(b.String(), "\n") {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("%s", got)
	}
}
