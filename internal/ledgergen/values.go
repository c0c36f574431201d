package ledgergen

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Values are a row's values in the order of FinalSchema: int64 for integers, dates
// (days since 1970-01-01), times (microseconds UTC) and decimals (unscaled), string
// for texts, nil for null.
func Values(r Row) []any {
	switch r := r.(type) {
	case *Customer:
		return []any{r.CustomerID, r.Name, r.Segment, r.City, int64(r.BirthDate), r.CreatedAt}
	case *Account:
		return []any{r.AccountID, zeroIsNull(r.CustomerID), r.Type, r.Currency, r.Balance, r.Status, r.OpenedAt, r.UpdatedAt, r.Version}
	case *Loan:
		return []any{r.LoanID, r.AccountID, r.Principal, r.Outstanding, r.Rate, int64(r.TermMonths), int64(r.GrantedOn), r.Status, r.Currency}
	case *Card:
		return []any{r.CardID, r.AccountID, r.Type, r.Status, r.LastDigits, int64(r.IssuedOn)}
	case *Transaction:
		return []any{r.TransactionID, r.Kind, r.Channel, r.Reference, r.Description, r.BookedAt, int64(r.ValueDate)}
	case *Entry:
		category := emptyIsNull(r.MerchantCategory)
		if !r.HasCategory {
			category = nil
		}
		return []any{r.EntryID, r.TransactionID, r.AccountID, r.Amount, r.Currency, r.Channel, r.BookedAt, int64(r.ValueDate),
			emptyIsNull(r.Memo), category}
	}
	return nil
}

func zeroIsNull(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func emptyIsNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Cell is a value of a column as Values has it, in memory of its own; a binary one is a
// string. Errors: a decimal beyond 64 bits, and types that no table of the bank has.
func Cell(a arrow.Array, i int) (any, error) {
	if a.IsNull(i) {
		return nil, nil
	}
	switch a := a.(type) {
	case *array.Int64:
		return a.Value(i), nil
	case *array.Int32:
		return int64(a.Value(i)), nil
	case *array.Date32:
		return int64(a.Value(i)), nil
	case *array.Timestamp:
		return int64(a.Value(i)), nil
	case *array.Decimal128:
		n := a.Value(i)
		if hi := n.HighBits(); hi != int64(n.LowBits())>>63 {
			return nil, fmt.Errorf("the decimal %s is beyond what the bank can hold", n.BigInt())
		}
		return int64(n.LowBits()), nil
	case *array.String:
		return strings.Clone(a.Value(i)), nil
	case *array.Binary:
		return string(a.Value(i)), nil
	}
	return nil, fmt.Errorf("unexpected type %s", a.DataType())
}
