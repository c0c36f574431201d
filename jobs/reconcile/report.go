package reconcile

import (
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
)

// Verdict says whether a run passes.
type Verdict string

// The verdicts.
const (
	Pass Verdict = "pass" // every check holds
	Fail Verdict = "fail" // there are breaks, failed proofs or quarantined records
	// Warn is for a run whose only breaks are rows that are not due on the other side yet.
	Warn Verdict = "warn"
	// Incomplete is for a run without breaks that could not prove everything: the source no longer holds all events.
	Incomplete Verdict = "incomplete"
)

// Report is the outcome of a run.
type Report struct {
	Run      string           `json:"run"` // its identity: 32 hex digits
	Cut      int64            `json:"cut"` // of the lake
	AsOf     string           `json:"as_of,omitempty"`
	Verdict  Verdict          `json:"verdict"`
	Breaks   int64            `json:"breaks"` // of all checks
	Again    bool             `json:"-"`      // the lake had this run already
	Checked  *StatementReport `json:"statement,omitempty"`
	Balances *BalanceReport   `json:"balances,omitempty"`
	Source   *SourceReport    `json:"source,omitempty"`
}

// ByClass counts breaks.
type ByClass map[reconciliation.Class]int64

// total is the number of breaks in all classes.
func (b ByClass) total() (n int64) {
	for c, k := range b {
		if c.IsBreak() {
			n += k
		}
	}
	return n
}

// StatementReport is the outcome of comparing the ledger (left) with a statement (right).
type StatementReport struct {
	Rule        string   `json:"rule"`
	Table       string   `json:"table"`
	Files       []File   `json:"files"`
	Left        int64    `json:"left_items"`
	Right       int64    `json:"right_items"`
	Matched     int64    `json:"matched"` // pairs
	Breaks      ByClass  `json:"breaks"`
	Quarantined int64    `json:"quarantined"` // records that could not be read
	FirstReject string   `json:"first_reject,omitempty"`
	Totals      []Totals `json:"totals"`
}

// File is a file of a statement.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Totals are one currency's control totals. Unexplained is Left − Right − MatchedDifference − BreakDifference.
type Totals struct {
	Currency          string        `json:"currency"`
	LeftItems         int64         `json:"left_items"`
	RightItems        int64         `json:"right_items"`
	LeftMatched       int64         `json:"left_matched"`
	RightMatched      int64         `json:"right_matched"`
	LeftBreaks        int64         `json:"left_breaks"`
	RightBreaks       int64         `json:"right_breaks"`
	Left              money.Decimal `json:"left"`
	Right             money.Decimal `json:"right"`
	MatchedDifference money.Decimal `json:"matched_difference"` // what tolerances let pass
	BreakDifference   money.Decimal `json:"break_difference"`
	Unexplained       money.Decimal `json:"unexplained"`
}

// BalanceReport is the outcome of proving balances.
type BalanceReport struct {
	Rule     string  `json:"rule"`
	Days     int64   `json:"days"`     // account-days
	Holds    int64   `json:"holds"`    // of these
	Unproved int64   `json:"unproved"` // before the first balance stated
	Breaks   ByClass `json:"breaks"`
}

// SourceReport is the outcome of comparing the change stream with the lake.
type SourceReport struct {
	Stream string `json:"stream"`
	// Position is how far the lake, and so the comparison, goes.
	Position string `json:"position"`
	// Gap says what the stream no longer holds; "" if it holds everything. Nothing is then compared, or, where Expired
	// is not 0, the events that follow it; never rows.
	Gap      string        `json:"gap,omitempty"`
	Expired  int64         `json:"expired,omitempty"` // events that the lake has, and the stream no more
	Rejected int64         `json:"rejected"`          // events that cannot be decoded: in the stream
	Dead     int64         `json:"dead_letters"`
	Tables   []SourceCount `json:"tables"`
	Breaks   ByClass       `json:"breaks,omitempty"` // row by row
	Failed   []string      `json:"failed,omitempty"` // what counts and totals show, in words
}

// SourceCount is one table's events on both sides.
type SourceCount struct {
	Table   string                   `json:"table"`
	Source  map[string]int64         `json:"source"`                    // events by operation
	Lake    map[string]int64         `json:"lake"`                      // rows of the change log by operation, but for expired ones; empty without history
	Summary map[string]int64         `json:"lake_summary"`              // what the snapshots' summaries add up to: inserts, updates, deletes
	Partial bool                     `json:"summary_partial,omitempty"` // some snapshots are expired, so that the summaries are not compared
	Control map[string]ControlTotals `json:"control,omitempty"`
	Rows    *RowCounts               `json:"rows,omitempty"` // row by row
}

// ControlTotals are one control total on both sides.
type ControlTotals struct {
	Source money.Decimal `json:"source"`
	Lake   money.Decimal `json:"lake"`
}

// RowCounts are what comparing row by row found.
type RowCounts struct {
	Source  int64 `json:"source"` // keys whose last event is no delete
	Lake    int64 `json:"lake"`   // rows of the mirror
	Matched int64 `json:"matched"`
}
