// Package changelog turns change events into the rows of a table's append-only log,
// and rejected events into the rows of the dead-letter table.
//
// Nouns. The log of the table "ledger.entries" is "ledger.entries_changes": one row an
// event, never rewritten. A row has the event's own columns, whose names begin with an
// underscore ([ColOp] and its neighbours), then the value columns under their own names
// (the row after the change; before it for deletes), then each value column once more
// with the prefix [BeforePrefix]: the row before an update, where the source tells it. A
// [Builder] makes such rows of the batches of one table. A control total is the exact
// sum of a decimal column, kept apart by currency ([Control]).
//
// Layout. The log is not bucketed and is sorted by (_shard, _offset), which is the order
// in which a shard's events arrive: a batch becomes a run of the file with no sort, no
// gather and no copy of a value column, and an epoch costs one file a writer instead of
// one a bucket. Readers of a log ask for ranges of position and time, which the file
// statistics prune; readers by key use the mirror.
//
// Invariants:
//   - One event is one row; rows of one batch keep the batch's order.
//   - All value columns are nullable, whatever the table says: a delete may carry the key only.
//   - A column of the event's own never holds an invented value: an unknown transaction, order or LSN is null.
//   - Totals are exact; a sum that does not fit 38 digits is an error, never a wrap.
//
// Errors: catalog.ErrSchema where a batch does not fit the builder's schema (naming the
// column and both types); fault.Usage for a bad millrace.control property.
package changelog
