package tree_test

import (
	"fmt"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation/tree"
)

func Example() {
	ledger, bank := tree.New(2), tree.New(2)
	var h tree.Hasher
	add := func(t *tree.Tree, ref, amount string) {
		d, err := money.Parse(amount)
		if err != nil {
			fmt.Println(err)
		}
		h.Key()
		h.Text(ref)
		h.Row()
		h.Number(d)
		bucket, row := h.Sum()
		if err := t.Add(bucket, row, d); err != nil {
			fmt.Println(err)
		}
	}
	add(ledger, "A-1", "10.00")
	add(ledger, "A-2", "20.00")
	add(bank, "A-2", "20.0")
	add(bank, "A-1", "10.01")
	b, err := tree.Descend(ledger, bank)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(b.Equal(), len(b.Differ), b.Left.Rows, b.Right.Rows)
	// Output: false 1 2 2
}
