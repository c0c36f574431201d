package bai2_test

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/bai2"
)

// A balance report with a credit, and what its trailers prove.
func Example() {
	const file = "01,BANK,ME,260331,0200,1,,,2/\n02,ME,BANK,1,260331,,USD,/\n03,0123456789,,010,100000,,,015,103000,,/\n" +
		"16,165,3000,0,BR1,CR1,ACH CREDIT/\n49,206000,3/\n98,206000,1,5/\n99,206000,1,7/\n"
	d, err := bai2.NewDecoder(strings.NewReader(file), statement.Options{File: "report.bai"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range statement.All(d) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.BookingDate, e.Amount, e.Currency, e.Code, e.Remittance)
	}
	for _, c := range d.File().Checks {
		fmt.Println(c.Verdict, c)
	}
	// Output:
	// 2026-03-31 30.00 USD 165 ACH CREDIT
	// pass control total of group: 206000
	// pass account count of group: 1
	// pass record count of group: 5
	// pass control total of the file: 206000
	// pass group count of the file: 1
	// pass record count of the file: 7
}
