package camt_test

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/camt"
)

// A booking of two salaries: an entry for each, which add up to it.
func Example() {
	const file = `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>S1</Id>
<Acct><Id><IBAN>DE02120300000000202051</IBAN></Id><Ccy>EUR</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">500.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-30</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">350.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-31</Dt></Dt></Bal>
<Ntry><Amt Ccy="EUR">150.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-03-31</Dt></BookgDt><NtryDtls>
<TxDtls><Refs><EndToEndId>SAL-1</EndToEndId></Refs><Amt Ccy="EUR">90.00</Amt></TxDtls>
<TxDtls><Refs><EndToEndId>SAL-2</EndToEndId></Refs><Amt Ccy="EUR">60.00</Amt></TxDtls></NtryDtls></Ntry>
</Stmt></BkToCstmrStmt></Document>`
	d, err := camt.NewDecoder(strings.NewReader(file), statement.Options{
		File: "camt.xml",
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
		fmt.Println(e.BookingDate, e.Amount, e.Currency, e.EndToEndID)
	}
	// Output:
	// 2026-03-31 -90.00 EUR SAL-1
	// 2026-03-31 -60.00 EUR SAL-2
	// pass closing balance of statement 1: 350.00 EUR
}
