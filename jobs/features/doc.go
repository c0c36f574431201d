// Package features computes the twelve credit features of sdk/feature for every
// account of a ledger in the lake, as of one or many instants, and keeps them in
// a table of the lake.
//
// Nouns. A ledger is a table of entries (account, signed amount, when it was
// booked) and, beside it, a table of accounts. A [Spine] says which as-of instants are asked for:
// the same ones for all accounts, or a list of (account, as-of) pairs. A cut is
// the one state of the lake that everything is read at. A [Plan] is a run that is ready: its cut
// is pinned and its columns are found; [Write] puts it into a Beam pipeline, and [Run] does all of it.
//
// Two times. An entry counts from when it was booked: windows and days are measured by that. When it
// became known is [Options].KnownAt:
//
//   - booked (the default): it was known when it was booked. An entry that reaches the lake late
//     changes earlier as-of instants, when they are computed again at a later cut.
//   - commit: it became known when the source committed it, as the entries' change log says. What
//     arrives late never changes an earlier as-of, at whatever cut it is computed again: this is what a
//     model would have seen. It needs the change log, and movements that are only ever
//     inserted: a log in which an entry was deleted, or its account, amount or booking updated, is refused. Entries that a snapshot of the source read
//     became known when it read them.
//   - a column's name: it became known at that column's time, as with entries that have a value date
//     (Options.Booked) and a booking time.
//
// Layout. Where the entries are bucketed by account and sorted by (account, booked), a task merges one
// bucket's files and walks the accounts one after the other: no row is moved, and the
// movements of 90 days of one account are all that is held. Else entries, accounts and spine are
// exchanged by account and sorted, within the memory budget of a run. Both give the same rows.
//
// Invariants:
//   - A run reads one cut and becomes visible in one commit, or not at all.
//   - A run over instants replaces the table's rows of these instants, whatever they were; a run over pairs replaces
//     the whole table. So a run that is repeated, was killed, or raced another one leaves one row a key.
//   - Σ balance by currency equals the sum of the ledger's entries at each instant that all accounts are asked for, or nothing is
//     committed (fault.Findings). The snapshot's summary carries the cut, the counts and these totals.
//   - A feature without a number is null, and says why: see [Schema].
//
// Errors: fault.Usage for tables, columns and settings that do not fit; fault.Findings where totals
// differ; catalog's errors. Not guaranteed: that accounts which the source deleted, together with
// their entries, keep their rows; one currency an account is required.
package features
