package nacha_test

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/nacha"
)

// A file whose control record states a cent too much is refused.
func Example() {
	file := strings.Join([]string{
		"101 07640125107640125122603310815A094101ACHDESTINATION         FIRST COMPANY",
		"5220FIRST COMPANY                       1234567890PPDPAYROLL         260401   1076401250000001",
		"62205320000112345678         0000250000EMP-1          ANN SMITH               0076401250000001",
		"82200000010005320000000000000000000000250000" + "1234567890                         076401250000001",
		"9000001000001000000010005320000000000000000000000250001",
	}, "\n")
	d, err := nacha.NewDecoder(strings.NewReader(file), statement.Options{File: "payroll.ach"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range statement.All(d) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.ValueDate, e.Amount, e.Currency, e.Holder, e.Code)
	}
	// Output:
	// 2026-04-01 2500.00 USD ANN SMITH PPD/22
	// payroll.ach:5: credit total of the file: the file states 2500.01, its records give 2500.00 USD: control total does not tie out; ask the sender for the whole file, or let totals be reported
}
