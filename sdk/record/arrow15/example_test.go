package arrow15_test

import (
	"fmt"

	"github.com/millrace/millrace/sdk/record"
	"github.com/millrace/millrace/sdk/record/arrow15"
)

func ExampleToV15() {
	type row struct{ ID int64 }
	b, err := record.NewBuilder[row]()
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := b.AppendAll([]row{{1}, {2}}); err != nil {
		fmt.Println(err)
		return
	}
	rec := b.NewRecord()
	defer rec.Release()
	old, err := arrow15.ToV15(rec) // an arrow.Record of github.com/apache/arrow/go/v15
	if err != nil {
		fmt.Println(err)
		return
	}
	defer old.Release()
	fmt.Println(old.Column(0))
	// Output: [1 2]
}
