package ledgergen

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/sdk/change"
)

// Event is one row change. Before is nil for creates, After for deletes.
type Event struct {
	Table         string
	Op            change.Op
	Before, After Row
}

// Row is the row after the change, or before it for deletes.
func (e Event) Row() Row {
	if e.After != nil {
		return e.After
	}
	return e.Before
}

// Tx is one committed transaction of the source database.
type Tx struct {
	ID     int64 // the source's transaction number
	LSN    int64 // log position of its first event; event i has LSN+i
	At     int64 // commit time, microseconds UTC
	Day    int   // 0 for the first day
	Events []Event
}

// Bank generates transactions. It is not safe for concurrent use.
type Bank struct {
	cfg      Config
	rnd      *rand.Rand
	accounts []*Account          // customers' accounts, current rows
	byCcy    map[string][]int    // index into accounts
	internal map[string]*Account // clearing, cash, income by currency: "clearing/CZK"
	loans    []*Loan             // current rows, running ones
	cards    []*Card             // current rows
	people   []*Customer         // current rows
	ids      struct{ tx, entry, loan, card, account, source int64 }
	lsn      int64
	now      int64
	day      int
}

// firstCustomerAccount is the first customer account's id; the bank's own nine come before it.
const firstCustomerAccount = 1_000_010

// New makes a bank.
func New(cfg Config) (*Bank, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Bank{
		cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 0x6d696c6c72616365)),
		byCcy: map[string][]int{}, internal: map[string]*Account{},
		lsn: 24_000_000, now: cfg.Start.UnixMicro(),
	}
	b.ids.source = 700
	b.ids.account = firstCustomerAccount - 10
	return b, nil
}

// Config is the configuration in force, defaults filled in.
func (b *Bank) Config() Config { return b.cfg }

// Transactions yields every transaction of the bank's life, in commit order. It can be taken once.
func (b *Bank) Transactions() iter.Seq[Tx] {
	return func(yield func(Tx) bool) {
		if !b.open(yield) {
			return
		}
		for b.day = 0; b.day < b.cfg.Days; b.day++ {
			if !b.runDay(yield) {
				return
			}
		}
	}
}

// open creates the bank's own accounts, then customers with their accounts and first deposits.
func (b *Bank) open(yield func(Tx) bool) bool {
	own := b.begin()
	for _, ccy := range []string{"CZK", "EUR", "USD"} {
		for _, kind := range []string{"clearing", "cash", "income"} {
			b.ids.account++
			a := &Account{AccountID: b.ids.account, Type: kind, Currency: ccy, Status: "open", OpenedAt: b.now, UpdatedAt: b.now, Version: 1}
			b.internal[kind+"/"+ccy] = a
			own.create(Accounts, a)
		}
	}
	if !yield(b.commit(own)) {
		return false
	}
	for i := range b.cfg.Accounts {
		if !yield(b.openAccount(i)) {
			return false
		}
	}
	return true
}

func (b *Bank) openAccount(i int) Tx {
	t := b.begin()
	var who *Customer
	if i == 0 || b.rnd.IntN(10) < 8 {
		who = b.newCustomer()
		b.people = append(b.people, who)
		t.create(Customers, who)
	} else {
		who = b.people[b.rnd.IntN(len(b.people))]
	}
	b.ids.account++
	ccy := currencies[i%len(currencies)]
	a := &Account{AccountID: b.ids.account, CustomerID: who.CustomerID, Type: pick(b.rnd, accountTypes), Currency: ccy, Status: "open", OpenedAt: b.now, UpdatedAt: b.now, Version: 1}
	b.byCcy[ccy] = append(b.byCcy[ccy], len(b.accounts))
	b.accounts = append(b.accounts, a)
	t.create(Accounts, a)
	t.post(posting{kind: "opening", channel: "branch", memo: "opening deposit"},
		leg{&b.accounts[len(b.accounts)-1], 100_00 + b.rnd.Int64N(90_000_00)}, b.own("cash", ccy))
	if b.rnd.IntN(10) < 6 {
		b.ids.card++
		c := &Card{CardID: b.ids.card, AccountID: a.AccountID, Type: pick(b.rnd, cardTypes), Status: "active", LastDigits: fmt.Sprintf("%04d", b.rnd.IntN(10000)), IssuedOn: b.today()}
		b.cards = append(b.cards, c)
		t.create(Cards, c)
	}
	return b.commit(t)
}

// runDay yields a day's postings, spread over 24 hours, then the month's work where the month ends.
func (b *Bank) runDay(yield func(Tx) bool) bool {
	n := max(1, len(b.accounts)*b.cfg.PerAccountDay/1000)
	start := b.cfg.Start.AddDate(0, 0, b.day).UnixMicro()
	step := int64(24*time.Hour/time.Microsecond) / int64(n+1)
	for i := range n {
		b.now = max(b.now+1, start+int64(i)*step+b.rnd.Int64N(step/2+1))
		if !yield(b.business()) {
			return false
		}
	}
	return true
}

func (b *Bank) today() int32 { return int32(b.now / int64(24*time.Hour/time.Microsecond)) }

func (b *Bank) newCustomer() *Customer {
	id := int64(len(b.people) + 1)
	return &Customer{CustomerID: id, Name: pick(b.rnd, firstNames) + " " + pick(b.rnd, lastNames), Segment: pick(b.rnd, segments),
		City: pick(b.rnd, cities), BirthDate: int32(-7000 + b.rnd.IntN(22000)), CreatedAt: b.now}
}

// pick takes one of a list at random.
func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

var (
	accountTypes = []string{"current", "current", "current", "savings"}
	cardTypes    = []string{"debit", "debit", "credit"}
	segments     = []string{"mass", "mass", "affluent", "sme"}
	firstNames   = []string{"Jana", "Petr", "Eva", "Tomáš", "Lucie", "Jiří", "Anna", "Martin", "Zoë", "O'Neil \"Max\""}
	lastNames    = []string{"Nováková", "Svoboda", "Dvořáková", "Černý", "Procházka", "Kučera", "Veselá", "Horák"}
	cities       = []string{"Praha", "Brno", "Ostrava", "Plzeň", "Wien", "Berlin"}
	merchants    = []string{"groceries", "fuel", "travel", "restaurant", "pharmacy", "electronics"}
)
