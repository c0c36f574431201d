// Package ingest brings a change stream into the lake, epoch by epoch.
//
// Nouns. A [Table] is a source table with the lake tables that follow it: its
// mirror (current state) and its log (every change). An epoch is planned in
// plain Go, then one bounded Beam pipeline writes its tables side by side and
// commits them together. A business date is a date of the source's commit times. A [Report] says what a run did.
//
// Invariants. The lake is the only checkpoint: a run starts at the stream's
// position in the lake, and an epoch is in all of its tables or in none. An epoch
// that another process has committed meanwhile is dropped, and the run goes on
// from where the lake is. What can't be decoded is in the dead-letter table of the
// same commit. Events + rejects written = events + rejects planned, checked before each commit.
//
// An epoch holds transactions of one business date, and its commit moves the date's tag (bd-YYYY-MM-DD) on all tables. So
// once a later date has a tag, a date's tag is the state at its end: exactly, but for transactions that the
// stream brought after one of a later date, which are in that one's. See docs/decisions/midnight.md.
//
// Errors. fault.Usage for tables that the lake refuses; source.ErrGap,
// debezium.ErrSchemaChange and catalog.ErrSchema as they come; [ErrDeadLetters]
// past the limit. After an error the lake is whole, and the next run goes on from it.
package ingest
