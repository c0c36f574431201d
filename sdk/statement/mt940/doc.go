// Package mt940 reads SWIFT customer statements, MT940, and interim reports, MT942.
//
// Nouns. A message is a statement, or a page of one; a file holds any number of them, with or without SWIFT's
// blocks ({1:…}{4: … -}). A field is a tag such as :61: with its value, over one line or several. An entry is a :61:
// with the :86: behind it.
//
// # Fields
//
//	:20:         Statement.ID
//	:25: :25P:   Statement.Account, without blanks; a currency behind an IBAN is dropped
//	:28: :28C:   Statement.Sequence
//	:60F: :60M:  opening balance (final, or interim of a page); its currency is the statement's
//	:61:         value date, entry date, mark, amount, type, reference of the customer and of the bank, supplement
//	:86:         behind a :61: remittance, references and counterparty; elsewhere ignored
//	:62F: :62M:  closing balance
//	:64: :65:    available balances
//	:13: :13D: :34F: :90C: :90D:  of MT942: time, floor limit (its currency), counts and sums
//
// # Dates
//
// A year of two digits is of 1980 to 2079. The entry date has no year: it is the one that is nearest to the value
// date, so that 0102 behind 251231 is of 2026. A :61: without one has no booking date.
//
// # The :86:
//
// Three forms are told apart: subfields (?20 to ?29 and ?60 to ?63 remittance, ?00 the bank's text, ?31 account, ?32 and
// ?33 name; any separator that stands behind the three digits, or before the first subfield) with the SEPA words in them
// (EREF+, KREF+, MREF+, SVWZ+); words between slashes (/EREF/, /REMI/, /NAME/, /IBAN/, /CNTP/, /MARF/ and others); and free text. A subfield
// that is full (27 characters) goes on in the next one without a blank.
//
// Proved: opening + entries = closing, each page's opening against the closing before it, counts and sums of MT942.
//
// Errors: those of package statement.
package mt940
