// Package camt reads ISO 20022 bank-to-customer messages: account reports (camt.052), statements (camt.053) and
// notifications (camt.054), in all versions from 001.02 on.
//
// Nouns. A message holds reports, statements or notifications; each is a statement. An entry (Ntry) is a booking; it
// may hold the transactions (TxDtls) that the bank booked in one sum.
//
// Elements are known by their local names: namespaces and their prefixes say which version it is, and nothing
// else. The message may stand in an envelope. Elements that are not listed are passed over.
//
//	Stmt/Id, ElctrncSeqNb, StmtPgntn/PgNb, FrToDt, Acct (Id, Ccy, Ownr/Nm, Svcr), Bal, TxsSummry
//	Ntry: Amt, CdtDbtInd, RvslInd, Sts, BookgDt, ValDt, AcctSvcrRef, NtryRef, BkTxCd, AddtlNtryInf, NtryDtls/Btch
//	TxDtls: Refs (EndToEndId, AcctSvcrRef, InstrId, PmtInfId, MndtId), Amt or AmtDtls/TxAmt, CdtDbtInd, BkTxCd,
//	        RltdPties (Dbtr, DbtrAcct, Cdtr, CdtrAcct), RmtInf, RtrInf/Rsn/Cd, AddtlTxInf
//
// # Batches
//
// A booking of one transaction is one entry. A booking of several is an entry for each (Entry.Part counts them) that states an amount
// in the booking's currency. What their amounts leave of the booking is one more entry, with the references of the booking, so that the
// entries of a statement always add up to its bookings; transactions without an amount are counted in
// Statement.Folded. Options.Whole makes one entry of every booking.
//
// # Signs
//
// The direction is CdtDbtInd, which already says what a reversal does: DBIT with RvslInd is RC. The counterparty is the
// debtor of a credit and the creditor of a debit.
//
// Proved: opening (OPBD, PRCD) + booked entries = closing (CLBD), or between the interim balances (ITBD) of a page; the counts and sums
// of TxsSummry; the number of a batch's transactions and their sum.
//
// Errors: those of package statement. XML that is not well-formed, or has a document type, is damage.
package camt
