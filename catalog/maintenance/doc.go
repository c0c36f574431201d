// Package maintenance keeps the lake's tables cheap to read, beside ingest and without losing its commits.
//
// Nouns. A compaction ([Compact]) merges the small files of a bucket, and files with many deleted rows, into
// files of the target size, keeping the table's sort order; the deleted rows are gone then. Expiry ([Expire])
// forgets old snapshots. A garbage collection ([Collect]) deletes files that no retained snapshot refers to.
//
// Invariants:
//   - Maintenance changes no row that a reader can see: a cut reads the same before and after.
//   - A compaction that meets new position deletes on its files does not start again: it knows where each row
//     went and deletes it there. So a busy table cannot starve it, and it redoes only buckets whose files were rewritten by others.
//   - Ingest that meets a compaction gets catalog.ErrConflict and catches up by reading the keys of the new files.
//   - Memory is bounded by workers × (one batch and one read-ahead for each file merged, and one byte a row written).
//   - Snapshots that a tag or branch names never expire here, nor does the newest of a table.
//   - A file is deleted only if it is old, no retained snapshot or metadata version refers to it, and it was seen
//     so by an earlier collection, longer ago than the grace for readers of snapshots that expired since.
//
// Errors: fault.Usage for options that make no sense; faults of storage and catalog as they come. What an
// interrupted run leaves behind is garbage that a later collection finds.
package maintenance
