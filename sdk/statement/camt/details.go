package camt

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/book"
	"github.com/millrace/millrace/sdk/statement/internal/markup"
)

// detail is a TxDtls.
type detail struct {
	at                         book.Place
	amount                     money.Decimal
	has                        bool // an amount in the booking's currency
	main                       bool // it is that of Amt, which counts before AmtDtls
	credit, directed           bool
	endToEnd, bankRef, mandate string
	instruction, payment       string
	code                       code
	reason                     string // of a return
	debtor, debtorAccount      string
	creditor, creditorAccount  string
	info                       string
	remittance                 []string
	size                       int // of the remittance
	bad                        error
}

// details takes an element of a NtryDtls; done where a transaction before it is an entry.
func (d *Decoder) details(tok *markup.Token, at book.Place, e *statement.Entry) (bool, error) {
	n := &d.ntry
	if tok.Kind == markup.End {
		d.state = inEntry
		if n.batch.count != nil && n.batch.seen > 0 && n.bad == nil {
			scope := fmt.Sprintf("%s, entry %d", d.book.Scope(), n.entry.Number)
			return false, d.book.CheckEntry(n.batch.at, statement.CompareCount("batch count", scope, n.batch.at.Line, *n.batch.count, n.batch.seen))
		}
		return false, nil
	}
	switch string(tok.Name) {
	case "Btch":
		n.batch.at = at
		return false, d.leaves(func(path, value []byte) error {
			if string(path) != "NbOfTxs" {
				return nil
			}
			a, err := amount(value)
			count, fits := a.Coefficient().Int64()
			if err != nil || !fits || a.Scale() != 0 {
				return d.book.Reject(at, value, "Btch/NbOfTxs: %q is no count", statement.Short(value))
			}
			n.batch.count = &count
			return nil
		})
	case "TxDtls":
		return d.transaction(at, e)
	}
	return false, d.leaves(ignore)
}

// transaction reads a TxDtls; done where the one before it is an entry.
func (d *Decoder) transaction(at book.Place, e *statement.Entry) (bool, error) {
	n := &d.ntry
	next := detail{at: at}
	err := d.leaves(func(path, value []byte) error {
		if err := next.set(path, value, d); err != nil && next.bad == nil {
			next.bad = err
		}
		return nil
	})
	if err != nil || n.bad != nil {
		return false, err
	}
	n.details++
	n.batch.seen++
	if next.bad != nil {
		n.lost++
		return false, d.book.Reject(at, nil, "TxDtls: %v", next.bad)
	}
	if d.book.Options().Whole {
		n.held, n.holding = next, n.details == 1
		if n.details > 1 {
			n.folded = n.details
		}
		return false, nil
	}
	before, held := n.held, n.holding
	n.held, n.holding = next, true
	if !held {
		return false, nil
	}
	return d.part(&before, e)
}

// part makes an entry of a transaction that has an amount.
func (d *Decoder) part(t *detail, e *statement.Entry) (bool, error) {
	n := &d.ntry
	if !t.has {
		n.folded++
		return false, nil
	}
	*e = n.entry
	e.Line, e.Offset, e.Part, e.Info = t.at.Line, t.at.Offset, n.parts+1, ""
	credit := n.credit
	if t.directed {
		credit = t.credit
	}
	e.Amount, e.Mark = t.amount, statement.MarkOf(credit, n.undone)
	if !credit {
		e.Amount = t.amount.Neg()
	}
	t.into(e, n)
	ok, err := d.book.Add(e, nil)
	if !ok || err != nil {
		n.lost++
		return false, err
	}
	n.parts++
	sum, err := n.sum.Add(e.Amount)
	if err != nil {
		n.overflow = true
		return true, nil
	}
	n.sum = sum
	return true, nil
}

// set takes one text of a TxDtls.
func (t *detail) set(path, value []byte, d *Decoder) (err error) {
	switch string(path) {
	case "Amt", "AmtDtls/TxAmt/Amt":
		if main := len(path) == len("Amt"); (main || !t.main) && string(d.attr) == d.ntry.entry.Currency {
			t.amount, err = amount(value)
			t.has, t.main = err == nil, main
		}
	case "CdtDbtInd":
		t.credit, t.directed = string(value) == "CRDT", string(value) == "CRDT" || string(value) == "DBIT"
	case "Refs/EndToEndId":
		if string(value) != "NOTPROVIDED" {
			t.endToEnd = string(value)
		}
	case "Refs/AcctSvcrRef":
		t.bankRef = string(value)
	case "Refs/MndtId":
		t.mandate = string(value)
	case "Refs/InstrId":
		t.instruction = string(value)
	case "Refs/PmtInfId":
		t.payment = string(value)
	case "RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry":
		t.reason = d.names.of(value)
	case "AddtlTxInf":
		t.info = string(value)
	case "RmtInf/Ustrd", "RmtInf/Strd/CdtrRefInf/Ref":
		if t.size += len(value); t.size > d.book.MaxRecord() {
			return fmt.Errorf("its remittance is longer than %d bytes", d.book.MaxRecord())
		}
		t.remittance = append(t.remittance, string(value))
	default:
		if rest, ok := bytes.CutPrefix(path, []byte("BkTxCd/")); ok {
			t.code.set(rest, d.names.of(value))
		} else if rest, ok := bytes.CutPrefix(path, []byte("RltdPties/")); ok {
			t.party(rest, value)
		}
	}
	return err
}

func (t *detail) party(path, value []byte) {
	switch string(path) {
	case "Dbtr/Nm", "Dbtr/Pty/Nm":
		t.debtor = string(value)
	case "DbtrAcct/Id/IBAN", "DbtrAcct/Id/Othr/Id":
		t.debtorAccount = unspaced(value)
	case "Cdtr/Nm", "Cdtr/Pty/Nm":
		t.creditor = string(value)
	case "CdtrAcct/Id/IBAN", "CdtrAcct/Id/Othr/Id":
		t.creditorAccount = unspaced(value)
	}
}

// into adds what a transaction says to its entry.
func (t *detail) into(e *statement.Entry, n *booking) {
	e.EndToEndID, e.MandateID = t.endToEnd, t.mandate
	if t.bankRef != "" {
		e.BankRef = t.bankRef
	}
	for _, ref := range []string{t.instruction, t.payment} {
		if ref != "" {
			e.CustomerRef = ref
			break
		}
	}
	if c := t.code.String(); c != "" {
		e.Code = c
	}
	if t.reason != "" {
		e.Code += "/" + t.reason
	}
	if t.info != "" {
		e.Info = t.info
	}
	e.Remittance = strings.Join(t.remittance, " ")
	e.Counterparty, e.CounterpartyAccount = t.creditor, t.creditorAccount
	if (e.Mark.Sign() > 0) != n.undone {
		e.Counterparty, e.CounterpartyAccount = t.debtor, t.debtorAccount
	}
}
