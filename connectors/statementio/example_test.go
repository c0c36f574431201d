package statementio_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/connectors/statementio"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// The bank's file of the night: its entries as batches, and what it says about itself.
func Example() {
	ctx := context.Background()
	store := storagetest.NewMemory("inbox", nil)
	file := ":20:STMT\n:25:DE02120300000000202051\n:28C:1\n:60F:C260330EUR100,00\n:61:2603310331D40,50NTRFINV-17\n:62F:C260331EUR59,50\n"
	if err := store.Put(ctx, "20260331.sta", []byte(file), storage.PutOptions{}); err != nil {
		fmt.Println(err)
		return
	}
	opts := statementio.Options{
		Columns: []string{"account", "amount", "currency"},
		OnStatement: func(file string, s *statement.Statement) error {
			for _, c := range s.Checks {
				fmt.Println(file, c.Verdict, c)
			}
			return nil
		},
	}
	splits, err := statementio.Splits(ctx, store, "*.sta", opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := statementio.Open(ctx, store, splits[0], opts)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	for {
		batch, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(batch.Column(0).ValueStr(0), batch.Column(1).ValueStr(0), batch.Column(2).ValueStr(0))
		batch.Release()
	}
	fmt.Println(r.Report().Format, r.Report().Passed, "checks passed")
	// Output:
	// 20260331.sta pass closing balance of statement 1: 59.50 EUR
	// DE02120300000000202051 -40.5 EUR
	// mt940 1 checks passed
}
