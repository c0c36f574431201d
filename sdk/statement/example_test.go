package statement_test

import (
	"fmt"

	"github.com/millrace/millrace/sdk/statement"
)

// A number as an American bank prints it: groups of three, brackets for less than nothing.
func ExampleAmountStyle() {
	style := statement.AmountStyle{GroupMark: ",", Brackets: true}
	for _, text := range []string{"1,234.50", "(12.00)", "12,34"} {
		amount, err := style.Parse([]byte(text))
		fmt.Println(amount, err)
	}
	// Output:
	// 1234.50 <nil>
	// -12.00 <nil>
	// 0 amount "12,34": its groups are not of three digits
}
