// Package columns has the column-wise tools that the mirror, the change log and compaction share.
//
// Nouns. A set is a list of record batches of one schema. A [Ref] names a row of a set by batch and
// row. [Gather] copies the rows that a list of refs names, column by column. A [Hash] is the 128-bit
// identity of a row's key. An [Order] compares rows by sort columns.
//
// Invariants:
//   - Keys of one column of at most 16 bytes (integers, dates, times, decimals, UUIDs) map to a Hash one
//     to one. Other keys are hashed with XXH3-128, and equal hashes are taken for equal keys: among 10^9
//     keys the chance of one wrong pair is below 10^-20, far below that of undetected memory errors.
//   - A hash does not depend on the width of an integer nor the precision of a decimal, so that widening a
//     key column keeps every key's identity. It is the same in every process and on every machine.
//   - Orders are ascending with nulls first; texts compare by their bytes; equal rows keep their order.
//
// Errors are marked fault.Usage where a table asks for what cannot be (a float as key), else they are faults.
package columns
