// Package catalog keeps the lake: Iceberg tables, their layout, and the one atomic commit.
//
// Nouns. A [Lake] is a catalog (SQLite, PostgreSQL or REST) with a warehouse (a
// folder or S3). A table is laid out by a [TableSpec]: bucketed by a key, sorted
// inside each file. A [DataFile] is a finished Parquet file that no table holds
// yet. A [Commit] adds and removes files of any number of tables in one step. A
// [Cut] is the state of all tables after one commit, numbered upward; [At] names
// one. A scan of a cut is planned into [ScanSplit]s, which any process can read.
//
// Invariants:
//   - A commit is visible in all of its tables or in none, whenever a process dies.
//   - An epoch of a stream enters the lake once: the commit compares the stream's position with the epoch's start.
//   - Cut numbers are given once, in the order in which commits become visible. (A REST catalog
//     that cannot commit several tables gives them once, but may leave gaps and show a later one first.)
//   - File names are never used twice; a file that a table refers to is never written again.
//   - The tables' snapshot summaries are the only durable state: millrace.cut,
//     millrace.stream, millrace.epoch, millrace.position, millrace.committed-at-source and
//     the totals (millrace.rows, millrace.inserts, millrace.updates, millrace.deletes, millrace.control.<name>).
//     A snapshot also carries, as millrace.streams, where other streams stood that wrote to its table, so that
//     positions outlive the expiry of old snapshots. The cut number has a row (or, in a
//     REST catalog, a table) of its own, which is made anew from the summaries if it is lost.
//   - Readers get all tables of a cut from one SELECT, so that a cut never tears. Other engines read
//     one by the tag millrace-cut, or by a business date's tag such as bd-2026-11-23.
//
// How a commit works. The new snapshots' manifests and metadata files are written, all tables at once,
// where nobody looks yet. Then the cut number and the rows of all tables in iceberg_tables are moved by
// compare-and-swap in one SQL transaction (or one REST transaction). Whoever comes second builds anew
// on what the first left. An answer that is lost is settled by looking for one's own snapshots.
//
// Errors: [ErrConflict] (rebuild and try again), [ErrNotFound] (table, cut, tag),
// [ErrSchema] (a change the policy refuses, naming column, old and new type);
// outages are fault.Retryable, mistakes fault.Usage.
package catalog
