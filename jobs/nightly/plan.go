package nightly

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
)

// Step is one job of a night.
type Step struct {
	Name     string        `json:"name"`
	Job      string        `json:"job"` // ingest, reconcile, features, export or maintain
	After    []string      `json:"after,omitempty"`
	Retries  int           `json:"retries"`
	Backoff  time.Duration `json:"backoff_ns"`         // before the first retry; it doubles, up to an hour
	Timeout  time.Duration `json:"timeout_ns"`         // of an attempt; 0: none
	Deadline string        `json:"deadline,omitempty"` // a time of day such as 06:00; "": none
	GoOn     bool          `json:"go_on,omitempty"`    // the steps after it run although it has findings

	RunIngest bool              `json:"run_ingest,omitempty"` // ingest: run one, instead of waiting for one that runs beside
	Settle    time.Duration     `json:"settle_ns,omitempty"`  // ingest
	Rules     string            `json:"rules,omitempty"`      // reconcile: the rule file's path
	Sides     map[string]string `json:"sides,omitempty"`      // reconcile
	Statement string            `json:"statement,omitempty"`  // reconcile
	Files     time.Duration     `json:"files_ns,omitempty"`   // reconcile: how long it waits for files whose names have the date in them; 0: they are there
	Table     string            `json:"table,omitempty"`      // features, export
	Ledger    bool              `json:"ledger,omitempty"`     // export: the table is the ledger's own, so it is read at the night's cut
	Where     string            `json:"where,omitempty"`      // export
	Tables    []string          `json:"tables,omitempty"`     // maintain
}

// Plan is what a night does. It holds no secret.
type Plan struct {
	Zone     string            `json:"zone"`
	CutOff   string            `json:"cut_off"`
	Deadline string            `json:"deadline,omitempty"` // a time of day; "": none
	Parallel int               `json:"parallel"`           // 0: 1
	Out      string            `json:"out"`                // folder of reports
	Steps    []Step            `json:"steps"`              // each after those that it depends on
	Pins     map[string]string `json:"pins,omitempty"`     // digests of rule files by their path
	Digest   string            `json:"digest"`             // of the project file
}

// Check reports a plan whose steps cannot be put in order, as a fault.Usage.
func (p Plan) Check() error {
	seen := map[string]bool{}
	for _, s := range p.Steps {
		if s.Name == "" || seen[s.Name] {
			return fault.Usagef("nightly: a step has no name, or that of an earlier one: %q", s.Name)
		}
		for _, a := range s.After {
			if !seen[a] {
				return fault.Usagef("nightly: step %s comes after %q, which is no step before it", s.Name, a)
			}
		}
		seen[s.Name] = true
	}
	if len(p.Steps) == 0 {
		return fault.Usagef("nightly: there are no steps")
	}
	return nil
}

// step finds a step by its name.
func (p Plan) step(name string) (Step, bool) {
	i := slices.IndexFunc(p.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return Step{}, false
	}
	return p.Steps[i], true
}

// CatchUp says what becomes of nights that were missed.
type CatchUp string

// The policies.
const (
	RunAll CatchUp = "run_all" // each in order, the latest Settings.MostBack of them
	Latest CatchUp = "latest"  // the latest only
	Skip   CatchUp = "skip"    // none that could not begin within an hour of its time
)

// Settings are what a project file says at one moment.
type Settings struct {
	Plan     Plan
	Texts    map[string]string // rule files by their path, as Plan.Pins has their digests
	Schedule *calendar.Schedule
	Calendar *calendar.Calendar
	Zone     *time.Location
	CatchUp  CatchUp
	MostBack int
	// Run runs steps under these settings.
	Run Runner
	// Channels are told of alerts and of how nights ended.
	Channels []notifyio.Channel
	// Text is all of the settings for people, secrets masked: what the record of a change shows.
	Text string
	// Fixed names what cannot change while a process runs, such as the catalog: a file in which it differs is refused.
	Fixed string
}

// Digest is the hexadecimal SHA-256 of a text.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// cutOff is the end of a business date.
func (s Settings) cutOff(day calendar.Day) time.Time { return instant(s.Plan.CutOff, day, s.Zone) }

// Start is when the night of a business date begins: the schedule's first time at or after its cut-off. false: it never does.
func (s Settings) Start(day calendar.Day) (time.Time, bool) {
	return s.Schedule.Next(s.cutOff(day).Add(-time.Nanosecond), s.Zone, s.Calendar)
}

// deadline is the first instant of a time of day after a night's beginning. false: there is none.
func deadline(clock string, start time.Time, zone *time.Location) (time.Time, bool) {
	c, err := calendar.ParseClock(clock)
	if clock == "" || err != nil {
		return time.Time{}, false
	}
	day := calendar.DayOf(start, zone)
	for {
		if at := calendar.At(day, c, zone); at.After(start) {
			return at, true
		}
		day++
	}
}

// instant is a time of day on a date. A text that is none, which checks refuse, counts as the date's end.
func instant(clock string, day calendar.Day, zone *time.Location) time.Time {
	c, err := calendar.ParseClock(clock)
	if err != nil {
		c = calendar.EndOfDay
	}
	return calendar.At(day, c, zone)
}
