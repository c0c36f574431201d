package mt940_test

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/mt940"
)

// A statement of one account, read entry by entry, and the proof of its closing balance.
func Example() {
	const file = ":20:STMT\n:25:DE02120300000000202051\n:28C:1\n:60F:C260330EUR100,00\n" +
		":61:2603310331D40,50NTRFINV-17\n:86:/EREF/E2E-1/REMI/Invoice 17/\n:62F:C260331EUR59,50\n"
	d, err := mt940.NewDecoder(strings.NewReader(file), statement.Options{
		File: "statement.sta",
		OnStatement: func(s *statement.Statement) error {
			fmt.Println(s.Checks[0].Verdict, s.Checks[0])
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range statement.All(d) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.BookingDate, e.Amount, e.Currency, e.EndToEndID, e.Remittance)
	}
	// Output:
	// 2026-03-31 -40.50 EUR E2E-1 Invoice 17
	// pass closing balance of statement 1: 59.50 EUR
}
