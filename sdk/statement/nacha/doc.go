// Package nacha reads ACH files in the format of the Nacha operating rules.
//
// Nouns. A file (1 … 9) holds batches (5 … 8) of entries (6) with addenda (7); a batch is a statement. A record has 94
// characters. Lines end in LF, CR LF or nothing at all; blanks at the end of a line may be missing. Records of 9s fill the last block.
//
// # Whose account
//
// An entry's account is the receiver's, which is what the file means by credit and debit: a deposit (22, 32, 42, 52) is
// positive, a withdrawal (27, 37, 47, 55) negative. The company is the counterparty.
//
//	Account, Bank         receiver's account (13-29) and routing number with its check digit (4-12)
//	Holder, CustomerRef   receiver's name and identification
//	BankRef               trace number
//	Code                  standard entry class and transaction code: PPD/22; of a return also its reason: PPD/26/R01
//	ValueDate             effective entry date; BookingDate the settlement date, a day of the year that is nearest to it
//	Counterparty, -Account company's name and identification
//	Info, Remittance      company's entry description; payment information of the addenda (05), corrected data (98), information of a return (99)
//
// A return or notification of change (transaction codes that end in 1 or 6) undoes an entry of its kind: the return of a
// credit (21) is RC and negative. A batch described as REVERSAL undoes what came before it: its debits are RC, its
// credits RD. A prenotification (codes that end in 3 or 8) has the status info.
//
// International entries (IAT) have their fields where the rules put them; of their addenda the payment information and
// the receiver's name (10) are read. Automated accounting advices (ADV) are not read: their batches are malformed.
//
// Proved: of each batch and of the file the count of entries and addenda, the entry hash, the totals of debits and
// credits, by transaction code; the batch's number; the file's counts of batches and blocks.
//
// Errors: those of package statement.
package nacha
