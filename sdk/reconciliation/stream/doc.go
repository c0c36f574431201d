// Package stream settles two sides by the rules of package reconciliation while their rows still come.
//
// Nouns. A [Stream] takes rows of both sides in any order ([Stream.Put], [Stream.Remove]). [Stream.Step] settles what has changed, and [Stream.Alert]
// says what is late; both give [Event]s. A row's deadline is when the other side should have it: a stated wait after it came ([Options].Wait), or else the
// end of the day on which it is due by the rules' timing, or else the end of the last day that the windows of the passes allow. A break's deadline is the
// earliest of its rows'.
//
// # Kinds of events
//
//   - [Matched]: rows match.
//   - [Revised]: what was told holds no longer, because a row came later that changes it: a match whose rows are now matched otherwise or broken (Now says
//     what became of its first row), or an overdue break of the same rows that has another class.
//   - [Overdue]: the deadline of a break has passed. It is told once.
//   - [Resolved]: an overdue break is none any more; Now says what became of its first row.
//
// Matches and breaks that were not overdue yet come and go while rows come: a match is provisional until nothing more can come.
//
// Invariants. After a step the outcomes are those of reconciliation.Settle over the rows that are there, whatever the order in which they came
// ([Stream.Outcomes]). Every match that was told and never revised, and every overdue break that was never resolved, is one of them. The same calls
// give the same events with the same numbers: a journal of the calls is all that has to be kept, and [Stream.MarshalBinary] shortens it.
//
// A step costs what the groups cost that it touches: rows that have keys of passes in common. By rules whose first pass pairs rows by a key
// (Rules.Sifts) one row with one of a key that match are a group for themselves. A pass without keys puts all other rows into one group. Memory
// holds the rows of open groups, and settled groups for [Options].Retain after they were settled.
//
// What is not guaranteed: a row that comes when the group of its key is forgotten already is a row of its own: the nightly run, which sees all rows, calls it
// a duplicate. The stream does no input or output, and looks at no clock: times are the caller's.
//
// Errors: rules that cannot work are fault.Usage, as reconciliation.Rules.Check has it; a state that is none is refused by [Restore].
package stream
