package statement

import "github.com/millrace/millrace/sdk/money"

// Format names how a file is written.
type Format string

// The formats.
const (
	CAMT  Format = "camt"  // ISO 20022 camt.052, camt.053, camt.054
	MT940 Format = "mt940" // SWIFT MT940 and MT942
	BAI2  Format = "bai2"  // BAI2 cash management balance reporting
	NACHA Format = "nacha" // ACH files of the Nacha rules
	OFX   Format = "ofx"   // Open Financial Exchange 1.x (SGML) and 2.x (XML)
)

// Mark is how an entry stands against its account.
type Mark string

// The marks. A reversal of a credit takes money away again.
const (
	Credit         Mark = "C"
	Debit          Mark = "D"
	ReversedCredit Mark = "RC" // negative
	ReversedDebit  Mark = "RD" // positive
)

// MarkOf is the mark of an amount with this direction; undone says that the entry reverses another.
func MarkOf(credit, undone bool) Mark {
	switch {
	case credit && undone:
		return ReversedDebit
	case credit:
		return Credit
	case undone:
		return ReversedCredit
	}
	return Debit
}

// Sign is 1 where the mark adds to the account, -1 where it takes away, 0 for what is no mark.
func (m Mark) Sign() int {
	switch m {
	case Credit, ReversedDebit:
		return 1
	case Debit, ReversedCredit:
		return -1
	}
	return 0
}

// Reversal reports whether the mark undoes an earlier entry.
func (m Mark) Reversal() bool { return m == ReversedCredit || m == ReversedDebit }

// Status is whether an entry is final.
type Status string

// The statuses.
const (
	Booked      Status = "booked"
	Pending     Status = "pending" // expected or not final; not part of a booked balance
	Information Status = "info"    // told, but never booked
)

// Entry is one booking, or a part of one. Strings may be kept.
type Entry struct {
	Statement   int64  // number of its statement in the file, from 1
	Number      int64  // of the entry in its statement, from 1; parts of one booking share it
	Part        int64  // of a booking that was split into its transactions, from 1; 0 for a whole booking
	Line        int64  // on which its record begins, from 1
	Offset      int64  // of its record's first byte in the (decompressed) file
	StatementID string // as in Statement.ID
	Sequence    string // as in Statement.Sequence

	Account     string // IBAN or number, without blanks
	Bank        string // that keeps the account: BIC, routing number or name of the sender
	Holder      string // name of the account's owner
	Currency    string // ISO 4217 code
	BookingDate Date
	ValueDate   Date
	Amount      money.Decimal // signed: positive is credited to Account
	Mark        Mark
	Status      Status

	EndToEndID  string // the reference that travels from payer to payee
	BankRef     string // the reference of the bank that keeps the account
	CustomerRef string // the reference of the account's owner
	MandateID   string // of a direct debit
	Code        string // kind of transaction, in the format's own code
	Remittance  string // what the payer wrote
	Info        string // what the bank wrote

	Counterparty        string // the other side's name
	CounterpartyAccount string // the other side's IBAN or number
}

// BalanceKind is what a balance stands for.
type BalanceKind string

// The kinds. An interim balance is carried over between the pages of one statement.
const (
	Opening          BalanceKind = "opening"
	InterimOpening   BalanceKind = "interim opening"
	InterimClosing   BalanceKind = "interim closing"
	Closing          BalanceKind = "closing"
	Available        BalanceKind = "available"
	OpeningAvailable BalanceKind = "opening available"
	Forward          BalanceKind = "forward available"
	OtherBalance     BalanceKind = "other" // told by Balance.Code
)

// Balance is what the bank says that an account held.
type Balance struct {
	Kind     BalanceKind   `json:"kind"`
	Code     string        `json:"code"` // in the format's own words: 60F, CLBD, 015
	Date     Date          `json:"date,omitzero"`
	Amount   money.Decimal `json:"amount"` // signed
	Currency string        `json:"currency"`
	Line     int64         `json:"line"`
}

// Statement is an account's report of a period, or a batch of payments: what its header says, and when it has ended
// also its counts and checks.
type Statement struct {
	Number   int64  `json:"number"` // in the file, from 1
	Line     int64  `json:"line"`
	Offset   int64  `json:"offset"`
	ID       string `json:"id,omitempty"`
	Sequence string `json:"sequence,omitempty"` // number of the statement, and of its page: 28C, ElctrncSeqNb, batch number
	Account  string `json:"account,omitempty"`
	Bank     string `json:"bank,omitempty"`   // that keeps the account
	Holder   string `json:"holder,omitempty"` // name of the account's owner
	Currency string `json:"currency,omitempty"`
	From     Date   `json:"from,omitzero"`
	To       Date   `json:"to,omitzero"`

	Balances    []Balance     `json:"balances,omitempty"`
	Entries     int64         `json:"entries"` // rows: bookings, or their parts
	Quarantined int64         `json:"quarantined"`
	Folded      int64         `json:"folded,omitempty"` // transactions of a booking that state no amount of their own, so that only the booking is a row
	Credits     money.Decimal `json:"credits"`          // Σ of positive amounts, booked
	Debits      money.Decimal `json:"debits"`           // Σ of negative amounts, booked
	Checks      []Check       `json:"checks,omitempty"`
}

// Find returns the first balance of a kind.
func (s *Statement) Find(kind BalanceKind) (Balance, bool) {
	for _, b := range s.Balances {
		if b.Kind == kind {
			return b, true
		}
	}
	return Balance{}, false
}

// File is what a decoder has read so far.
type File struct {
	Name        string  `json:"name"`
	Format      Format  `json:"format"`
	Version     string  `json:"version,omitempty"` // camt.053.001.08, MT942, 220
	ID          string  `json:"id,omitempty"`      // of the message or file, by its sender
	Bytes       int64   `json:"bytes"`             // read so far
	Statements  int64   `json:"statements"`
	Entries     int64   `json:"entries"`
	Quarantined int64   `json:"quarantined"`
	Ignored     int64   `json:"ignored,omitempty"` // records that the format allows and that hold nothing that is read
	Passed      int64   `json:"passed"`            // checks, of the file and of its statements
	Failed      int64   `json:"failed"`
	Unproved    int64   `json:"unproved"`
	Checks      []Check `json:"checks,omitempty"` // of the file as a whole
}
