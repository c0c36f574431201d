// Package maintain keeps a lake cheap to read and small to store: it compacts tables, forgets old snapshots
// and deletes files that nothing refers to.
//
// Nouns. A pass ([Run]) visits every table once: it compacts each, then expires snapshots of all of them in one
// step, then collects each one's garbage. [Follow] runs passes again and again. A [Report] says what a pass did, by table.
//
// Invariants. A pass changes no row that a reader can see. It runs beside ingest and loses neither's commits:
// a compaction takes over what was deleted meanwhile, ingest catches up with files that moved. The tags of cuts
// and of business dates within their retention keep their snapshots, so reading as of them works as before.
// It may be killed at any moment: what it had not committed is garbage that a later pass finds. Two passes at once
// do the same work twice, and no harm.
//
// Errors. A table that fails does not stop the others: the error lists every failure, and the report what was
// done all the same. fault.Usage for options that make no sense and tables that are not there.
package maintain
