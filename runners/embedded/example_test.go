package embedded_test

import (
	"context"
	"fmt"

	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/runners/embedded/pace"
)

// A stream is a loop of bounded epochs: what is planned is worked on, until nothing more is found.
func ExampleLoop() {
	waiting := []string{"debit", "credit"}
	res, err := embedded.Loop(context.Background(), embedded.Stream[string]{
		Plan: func(context.Context, pace.Size) (string, bool, error) {
			if len(waiting) == 0 {
				return "", false, nil
			}
			next := waiting[0]
			waiting = waiting[1:]
			return next, true, nil
		},
		Work: func(_ context.Context, epoch string) (pace.Epoch, error) {
			fmt.Println(epoch)
			return pace.Epoch{}, nil
		},
	}, embedded.LoopOptions{UntilIdle: true})
	fmt.Println(res.Epochs, err)
	// Output:
	// debit
	// credit
	// 2 <nil>
}
