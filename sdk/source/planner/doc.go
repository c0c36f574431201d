// Package planner turns the raw records of a sharded change stream into epochs.
// It is what connectors have in common: they bring records, it decodes
// them as they arrive, finds the consistent cut (package cut), keeps decoded
// batches in memory until they are read, and slices them at the cut.
//
// Nouns. A [Record] is one message of a shard. A [Planner] holds the window between
// the position planned last and what has arrived. [Planner.Take] ends an epoch. [Replay]
// decodes the records of a split without a planner, as another process has to.
//
// Invariants.
//   - An epoch's splits hold no record that is a duplicate: what was delivered a
//     second time lies between splits. So a split reads the same with and without the planner.
//   - Decoded batches never exceed Options.MemoryBudget by more than what one Feed
//     brings. Above it they are dropped and their splits served by reading
//     the stream again, so a transaction of any size can pass; only its bookkeeping stays in memory.
//   - Every record is counted: as an event, a reject, a duplicate or a tombstone.
//
// A decoder that learns columns from events (debezium.Config without Schema, or EvolveAdd) may know fewer
// columns when it reads a split again than it did when the split was planned. Columns that are
// missing from a batch are null in all of its rows.
//
// Errors. An event whose schema a table cannot follow ends the table's shard:
// what comes before it is planned, then Take returns an error that wraps
// debezium.ErrSchemaChange. A transaction that stays incomplete for Options.StaleLimit is an error that says what it lacks.
package planner
