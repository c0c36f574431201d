package ledgergen

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
