// Package ofx reads Open Financial Exchange files: version 1.x, which is SGML, and 2.x, which is XML.
//
// Nouns. A file has a header and one OFX element. It holds statements of bank accounts (STMTRS) and of credit cards
// (CCSTMTRS); each has a list of transactions (STMTTRN), which are entries. An aggregate is an element that holds
// others; in SGML any other element ends where the next tag begins.
//
//	CURDEF, BANKACCTFROM or CCACCTFROM (BANKID, ACCTID)   the statement's currency, bank and account
//	BANKTRANLIST (DTSTART, DTEND)                          From and To
//	LEDGERBAL, AVAILBAL                                    closing and available balance
//	TRNTYPE, TRNAMT, DTPOSTED, DTAVAIL                     Code, Amount, BookingDate, ValueDate
//	FITID, REFNUM or CHECKNUM, NAME or PAYEE, MEMO         BankRef, CustomerRef, Counterparty, Remittance
//	BANKACCTTO or CCACCTTO (ACCTID), CURRENCY (CURSYM)     CounterpartyAccount, Currency
//
// A transaction with CORRECTFITID and CORRECTACTION corrects an earlier one: it is an entry, its Info says which and how.
// Investment statements (INVSTMTRS) and pending transactions (STMTTRNP) are not read: each is counted in File.Ignored.
//
// # Amounts and dates
//
// TRNAMT is signed, for the account's owner: what is spent on a card is negative. The decimal mark is a point or a comma. Where both are there, the last
// one is it and the other stands between groups of three digits. One mark with three digits behind it could be either: it is
// malformed, unless the currency has three digits. A date is the day that the bank wrote, in its own time zone.
//
// Proved: OFX states no opening balance, so the closing one is told and not proved, unless there is a BALLIST with a balance
// named OPENING.
//
// Errors: those of package statement. A file whose aggregates are not closed is damage.
package ofx
