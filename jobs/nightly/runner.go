package nightly

import (
	"context"
	"encoding/json"
	"time"

	"github.com/millrace/millrace/sdk/calendar"
)

// Task is one attempt at a step.
type Task struct {
	Step     Step
	Date     calendar.Day      // the business date
	Prior    calendar.Day      // the business date before it
	CutOff   time.Time         // the date's end
	Midnight bool              // the cut-off is 24:00
	Zone     string            // where the date is
	Position Position          // Cut is 0 until a step or the runner has found it
	Texts    map[string]string // rule files by their path, as the night began with them
	Out      string            // folder for the step's reports of this date
	Attempt  int
}

// Result is what an attempt did.
type Result struct {
	// Findings says that the step is done and found breaks or failed checks; Message is the first.
	Findings bool
	Message  string
	// Position is set by a step that found it: the steps after it, and a resumed night, read it.
	Position *Position
	Cut      int64
	Run      string // the run's identity
	Verdict  string
	Digests  map[string]string
	Report   json.RawMessage
}

// Runner runs attempts. It must be harmless to run a step twice, also while a runner that was stopped still runs it. When ctx ends it ends what it
// runs, and returns. An error that is fault.Usage is not tried again.
type Runner interface {
	Run(ctx context.Context, t Task) (Result, error)
	// Locate finds the position that a night's steps read where none of them finds it: that of the task's cut-off where its step is the plan's
	// ingest, without waiting for it; else the lake's latest. A position without a cut: there is no lake.
	Locate(ctx context.Context, t Task) (Position, error)
}
