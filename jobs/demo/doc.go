// Package demo runs the main job on a generated bank, on embedded parts: an
// in-process Kafka, an in-process S3 service, a SQLite catalog.
//
// Nouns. The host is this process: it serves Kafka and S3 and produces the bank's
// change events, as Debezium would. The ingest is a child process of the same
// binary; the host kills it once with SIGKILL in the middle, starts it again, ends
// that one with SIGTERM, and lets a third catch up. The truth is what the generator
// says the tables must hold; the lake is compared with it row by row. The night is what
// runs then, each a process of its own: reconciliation with a statement in which
// differences were planted, features, their export.
//
// Invariants. The demo ends well only if the lake equals the truth in every column of
// every row, every cut is proved, and the reconciliation found just what was planted.
//
// What it leaves under its folder: catalog.db, s3/ (the objects), millrace.yaml (the
// project file that everything ran with), statement.csv, reconciliation/, summary.json.
package demo
