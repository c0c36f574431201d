package ledgergen

import "encoding/base64"

// Table names, as they stand in the source's schema "ledger".
const (
	Customers    = "customers"
	Accounts     = "accounts"
	Loans        = "loans"
	Cards        = "cards"
	Transactions = "transactions"
	Entries      = "entries"
)

// TableNames lists the generated tables.
func TableNames() []string {
	return []string{Customers, Accounts, Loans, Cards, Transactions, Entries}
}

// Row is a row of one of the tables. A Row is immutable once yielded.
type Row interface {
	Key() int64
	appendJSON(b []byte) []byte
}

// Customer is a row of customers.
type Customer struct {
	CustomerID          int64
	Name, Segment, City string
	BirthDate           int32 // days since 1970-01-01
	CreatedAt           int64 // microseconds UTC, as all times here
}

// Account is a row of accounts. The bank's own accounts have no customer (0 stands for null).
type Account struct {
	AccountID, CustomerID  int64
	Type, Currency, Status string
	Balance                int64 // minor units (cents)
	OpenedAt, UpdatedAt    int64
	Version                int64
}

// Loan is a row of loans.
type Loan struct {
	LoanID, AccountID      int64
	Principal, Outstanding int64 // minor units
	Rate                   int64 // millionths: 0.049000 is 49000
	TermMonths             int32
	GrantedOn              int32
	Status, Currency       string
}

// Card is a row of cards.
type Card struct {
	CardID, AccountID        int64
	Type, Status, LastDigits string
	IssuedOn                 int32
}

// Transaction is a row of transactions: one business event of the ledger.
type Transaction struct {
	TransactionID                         int64
	Kind, Channel, Reference, Description string
	BookedAt                              int64
	ValueDate                             int32
}

// Entry is a row of entries: one signed movement on one account.
type Entry struct {
	EntryID, TransactionID, AccountID int64
	Amount                            int64 // minor units; a credit of the account is positive
	Currency, Channel, Memo           string
	BookedAt                          int64
	ValueDate                         int32
	MerchantCategory                  string // the column that appears in mid-stream
	HasCategory                       bool   // whether the row's message has the column at all
}

// Key returns the primary key.
func (r *Customer) Key() int64 { return r.CustomerID }

// Key returns the primary key.
func (r *Account) Key() int64 { return r.AccountID }

// Key returns the primary key.
func (r *Loan) Key() int64 { return r.LoanID }

// Key returns the primary key.
func (r *Card) Key() int64 { return r.CardID }

// Key returns the primary key.
func (r *Transaction) Key() int64 { return r.TransactionID }

// Key returns the primary key.
func (r *Entry) Key() int64 { return r.EntryID }

// keyColumn is the primary key's column of a table.
func keyColumn(table string) string {
	switch table {
	case Customers:
		return "customer_id"
	case Accounts:
		return "account_id"
	case Loans:
		return "loan_id"
	case Cards:
		return "card_id"
	case Transactions:
		return "transaction_id"
	default:
		return "entry_id"
	}
}

func (r *Customer) appendJSON(b []byte) []byte {
	b = field(b, '{', "customer_id", r.CustomerID)
	b = text(b, "name", r.Name)
	b = text(b, "segment", r.Segment)
	b = text(b, "city", r.City)
	b = field(b, ',', "birth_date", int64(r.BirthDate))
	b = field(b, ',', "created_at", r.CreatedAt)
	return append(b, '}')
}

func (r *Account) appendJSON(b []byte) []byte {
	b = field(b, '{', "account_id", r.AccountID)
	if r.CustomerID == 0 {
		b = append(b, `,"customer_id":null`...)
	} else {
		b = field(b, ',', "customer_id", r.CustomerID)
	}
	b = text(b, "type", r.Type)
	b = text(b, "currency", r.Currency)
	b = decimal(b, "balance", r.Balance)
	b = text(b, "status", r.Status)
	b = field(b, ',', "opened_at", r.OpenedAt)
	b = field(b, ',', "updated_at", r.UpdatedAt)
	b = field(b, ',', "version", r.Version)
	return append(b, '}')
}

func (r *Loan) appendJSON(b []byte) []byte {
	b = field(b, '{', "loan_id", r.LoanID)
	b = field(b, ',', "account_id", r.AccountID)
	b = decimal(b, "principal", r.Principal)
	b = decimal(b, "outstanding", r.Outstanding)
	b = decimal(b, "rate", r.Rate)
	b = field(b, ',', "term_months", int64(r.TermMonths))
	b = field(b, ',', "granted_on", int64(r.GrantedOn))
	b = text(b, "status", r.Status)
	b = text(b, "currency", r.Currency)
	return append(b, '}')
}

func (r *Card) appendJSON(b []byte) []byte {
	b = field(b, '{', "card_id", r.CardID)
	b = field(b, ',', "account_id", r.AccountID)
	b = text(b, "type", r.Type)
	b = text(b, "status", r.Status)
	b = text(b, "last_digits", r.LastDigits)
	b = field(b, ',', "issued_on", int64(r.IssuedOn))
	return append(b, '}')
}

func (r *Transaction) appendJSON(b []byte) []byte {
	b = field(b, '{', "transaction_id", r.TransactionID)
	b = text(b, "kind", r.Kind)
	b = text(b, "channel", r.Channel)
	b = text(b, "reference", r.Reference)
	b = text(b, "description", r.Description)
	b = field(b, ',', "booked_at", r.BookedAt)
	b = field(b, ',', "value_date", int64(r.ValueDate))
	return append(b, '}')
}

func (r *Entry) appendJSON(b []byte) []byte {
	b = field(b, '{', "entry_id", r.EntryID)
	b = field(b, ',', "transaction_id", r.TransactionID)
	b = field(b, ',', "account_id", r.AccountID)
	b = decimal(b, "amount", r.Amount)
	b = text(b, "currency", r.Currency)
	b = text(b, "channel", r.Channel)
	b = field(b, ',', "booked_at", r.BookedAt)
	b = field(b, ',', "value_date", int64(r.ValueDate))
	if r.Memo == "" {
		b = append(b, `,"memo":null`...)
	} else {
		b = text(b, "memo", r.Memo)
	}
	if r.HasCategory {
		if r.MerchantCategory == "" {
			b = append(b, `,"merchant_category":null`...)
		} else {
			b = text(b, "merchant_category", r.MerchantCategory)
		}
	}
	return append(b, '}')
}

// decimal appends a Connect Decimal: the unscaled value's shortest big-endian two's complement, in base64.
func decimal(b []byte, name string, unscaled int64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':', '"')
	var raw [8]byte
	for i := range raw {
		raw[i] = byte(unscaled >> (56 - 8*i))
	}
	s := raw[:]
	for len(s) > 1 && (s[0] == 0 && s[1] < 0x80 || s[0] == 0xff && s[1] >= 0x80) {
		s = s[1:]
	}
	b = base64.StdEncoding.AppendEncode(b, s)
	return append(b, '"')
}
