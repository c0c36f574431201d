// Package runs sorts, stages and merges batches.
//
// Nouns. A run is a sequence of batches, usually sorted by a key. A [Segment]
// is a run encoded as an Arrow IPC stream somewhere inside a file. A [Buffer]
// collects batches in memory until they are sorted and taken out. A [Sorter]
// is a buffer that spills sorted segments to a local temporary file when it is
// over its budget. [Merge] merges sorted runs into one.
//
// Invariants. Equal keys keep the order in which their rows came; runs are
// merged stably in the order given. A segment is read back whole or with an
// error: its length and checksum are compared. A temporary file is unlinked
// while it is open, so that a killed process leaves nothing behind.
package runs
