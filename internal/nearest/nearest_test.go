package nearest_test

import (
	"fmt"
	"testing"

	"github.com/millrace/millrace/internal/nearest"
)

func TestOf(t *testing.T) {
	t.Parallel()
	columns := []string{"account_id", "amount", "as_of", "balance", "id", "ID2"}
	for name, want := range map[string]string{
		"acount_id": "account_id", "Balance": "balance", "balanse": "balance", "amuont": "amount", "": "",
		"zzz": "", "if": "id", "asof": "as_of", "balance": "balance", "měna": "",
	} {
		if got := nearest.Of(name, columns); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func ExampleOf() {
	fmt.Println(nearest.Of("ledger.entires", []string{"ledger.accounts", "ledger.entries"}))
	// Output: ledger.entries
}
