// Package keyindex finds the row of a key: a map from the 128-bit identity of a key to a file and a row in it.
//
// Nouns. An [Index] is cut into [Shard]s by the key's hash, which work in parallel: each is used by
// one goroutine at a time. A shard keeps its entries in a table in memory. Beyond its share of the memory
// budget it merges them into its run: all its entries sorted by hash in an unlinked temporary file, with
// the first hash of each page and a Bloom filter in memory, so that a key costs at most one read of a page,
// and a key that was never seen costs none.
//
// Invariants:
//   - A shard answers the same whether its entries are in memory or on disk.
//   - Memory stays within the budget, but for what one merge of one shard needs (its table once more,
//     sorted) and for 1/20 of a byte a spilled key, the pages' first hashes. The Bloom filters shrink before the budget breaks.
//   - Nothing survives the process: files have no names. The index is a cache of what the table's files say.
//
// Errors are faults of the disk, naming what was being done; after one the index is of no more use.
package keyindex
