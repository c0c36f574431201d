package proof_test

import (
	"fmt"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation/proof"
)

// A journal is a trial balance of its own: it nets to zero.
func ExampleAgreement() {
	var journals proof.Agreement
	for _, row := range []struct {
		journal string
		amount  int64
	}{{"J1", 250}, {"J1", -250}, {"J2", 90}, {"J2", -60}} {
		if err := journals.Find([]string{row.journal}, "EUR", money.FromInt64(row.amount)); err != nil {
			fmt.Println(err)
			return
		}
	}
	result, err := journals.Prove(proof.Materiality{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Verdict, result.Checked)
	for _, item := range result.Items {
		fmt.Println(item.Group, item.Currency, item.Difference)
	}
	// Output:
	// fail 2
	// [J2] EUR 30
}
