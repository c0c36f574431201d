// Package killsuite shows that ingest is exactly-once, by killing it.
//
// Nouns. A world is a generated bank whose change events go to an in-process Kafka
// or to files, with a catalog (SQLite or PostgreSQL) and a storage (a folder, or S3
// behind a proxy that spoils requests). A life is one process that runs the real
// ingest job on the world until it is killed, stopped or done. A point is a named
// step that a life reaches ("planned", "staged:3", "committed"); an act says what
// happens at one. The book is what the source sent, message by message; the audit
// holds every cut of the lake against it.
//
// What is shown, after each life and for every cut that a reader can see: epochs
// follow one another without a gap; source transactions are whole; every mirror holds
// the rows of the source at that position, all columns; every change log holds each
// event before that position once, and the dead-letter table each malformed message
// once; debits equal credits and balances equal the sum of their entries; each
// business date's tag is the last cut of that date.
//
// A life's act, the number of messages that are sent and the bank come from
// the seed. What happens at a point is replayed by the seed as far as epochs
// fall alike; a kill after a random delay is replayed only roughly.
//
// The package holds tests only. The short form runs with go test, the long one with make kill.
package killsuite
