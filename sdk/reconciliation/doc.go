// Package reconciliation compares two accounts of the same movements and proves balances.
//
// Nouns. A side is one account of the movements: the ledger (left) or a statement
// (right). An [Item] is one movement on a side. A [Rule] says what matches: equal
// keys and currencies, amounts and dates within a tolerance. A [Match] pairs one
// item of each side. A [Break] is what did not match, with its [Class] and an
// identity that stays the same from night to night. A [Total] is a currency's
// control total with its difference explained. A [Proof] is a day of an account
// whose closing does not follow from its opening and its movements. A [Link] says
// whether movements that state a balance each follow one another, whatever their order.
//
// Invariants. Every item ends in exactly one match or one break: matched + breaks
// = population on each side. For every currency, Σ left − Σ right equals the sum of
// the matches' and the breaks' differences: nothing is unexplained ([Result.Totals]).
// The result depends on the items, not on their order: ties break by amount, then
// date, then Ref. Both sides swapped give the mirrored result. Amounts are exact.
//
// The rules here are plain Go over slices. Package columnar runs them over datasets of any size.
//
// Errors: a sum or a difference beyond 38 digits, naming the currency or the account.
package reconciliation
