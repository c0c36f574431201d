package life

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Kind says what happened.
type Kind string

// The kinds of events. Those of a run have no user; all others need one.
const (
	// Opened, Reopened, ClassChanged, AutoResolved, Superseded and Escalated are a run's, of one case each; Reopened and Escalated may be a user's too.
	Opened       Kind = "opened"
	Reopened     Kind = "reopened"
	ClassChanged Kind = "class_changed"
	AutoResolved Kind = "auto_resolved" // the break is not found any more
	Superseded   Kind = "superseded"    // its rows have changed: other cases continue it
	Escalated    Kind = "escalated"     // its deadline has passed, or a user says so
	// PolicySet are the limits that a run's rules state, where they differ from those before.
	PolicySet Kind = "policy_set"
	// SeenAgain ends the events of a run: all cases that are open then were found in it.
	SeenAgain Kind = "seen_again"

	Assigned         Kind = "assigned"
	Commented        Kind = "commented"
	MatchProposed    Kind = "match_proposed"
	WriteOffProposed Kind = "write_off_proposed"
	Approved         Kind = "approved"
	Rejected         Kind = "rejected"
	Unmatched        Kind = "unmatched"          // an approved match is undone
	WriteOffReversed Kind = "write_off_reversed" // an approved write-off is undone

	// Signed is a person's signature under a run, as its preparer or its reviewer.
	Signed Kind = "signed"

	// RulesKept keeps the text of a version of the rules with which a run was made, where nobody had proposed it.
	RulesKept     Kind = "rules_kept"
	RulesProposed Kind = "rules_proposed"
	RulesApproved Kind = "rules_approved"
	RulesRejected Kind = "rules_rejected"
)

// ofRun are the kinds that a run may write, without a user.
var ofRun = map[Kind]bool{Opened: true, Reopened: true, ClassChanged: true, AutoResolved: true, Superseded: true, Escalated: true, PolicySet: true, RulesKept: true, SeenAgain: true}

// ofUser are the kinds that a user may write.
var ofUser = map[Kind]bool{Reopened: true, Escalated: true, Assigned: true, Commented: true, MatchProposed: true, WriteOffProposed: true, Approved: true,
	Rejected: true, Unmatched: true, WriteOffReversed: true, RulesProposed: true, RulesApproved: true, RulesRejected: true, Signed: true}

// Break is what a case is about, as the night found it.
type Break struct {
	Class string `json:"class"`
	Leg   string `json:"leg,omitempty"`
	Side  string `json:"side,omitempty"` // left, right or both
	Key   string `json:"key,omitempty"`
	// Difference is left less right, as a decimal; "" where there is no such number.
	Difference string `json:"difference,omitempty"`
	Currency   string `json:"currency,omitempty"`
	// Account is what the limits of write-offs of one account go by; "" where the rules name no column for it.
	Account string `json:"account,omitempty"`
}

// Event is what happened. Which fields are set depends on its kind; a field that its kind does not use is empty.
type Event struct {
	Seq  int64     `json:"seq"`  // 1 for the first
	Prev string    `json:"prev"` // the hash of the event before: 64 hex digits, of zeros before the first
	At   time.Time `json:"at"`   // UTC, to the microsecond
	Kind Kind      `json:"kind"`
	By   string    `json:"by,omitempty"` // the user; "" for a run
	// Rules is the reconciliation's name, as the rule file has it.
	Rules string `json:"rules,omitempty"`
	// Cases are the identities of the cases, one but for matches of several.
	Cases  []string `json:"cases,omitempty"`
	Night  string   `json:"night,omitempty"`  // of a run: the day of which its books are
	Run    string   `json:"run,omitempty"`    // its identity; of Signed too
	Break  *Break   `json:"break,omitempty"`  // of Opened and ClassChanged
	First  string   `json:"first,omitempty"`  // of Opened: the first night
	Others []string `json:"others,omitempty"` // of Opened: the cases that it continues; of Superseded: those that continue it
	// Owner and Deadline are of Assigned, and of Opened where a case continues another.
	Owner    string `json:"owner,omitempty"`
	Deadline string `json:"deadline,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// Proposal is the event that is approved, rejected or undone.
	Proposal int64 `json:"proposal,omitempty"`
	// Version is the SHA-256 of the rule file, Text the file, of RulesProposed and RulesKept.
	Version string `json:"version,omitempty"`
	Text    string `json:"text,omitempty"`
	// Effective is the first night of a version that is proposed; "" for any.
	Effective string  `json:"effective,omitempty"`
	Policy    *Policy `json:"policy,omitempty"`
	// Role is what a person signs as, Digest the SHA-256 of the run's summary that he signs.
	Role   string `json:"role,omitempty"`
	Digest string `json:"digest,omitempty"`
	// Seen counts the cases that are open at the end of a run, and SeenDigest is the SHA-256 of their identities, sorted, a line each.
	Seen       int64  `json:"seen,omitempty"`
	SeenDigest string `json:"seen_digest,omitempty"`
}

// Record is an event as it is stored.
type Record struct {
	Seq        int64
	Prev, Hash string // 64 hex digits each
	Body       []byte // the event's canonical encoding
}

// noHash stands before the first event.
const noHash = "0000000000000000000000000000000000000000000000000000000000000000"

// Encode is the canonical encoding of an event: JSON without blanks, fields in the order of the type, empty ones left out. Its SHA-256 is the event's hash.
func (e *Event) Encode() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("life: encode event %d: %w", e.Seq, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// Decode reads what Encode wrote. Any other text is an error, also one that means the same: an event has one encoding.
func Decode(body []byte) (*Event, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	e := new(Event)
	if err := dec.Decode(e); err != nil {
		return nil, fmt.Errorf("life: event is not readable: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("life: event has more text after its end")
	}
	same, err := e.Encode()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(same, body) {
		return nil, fmt.Errorf("life: event is not in its canonical encoding")
	}
	return e, nil
}

// HashOf is the hash of an encoding: SHA-256 in hex.
func HashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
