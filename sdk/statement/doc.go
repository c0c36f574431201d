// Package statement is what bank statements and payment files have in common: the nouns that every format is decoded
// into, exactly and one entry at a time.
//
// Nouns. A [File] is a sequence of bytes in one [Format]. It holds statements. A [Statement] is an account's report of a
// period, or a batch of payments, with balances and totals of its own. A [Balance] is what the bank says that an
// account held. An [Entry] is one booking, or one transaction of a booking that the bank made for a batch. A
// [Quarantine] is a record that cannot be an entry. A [Check] compares a total that the file states with what its
// records add up to. A [Decoder] reads a file; the sub-packages camt, mt940, bai2, nacha and ofx have one each.
//
// # Signs
//
// An amount is positive where it is credited to the account of its entry and negative where it is debited. A
// reversal's amount has the sign of what it does, not of what it undoes: the reversal of a credit (RC) is negative.
//
// Invariants:
//   - Amounts are decimals, digit by digit from the text; nothing is rounded.
//   - Every record is an entry, part of one, a header, a total, or quarantined. What a format allows and this
//     package does not read is counted in File.Ignored.
//   - Every entry and every quarantined record says in which line, and at which byte, it begins.
//   - opening + entries = closing, and every count, sum and hash of a trailer, are proved where the file states
//     them. A check that cannot be made says why; it never passes.
//   - What a file does not say is empty: no date, reference or currency is made up.
//   - A decoder holds one record at a time. Its memory does not depend on the size of the file, nor on the number
//     of its entries.
//
// Errors: a record that is malformed, or a check that fails, is a [*Refused], which is a fault.Usage and wraps [ErrMalformed] or
// [ErrTotals], unless Options say that it is kept apart. A file that is damaged so that its records cannot
// be told apart (broken XML, a truncated block) is refused whatever the options say, with [ErrDamaged].
package statement
