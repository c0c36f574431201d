// Package life keeps what becomes of breaks over nights: a state machine over cases, fed by events that are chained by hashes.
//
// Nouns. A Case is one break over the nights on which it is found; its identity is the break's (reconciliation.Settlement.ID). An Event is what
// happened to cases, to a night or to a version of the rules: who, when, what and why. A Record is an event as it is stored: its number, its
// canonical encoding and hashes. A State is what all events up to one make. A Proposal is a manual match or a write-off that waits for a second
// person. An Anchor is the number of events and the hash of the last, to be kept elsewhere.
//
// Invariants:
//   - State is a function of the events alone: replaying them gives the same state.
//   - Nothing is deleted. A match or write-off that was wrong is undone by an event, which is kept beside what it undoes.
//   - Whoever proposes cannot approve; names are compared without blanks around and regardless of case. Rejecting one's own proposal withdraws it.
//   - Write-offs that are approved or wait for approval never exceed the limits that stood when they were proposed, and none is approved
//     beyond the limits that stand then.
//   - A case's first night never becomes later: not by carrying over, resolving, reopening, nor where its rows change.
//   - A record holds the SHA-256 of its own encoding, and the encoding that of the one before, so that none can be changed, removed,
//     inserted or moved without all after it; that the last ones are missing is told by an anchor.
//
// Rows that change. A break whose rows change has another identity. Where a break is new in the same night as one with the same leg and key is
// gone, the new case continues the old one: it has its first night, owner and deadline, and the old one is superseded, naming the new. A case
// that was matched or written off is settled as it was: what its key brings later is a case of its own.
//
// Which period a write-off counts in is told by the last recorded night, not by the time that its event states.
//
// Errors: what the machine does not allow is a fault.Usage that says why; a chain that does not hold is a *BrokenError, which names the first
// event that does not follow.
//
// Not guaranteed: that a user is who a name says. Whoever can write the log's table and its anchors can write another chain.
package life
