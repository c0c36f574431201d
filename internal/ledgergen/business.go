package ledgergen

import (
	"fmt"

	"github.com/millrace/millrace/sdk/change"
)

// draft is a transaction being written.
type draft struct {
	bank *Bank
	tx   Tx
}

// posting describes one business event of the ledger.
type posting struct {
	kind, channel, memo, category string
	daysLate                      int // how long after the value date it is booked
}

// leg is one side of a posting: the account's current row is replaced through the pointer.
type leg struct {
	account **Account
	amount  int64 // minor units, signed
}

func (b *Bank) begin() *draft { return &draft{bank: b} }

func (b *Bank) commit(d *draft) Tx {
	b.ids.source++
	d.tx.ID, d.tx.LSN, d.tx.At, d.tx.Day = b.ids.source, b.lsn, b.now, b.day
	b.lsn += int64(len(d.tx.Events)) + 1 + b.rnd.Int64N(40)
	return d.tx
}

func (d *draft) create(table string, row Row) {
	d.tx.Events = append(d.tx.Events, Event{Table: table, Op: change.Create, After: row})
}

func (d *draft) update(table string, before, after Row) {
	d.tx.Events = append(d.tx.Events, Event{Table: table, Op: change.Update, Before: before, After: after})
}

func (d *draft) remove(table string, row Row) {
	d.tx.Events = append(d.tx.Events, Event{Table: table, Op: change.Delete, Before: row})
}

// own is the bank's own account of a kind; its leg balances the others.
func (b *Bank) own(kind, ccy string) leg {
	a := b.internal[kind+"/"+ccy]
	return leg{account: &a}
}

// post writes a transaction row, an entry for each leg, and each account's new
// balance. The last leg's amount is set so that all sum to zero.
func (d *draft) post(p posting, legs ...leg) {
	b := d.bank
	b.ids.tx++
	last := &legs[len(legs)-1]
	last.amount = 0
	for _, l := range legs[:len(legs)-1] {
		last.amount -= l.amount
	}
	booked, value := b.now, b.today()-int32(p.daysLate)
	t := &Transaction{TransactionID: b.ids.tx, Kind: p.kind, Channel: p.channel, Reference: fmt.Sprintf("RF%09d", b.ids.tx), Description: p.memo, BookedAt: booked, ValueDate: value}
	d.create(Transactions, t)
	for _, l := range legs {
		old := *l.account
		b.ids.entry++
		d.create(Entries, &Entry{EntryID: b.ids.entry, TransactionID: t.TransactionID, AccountID: old.AccountID, Amount: l.amount, Currency: old.Currency,
			Channel: p.channel, Memo: p.memo, BookedAt: booked, ValueDate: value, MerchantCategory: p.category,
			HasCategory: b.cfg.NewColumnDay >= 0 && b.day >= b.cfg.NewColumnDay})
		now := *old
		now.Balance += l.amount
		now.UpdatedAt, now.Version = b.now, old.Version+1
		*l.account = &now
		if now.Type == "clearing" || now.Type == "cash" || now.Type == "income" {
			b.internal[now.Type+"/"+now.Currency] = &now
		}
		d.update(Accounts, old, &now)
	}
}

// business writes one transaction of the day's work.
func (b *Bank) business() Tx {
	t := b.begin()
	i := b.rnd.IntN(len(b.accounts))
	a := &b.accounts[i]
	ccy := (*a).Currency
	late := 0
	if b.rnd.IntN(100) == 0 && b.day > 4 {
		late = 1 + b.rnd.IntN(4)
	}
	switch n := b.rnd.IntN(100); {
	case n < 45:
		t.post(posting{kind: "card", channel: "card", memo: "card purchase", category: pick(b.rnd, merchants), daysLate: late},
			leg{a, -(1_00 + b.rnd.Int64N(1_500_00))}, b.own("clearing", ccy))
	case n < 65:
		peers := b.byCcy[ccy]
		j := peers[b.rnd.IntN(len(peers))]
		if j == i {
			j = peers[(b.rnd.IntN(len(peers)))]
		}
		if j == i { // the only account in its currency: pay cash in instead
			t.post(posting{kind: "cash", channel: "branch", memo: "cash deposit"}, leg{a, 50_00 + b.rnd.Int64N(500_00)}, b.own("cash", ccy))
			break
		}
		t.post(posting{kind: "transfer", channel: "online", memo: "transfer", daysLate: late}, leg{a, -(10_00 + b.rnd.Int64N(4_000_00))}, leg{account: &b.accounts[j]})
	case n < 77:
		t.post(posting{kind: "salary", channel: "clearing", memo: "salary", daysLate: late}, leg{a, 15_000_00 + b.rnd.Int64N(60_000_00)}, b.own("clearing", ccy))
	case n < 85:
		out := -(20_00 + b.rnd.Int64N(2_000_00))
		fee := int64(35)
		t.post(posting{kind: "withdrawal", channel: "atm", memo: "cash withdrawal and fee"}, leg{a, out - fee}, leg{b.own("income", ccy).account, fee}, b.own("cash", ccy))
	case n < 88:
		b.grantLoan(t, a)
	case n < 94:
		b.payLoan(t, a)
	case n < 97:
		b.changeCard(t, a)
	default:
		k := b.rnd.IntN(len(b.people))
		moved := *b.people[k]
		moved.City = pick(b.rnd, cities)
		t.update(Customers, b.people[k], &moved)
		b.people[k] = &moved
	}
	return b.commit(t)
}

func (b *Bank) grantLoan(t *draft, a **Account) {
	b.ids.loan++
	p := int64(10_000_00) + b.rnd.Int64N(200_000_00)
	l := &Loan{LoanID: b.ids.loan, AccountID: (*a).AccountID, Principal: p, Outstanding: p, Rate: 30_000 + b.rnd.Int64N(90_000),
		TermMonths: int32(12 * (1 + b.rnd.IntN(5))), GrantedOn: b.today(), Status: "running", Currency: (*a).Currency}
	b.loans = append(b.loans, l)
	t.create(Loans, l)
	t.post(posting{kind: "loan", channel: "branch", memo: "loan paid out"}, leg{a, p}, b.own("clearing", l.Currency))
}

// payLoan pays an instalment of a running loan; a loan that is paid off leaves the table.
func (b *Bank) payLoan(t *draft, fallback **Account) {
	if len(b.loans) == 0 {
		b.grantLoan(t, fallback)
		return
	}
	i := b.rnd.IntN(len(b.loans))
	old := b.loans[i]
	now := *old
	pay := min(now.Outstanding, now.Principal/int64(now.TermMonths)*6+1)
	now.Outstanding -= pay
	acct := &b.accounts[old.AccountID-firstCustomerAccount]
	t.post(posting{kind: "instalment", channel: "standing order", memo: "loan instalment"}, leg{acct, -pay}, b.own("clearing", (*acct).Currency))
	if now.Outstanding > 0 {
		t.update(Loans, old, &now)
		b.loans[i] = &now
		return
	}
	t.remove(Loans, old)
	b.loans[i] = b.loans[len(b.loans)-1]
	b.loans = b.loans[:len(b.loans)-1]
}

// changeCard blocks a card, or removes one that is blocked.
func (b *Bank) changeCard(t *draft, a **Account) {
	if len(b.cards) == 0 {
		b.ids.card++
		c := &Card{CardID: b.ids.card, AccountID: (*a).AccountID, Type: "debit", Status: "active", LastDigits: "0000", IssuedOn: b.today()}
		b.cards = append(b.cards, c)
		t.create(Cards, c)
		return
	}
	i := b.rnd.IntN(len(b.cards))
	old := b.cards[i]
	if old.Status == "active" {
		now := *old
		now.Status = "blocked"
		t.update(Cards, old, &now)
		b.cards[i] = &now
		return
	}
	t.remove(Cards, old)
	b.cards[i] = b.cards[len(b.cards)-1]
	b.cards = b.cards[:len(b.cards)-1]
}
