// Package mirror keeps a table equal to the current state of its source: one row a key.
//
// Nouns. A [Mirror] is the one writer of a mirrored table in a process. [Mirror.Apply] folds the change
// events of an epoch into one outcome a key and writes it as files: new rows are appended, sorted, to each
// bucket; old rows are deleted by position, or their file is rewritten without them (the table's
// [DeleteMode]). What Apply returns belongs to the lake once it is committed, and the mirror is told of it by
// [Mirror.Committed], or by [Mirror.Discard] if it was not. The index finds a key's present row. It is only a
// cache, in memory or on local disk within a budget, of what the table's key columns say: it is rebuilt from
// them when a process starts, and brought up to date from the files that changed when somebody else committed.
//
// Order of events. Within a shard the offset decides, but for what a producer wrote out of order: in a transaction its numbers go first, and an
// event that is earlier by its log position (LSN), and not later by its commit time, comes before. Between shards the log position
// decides where both events have one, else the commit time, else the shard's name; sources put all events of a key
// into one shard, so this matters only for keys that moved.
//
// Invariants:
//   - After a committed epoch the table holds exactly one row for each key whose last event was not a delete, and that event's row.
//   - A key inserted twice, in one epoch or in two, leaves one row: the later. It is counted, not refused.
//   - An update or delete of an absent key inserts the row, or does nothing; both are counted.
//   - An epoch that was applied and not committed changes nothing, here or in the lake.
//   - The index's memory does not grow beyond its budget; an epoch's own rows are held while it is applied.
//
// What is not guaranteed: on tables declared [PropAppendOnly] no key is ever looked up, so a key
// that the stream inserts twice has two rows. The stream's contract (package source) is what
// excludes that; an update or delete in such a table stops it with an error.
//
// Keys are compared by a 128-bit identity, which is the key itself for a single column of up to 16
// bytes and XXH3-128 otherwise: two different keys of a billion are confused with a chance below 10^-20.
//
// Errors: catalog.ErrSchema where a batch does not fit the table; fault.Usage for events that the
// table's declaration excludes; others are faults or retryable as the storage says. After an error from
// Apply the mirror is as it was before.
package mirror
