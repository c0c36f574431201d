package stream

import (
	"time"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// Kind is what an event says.
type Kind string

// The kinds of events.
const (
	Matched  Kind = "matched"
	Revised  Kind = "revised"
	Overdue  Kind = "overdue"
	Resolved Kind = "resolved"
)

// Event is something that happened to rows.
type Event struct {
	Seq  int64     `json:"seq"` // 1 for the stream's first, then one more each
	Kind Kind      `json:"kind"`
	At   time.Time `json:"at"` // the time of the step or alert
	Outcome
	// Now is what became of the first row, of events revised and resolved: a class, or "removed".
	Now string `json:"now,omitempty"`
}

// Outcome is a match or a break as a stream tells it.
type Outcome struct {
	// BreakID identifies a break: that of the nightly run. "" of a match.
	BreakID string               `json:"break_id,omitempty"`
	Class   reconciliation.Class `json:"class"`
	Base    reconciliation.Class `json:"base,omitempty"` // where a user class replaced it
	Pass    string               `json:"rule,omitempty"`
	Key     string               `json:"key"`
	// Left and Right are the refs of the rows.
	Left  []string `json:"left,omitempty"`
	Right []string `json:"right,omitempty"`
	// AmountLeft and AmountRight are the sums of the rows; "" where there is none.
	AmountLeft  string         `json:"amount_left,omitempty"`
	AmountRight string         `json:"amount_right,omitempty"`
	Currency    string         `json:"currency,omitempty"`   // of the left rows, or else of the right ones
	Difference  *money.Decimal `json:"difference,omitempty"` // left − right of a break
	// Deadline of a break.
	Deadline *time.Time `json:"deadline,omitempty"`
}
