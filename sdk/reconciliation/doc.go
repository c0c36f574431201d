// Package reconciliation compares two accounts of the same movements and proves balances.
//
// Nouns. A side is one account of the movements: the ledger (left) or a statement
// (right). An [Item] is one movement on a side. A [Rule] says what matches: equal
// keys and currencies, amounts and dates within a tolerance. A [Match] pairs one
// item of each side. A [Break] is what did not match, with its [Class]. A
// [Proof] shows that opening + movements = closing.
//
// Invariants. Every item ends in exactly one match or one break: matched + breaks
// = population on each side. For every currency, Σ left − Σ right equals the sum of
// the matches' and the breaks' differences: nothing is unexplained ([Result.Totals]).
// The result depends on the items, not on their order: ties break by amount, then
// date, then Ref. Amounts are exact.
//
// Errors: a sum beyond 128 bits, naming the currency.
package reconciliation
