package ledgergen

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
)

// Planted counts the differences that a Statement has against the ledger's card entries, by class.
type Planted struct {
	Lines           int `json:"lines"`             // lines written
	MissingInLedger int `json:"missing_in_ledger"` // on the statement, not in the ledger
	MissingOnPaper  int `json:"missing_on_statement"`
	Amount          int `json:"amount"`    // amounts differ by more than a cent
	Tolerated       int `json:"tolerated"` // amounts differ by one cent
	Duplicate       int `json:"duplicate"`
	Timing          int `json:"timing"` // settled five days later
}

// WriteStatement writes what the card scheme says of the ledger's card entries
// (the customers' side), as CSV: reference,account_id,amount,currency,settled_on.
// The reference is the ledger's transaction reference. Differences are planted by the seed.
func WriteStatement(w io.Writer, t *Truth, seed uint64) (Planted, error) {
	var p Planted
	rnd := rand.New(rand.NewPCG(seed, 0x706170657273))
	out := bufio.NewWriter(w)
	if _, err := out.WriteString("reference,account_id,amount,currency,settled_on\n"); err != nil {
		return p, fmt.Errorf("write statement: %w", err)
	}
	line := func(ref string, account, amount int64, ccy string, day int32) {
		p.Lines++
		sign := ""
		if amount < 0 {
			sign, amount = "-", -amount
		}
		// bufio keeps the first error; Flush reports it.
		_, _ = fmt.Fprintf(out, "%s,%d,%s%d.%02d,%s,%s\n", ref, account, sign, amount/100, amount%100, ccy, dayText(day))
	}
	for _, e := range t.Entries() {
		if e.Channel != "card" || e.Amount >= 0 {
			continue
		}
		ref := t.Tables[Transactions][e.TransactionID].(*Transaction).Reference
		amount, day, copies := e.Amount, e.ValueDate+rnd.Int32N(2), 1
		switch n := rnd.IntN(1000); {
		case n < 3:
			p.MissingOnPaper++
			continue
		case n < 6:
			p.Amount++
			amount -= 1_00 + rnd.Int64N(50_00)
		case n < 12:
			p.Tolerated++
			amount++
		case n < 14:
			p.Duplicate++
			copies = 2
		case n < 17:
			p.Timing++
			day += 5
		case n < 19:
			p.MissingInLedger++
			line(fmt.Sprintf("XX%09d", e.EntryID), e.AccountID, -(5_00 + rnd.Int64N(100_00)), e.Currency, day)
		}
		for range copies {
			line(ref, e.AccountID, amount, e.Currency, day)
		}
	}
	if err := out.Flush(); err != nil {
		return p, fmt.Errorf("write statement: %w", err)
	}
	return p, nil
}
