package nightly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/fault"
)

// Status is how a night stands.
type Status string

// How a night stands.
const (
	NightRunning  Status = "running"  // or its runner died, and the next one resumes it
	NightOK       Status = "ok"       // all steps are done
	NightFindings Status = "findings" // all that could run is done, and something was found
	NightFailed   Status = "failed"   // a step failed
	NightSkipped  Status = "skipped"  // a policy left it out
	NightPartial  Status = "partial"  // only some of its steps were asked for, and these are done
)

// over reports whether nothing is left of the night.
func (s Status) over() bool { return s != "" && s != NightRunning && s != NightPartial }

// Reason is why a night is run.
type Reason string

// Why a night is run.
const (
	Scheduled Reason = "scheduled"
	CaughtUp  Reason = "catch_up" // it was missed at its time
	Asked     Reason = "asked"    // by a person
	Backfill  Reason = "backfill" // by a person, for a range
)

// Outcome is how an attempt at a step ended.
type Outcome string

// How an attempt ended.
const (
	StepRunning     Outcome = "running"
	StepOK          Outcome = "ok"
	StepFindings    Outcome = "findings"    // it is done, and found something
	StepFailed      Outcome = "failed"      // by a fault, its time-out or a mistake
	StepInterrupted Outcome = "interrupted" // its runner was told to end
	StepKilled      Outcome = "killed"      // its runner died, as its successor found
	StepBlocked     Outcome = "blocked"     // a step before it keeps it from running
	StepAgain       Outcome = "again"       // no attempt: from here on it counts as not done, because somebody asked for it
)

// done reports whether the step need not run again.
func (o Outcome) done() bool { return o == StepOK || o == StepFindings }

// Night is what was done for one business date.
type Night struct {
	Date      string    `json:"date"`
	Status    Status    `json:"status"`
	Reason    Reason    `json:"reason"`
	Plan      Plan      `json:"plan"`
	Position  Position  `json:"position"`
	Scheduled time.Time `json:"scheduled,omitzero"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
	Runner    string    `json:"runner,omitempty"`
	Token     int64     `json:"token"`
	Resumed   int       `json:"resumed,omitempty"` // how often it was taken up again
	Message   string    `json:"message,omitempty"` // what failed or was found first
}

// Attempt is one run of a step.
type Attempt struct {
	Date     string            `json:"date"`
	Step     string            `json:"step"`
	Attempt  int               `json:"attempt"` // from 1
	Outcome  Outcome           `json:"outcome"`
	Started  time.Time         `json:"started,omitzero"`
	Ended    time.Time         `json:"ended,omitzero"`
	Runner   string            `json:"runner,omitempty"`
	Token    int64             `json:"token"`
	Settings string            `json:"settings,omitempty"` // digest of the project file that it ran with
	Cut      int64             `json:"cut,omitempty"`      // of the lake, that it read or wrote
	Run      string            `json:"run,omitempty"`      // the run's identity, where the job has one
	Verdict  string            `json:"verdict,omitempty"`
	Digests  map[string]string `json:"digests,omitempty"` // of what it read, such as the rule file
	Error    string            `json:"error,omitempty"`
	Report   json.RawMessage   `json:"report,omitempty"` // the job's own
}

// Event is a line of the audit trail, which only grows.
type Event struct {
	Seq    int64           `json:"seq"`
	At     time.Time       `json:"at"`
	Kind   string          `json:"kind"` // settings.changed, settings.refused, night.skipped, step.again, calendar.began, …
	Who    string          `json:"who"`
	Date   string          `json:"date,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

// History is what nights did, in the database that has the lease. It is safe for concurrent use.
type History struct {
	leases *catalog.Leases
	clock  func() time.Time
}

var historyDDL = []string{
	`CREATE TABLE IF NOT EXISTS millrace_nights (catalog_name VARCHAR(255) NOT NULL, business_date VARCHAR(10) NOT NULL, status VARCHAR(20) NOT NULL,
		token BIGINT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (catalog_name, business_date))`,
	`CREATE TABLE IF NOT EXISTS millrace_night_steps (catalog_name VARCHAR(255) NOT NULL, business_date VARCHAR(10) NOT NULL, step VARCHAR(255) NOT NULL,
		attempt INTEGER NOT NULL, outcome VARCHAR(20) NOT NULL, token BIGINT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL, body TEXT NOT NULL,
		PRIMARY KEY (catalog_name, business_date, step, attempt))`,
	`CREATE TABLE IF NOT EXISTS millrace_night_events (seq {serial}, catalog_name VARCHAR(255) NOT NULL, at_ms BIGINT NOT NULL, kind VARCHAR(50) NOT NULL,
		who VARCHAR(1000) NOT NULL, business_date VARCHAR(10) NOT NULL, body TEXT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS millrace_night_alerts (catalog_name VARCHAR(255) NOT NULL, alert_id VARCHAR(64) NOT NULL, at_ms BIGINT NOT NULL,
		business_date VARCHAR(10) NOT NULL, told_ms BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (catalog_name, alert_id))`,
	`CREATE TABLE IF NOT EXISTS millrace_night_texts (catalog_name VARCHAR(255) NOT NULL, digest VARCHAR(64) NOT NULL, body TEXT NOT NULL,
		PRIMARY KEY (catalog_name, digest))`,
}

// historyTables are those that historyDDL makes.
var historyTables = []string{"millrace_nights", "millrace_night_steps", "millrace_night_events", "millrace_night_alerts", "millrace_night_texts"}

// OpenHistory opens the history beside leases, and makes its tables where they are missing. clock is the time of records; nil: time.Now.
func OpenHistory(ctx context.Context, leases *catalog.Leases, clock func() time.Time) (*History, error) {
	if clock == nil {
		clock = time.Now
	}
	if err := leases.Prepare(ctx, historyDDL...); err != nil {
		return nil, fmt.Errorf("open the run history: %w", err)
	}
	return &History{leases: leases, clock: clock}, nil
}

// LookAtHistory opens the history beside leases for reading; it makes nothing. Where no night was run yet: a fault.Usage that is catalog.ErrNotFound.
func LookAtHistory(ctx context.Context, leases *catalog.Leases) (*History, error) {
	for _, name := range historyTables {
		ok, err := leases.Has(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("open the run history: %w", err)
		}
		if !ok {
			return nil, fault.Usagef("open the run history: no night was run yet: %w", catalog.ErrNotFound)
		}
	}
	return &History{leases: leases, clock: time.Now}, nil
}

// writeAttempts is how often a write is tried whose outcome is not known.
const writeAttempts = 6

// write runs a transaction under the lease. What it writes may be written twice: so it is tried again where its outcome is not known.
func (h *History) write(ctx context.Context, l catalog.Lease, do func(tx *catalog.LeaseTx) error) error {
	var err error
	for range writeAttempts {
		if err = h.leases.Fenced(ctx, l, do); err == nil || fault.Of(err) != fault.Retryable || ctx.Err() != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, catalog.ErrLeaseLost) {
		err = fmt.Errorf("write the run history: %w", err)
	}
	return err
}

// append is write without the lease, for what anybody may add: a line whose commit's answer was lost may be there twice.
func (h *History) append(ctx context.Context, do func(tx *catalog.LeaseTx) error) error {
	var err error
	for range writeAttempts {
		if err = h.leases.Append(ctx, do); err == nil || fault.Of(err) != fault.Retryable || ctx.Err() != nil {
			break
		}
	}
	return err
}

// putNight writes a night as it stands.
func (h *History) putNight(ctx context.Context, tx *catalog.LeaseTx, n Night) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO millrace_nights (catalog_name, business_date, status, token, started_ms, ended_ms, body) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (catalog_name, business_date) DO UPDATE SET status = excluded.status, token = excluded.token, started_ms = excluded.started_ms,
		ended_ms = excluded.ended_ms, body = excluded.body`,
		h.leases.Name(), n.Date, string(n.Status), n.Token, millis(n.Started), millis(n.Ended), string(body))
	return err
}

// putAttempt writes an attempt as it stands.
func (h *History) putAttempt(ctx context.Context, tx *catalog.LeaseTx, a Attempt) error {
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO millrace_night_steps (catalog_name, business_date, step, attempt, outcome, token, started_ms, ended_ms, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (catalog_name, business_date, step, attempt) DO UPDATE SET outcome = excluded.outcome,
		token = excluded.token, started_ms = excluded.started_ms, ended_ms = excluded.ended_ms, body = excluded.body`,
		h.leases.Name(), a.Date, a.Step, a.Attempt, string(a.Outcome), a.Token, millis(a.Started), millis(a.Ended), string(body))
	return err
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// putEvent adds a line to the audit trail.
func (h *History) putEvent(ctx context.Context, tx *catalog.LeaseTx, e Event) error {
	if e.Detail == nil {
		e.Detail = json.RawMessage("{}")
	}
	_, err := tx.Exec(ctx, `INSERT INTO millrace_night_events (catalog_name, at_ms, kind, who, business_date, body) VALUES (?, ?, ?, ?, ?, ?)`,
		h.leases.Name(), millis(e.At), e.Kind, e.Who, e.Date, string(e.Detail))
	return err
}

// record adds a line to the audit trail, without the lease: anybody may.
func (h *History) record(ctx context.Context, kind, who, date string, detail any) error {
	body, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("record %s: %w", kind, err)
	}
	return h.append(ctx, func(tx *catalog.LeaseTx) error {
		return h.putEvent(ctx, tx, Event{At: h.clock(), Kind: kind, Who: who, Date: date, Detail: body})
	})
}

// putTexts keeps texts by their digests.
func (h *History) putTexts(ctx context.Context, tx *catalog.LeaseTx, texts map[string]string) error {
	for _, text := range texts {
		if _, err := tx.Exec(ctx, `INSERT INTO millrace_night_texts (catalog_name, digest, body) VALUES (?, ?, ?) ON CONFLICT (catalog_name, digest) DO NOTHING`,
			h.leases.Name(), Digest(text), text); err != nil {
			return err
		}
	}
	return nil
}
