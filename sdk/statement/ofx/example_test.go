package ofx_test

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/ofx"
)

// A card's statement in SGML, as a bank offers it for download.
func Example() {
	const file = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nCHARSET:1252\n\n" +
		"<OFX><CREDITCARDMSGSRSV1><CCSTMTTRNRS><CCSTMTRS><CURDEF>EUR<CCACCTFROM><ACCTID>4111</CCACCTFROM><BANKTRANLIST>" +
		"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260331120000<TRNAMT>-12,50<FITID>F1<NAME>Bakery</STMTTRN>" +
		"</BANKTRANLIST></CCSTMTRS></CCSTMTTRNRS></CREDITCARDMSGSRSV1></OFX>"
	d, err := ofx.NewDecoder(strings.NewReader(file), statement.Options{File: "card.ofx"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range statement.All(d) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.BookingDate, e.Amount, e.Currency, e.BankRef, e.Counterparty)
	}
	// Output:
	// 2026-03-31 -12.50 EUR F1 Bakery
}
