// Package reconciliation compares accounts of the same movements and proves balances.
//
// Nouns. A side is one account of the movements: the ledger (left), a statement (right). [Rules] are passes in order, and what the
// rest is called. A [Pass] matches rows that passes before it have left: pairs within tolerances and windows, sums of groups, unique subset
// sums, or texts that are alike. [Settle] compares two [Side]s; each [Outcome] of the [Settlement] is a match, or a break with
// its [Class], both sides' rows, the pass that nearly matched and by how much. A [Control] is a currency's control total with its
// difference explained. [TextForm] and [DateForm] bring columns of two systems to one form; [Calendar] and [Rates] are business days and
// exchange rates.
//
// For one key with one tolerance over datasets of any size there is a narrower form: an [Item] is one movement, a [Rule] what
// matches, and a [Settler] settles one key at a time; package columnar runs it. A [Proof] is a day of an account whose closing does not
// follow from its opening and its movements; a [Link] says whether movements that state a balance each follow one another.
//
// Invariants. Every row ends in exactly one match or one break: matched + breaks = population on each side. For every
// currency, Σ left − Σ right equals the differences of matches and breaks: nothing is unexplained ([Settlement.Controls]).
// The outcome depends on the rows, not on their order. Swapping the sides and [Rules.Mirrored] gives the mirrored outcome. Amounts are exact.
//
// # Which candidate is taken
//
// In a pass the pair of least cost goes first, again and again: likeness of texts (fuzzy passes), then the difference of
// amounts, then of days; or the sum of both by [Weights]. Rows that say the same in all that the pass compares stand for one another. Where
// one cost leaves a choice between rows that do not, they are [Ambiguous], and nothing later in the pass takes them; a
// later pass may. With [Pass.InOrder] ties go by amount, dates, then everything that rows say. Rows that say the same in everything are
// taken in order of their Refs.
//
// # Which class a break has
//
// Rows of one key that do not match are one break, what differs least first. Of a pair the gravest difference counts: currency
// (fee_fx where rates explain it), then amount (sign_flip, decimal_shift, transposition, fee_fx, amount, the first that fits), then date, then
// status. A row left over of a key that both sides have is a duplicate; every other is missing, or timing until it is due.
//
// # Cost
//
// There are no nested loops over rows: groups come from a hash of keys, candidates from sorted amounts and dates (at most 32 a row, of at
// most 512 looked at), breaks of large groups from neighbours on a line, and a subset's search is bounded by Pass.MaxRows. What a bound left
// out is counted in Settlement.Cut. Nanoseconds a row, both sides counted, on one of two shared cores (go test -bench Settle
// ./sdk/reconciliation); onekey has all rows in one group, with a million different amounts:
//
//	rows a side   exact   window   no key   one key   1:N    subset
//	     10,000   2,120      920    1,660     2,470   160     2,070
//	    100,000   1,560      660    2,500     2,930   210     2,110
//	  1,000,000   2,990    1,640    6,330     8,240   500     1,680
//
// Settle holds both sides in memory, and allocates about 700 bytes a row beside them; package columnar does not.
//
// Errors: rules that cannot work are fault.Usage; a sum or a difference beyond 38 digits names the currency or the account.
package reconciliation
