// Package scatter brings rows with equal keys together without sorting them.
//
// Nouns. A cluster is the rows whose key hashes to one number. A [Buffer] spreads
// batches over clusters, column by column; flushed, each cluster is a [Chunk]: the
// columns' buffers as Arrow has them in memory, one after the other, with a checksum beside
// them. An [Extent] is the chunks of one partition, which lie side by side. A [Collector]
// makes one batch of a cluster's chunks.
//
// Invariants. Rows of one key are in one cluster, whatever the batches, on both
// sides of a comparison if their key columns have the same types; nulls are equal to
// nulls. Rows of a cluster keep the order in which they came. A chunk is decoded only after
// its checksum was compared; a chunk that is damaged all the same is an error that wraps [ErrDamaged], never a panic.
//
// Clusters that are too big for memory are spread again, by other bits of the hash ([NewBuffer]'s level).
package scatter
