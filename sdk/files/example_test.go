package files_test

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// A large text file is cut into byte ranges that travel to workers; each record belongs to exactly one.
func ExampleByteRanges() {
	for _, s := range files.ByteRanges(storage.Info{Name: "entries.csv", Size: 192 << 20, ETag: "a1"}, 64<<20) {
		fmt.Println(s.Name, s.From>>20, s.To>>20)
	}
	// Output:
	// entries.csv 0 64
	// entries.csv 64 128
	// entries.csv 128 192
}

// A bad record is kept; more than a few of them mean that the file is another one than was meant.
func ExampleLimit() {
	keep := files.Limit(2, func(_ context.Context, r files.Reject) error {
		fmt.Println("kept:", r)
		return nil
	})
	for line := range 3 {
		err := keep(context.Background(), files.Reject{File: "day.csv", Line: int64(line + 1), Reason: "not a number"})
		if err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// kept: day.csv:1: not a number
	// kept: day.csv:2: not a number
	// more than 2 records were rejected; the last: not a number
}
