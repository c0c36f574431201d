// Package columnar runs the rules of package reconciliation over datasets of any
// size: composites that take a beam.Scope and move column batches.
//
// Nouns. Items are rows of one form ([ItemSchema]): a movement with its key,
// amount, currency, date and where it comes from. [Items] makes them of any table
// or file. [Compare] settles two datasets of items into outcomes ([OutcomeSchema]):
// a row for each match and each break. A [Population] is what each side holds by
// currency, added up apart from the comparison. [ProveDays] proves the balances of accounts.
//
// How Compare works. Both sides are tagged, put together and exchanged once by a
// hash of the key, sorted by it; a task then sees all items of a key, of both
// sides, next to one another, and settles them by [reconciliation.Settler]: one
// definition of what matches, wherever it runs. A join would not do: it multiplies the items of a
// key, so that duplicates could not be told apart, and it knows no nearest pair.
// Memory is bounded by the run's budget and the items of the largest single key.
//
// Invariants: those of package reconciliation. The number of partitions, the order
// of rows and the size of batches never change an outcome or the identity of a break.
//
// Errors: a column that is not there or cannot be what it is said to be is a
// fault.Usage when the pipeline is built; a null amount fails the run, naming the row.
package columnar
