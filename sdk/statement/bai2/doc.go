// Package bai2 reads cash management balance reports in the BAI2 format.
//
// Nouns. A file (01 … 99) holds groups (02 … 98) of accounts (03 … 49); an account is a statement. A detail (16) is an
// entry. A record goes on in the lines of type 88 behind it. A type code of three digits says what an amount is.
//
// # Records
//
//	01  Statement.Sequence is its file identification; File.ID the sender
//	02  Statement.Bank is the originator, From and To the as-of date, which is the entries' booking date; its currency, USD by default
//	03  account, currency, balances (type codes 001 to 099), totals (100 and 400), other summaries, which are not read
//	16  type code, amount, funds type, references of bank and customer, text
//	49, 98, 99  control totals and counts
//
// # Amounts
//
// An amount is in the currency's minor unit: 12345 is 123.45 USD and 12345 JPY. Details of type 100 to 399 and 920 to 959
// are credits, 400 to 699 and 960 to 999 debits; 890 is no amount and ignored; any other is malformed. A detail with a minus
// sign undoes one of its type. The value date is that of funds type V; immediate funds (0) have the as-of date; others have none.
//
// Details of a group that deletes (2) or only tests (4) have the status info.
//
// Proved: opening (010) + details = closing (015), totals and counts of credits (100) and debits (400), control
// totals and counts of account, group and file. A control total adds the numbers as they stand, without regard to their direction.
//
// Errors: those of package statement.
package bai2
