// Package catalog keeps the lake: Iceberg tables, their layout, and the one atomic commit.
//
// Nouns. A [Lake] is a catalog (SQLite, PostgreSQL or REST) with a warehouse (a
// folder or S3). A table is laid out by a [TableSpec]: bucketed by a key, sorted
// inside each file. A [DataFile] is a finished Parquet file that no table holds
// yet. A [Commit] adds and removes files of any number of tables in one step. A
// cut is the state of all tables after one commit, numbered upward; [At] names
// one. A scan of a cut is planned into [ScanSplit]s, which any process can read.
//
// Invariants:
//   - A commit is visible in all of its tables or in none, whenever a process dies.
//   - An epoch of a stream enters the lake once: the commit compares the stream's position with the epoch's start.
//   - File names are never used twice; a file that a table refers to is never written again.
//   - The tables' snapshot summaries are the only durable state: millrace.cut,
//     millrace.stream, millrace.epoch, millrace.position, millrace.committed-at-source and
//     the totals (millrace.rows, millrace.inserts, millrace.updates, millrace.deletes, millrace.control.<name>).
//   - Readers get all tables of a cut from one SELECT, so that a cut never tears.
//
// Errors: ErrConflict (rebuild and try again), ErrNotFound (table, cut, tag),
// ErrSchema (a change the policy refuses, naming column, old and new type);
// outages are fault.Retryable.
package catalog
