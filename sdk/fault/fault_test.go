package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/millrace/millrace/sdk/fault"
)

func TestTheInnermostMarkWins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		kind fault.Kind
		code int
	}{
		{io.EOF, fault.Fault, 3},
		{fault.Usagef("flag %w", io.EOF), fault.Usage, 2},
		{fault.Findingsf("3 breaks"), fault.Findings, 1},
		{fault.Retryablef("down"), fault.Retryable, 3},
		{fmt.Errorf("open: %w", fault.Usagef("bad")), fault.Usage, 2},
		{fault.Mark(fault.Retryable, fmt.Errorf("open: %w", fault.Usagef("bad"))), fault.Usage, 2},
		{errors.Join(io.EOF, fault.Findingsf("x")), fault.Findings, 1},
	} {
		if got := fault.Of(c.err); got != c.kind || got.ExitCode() != c.code {
			t.Errorf("%v: %v, exit code %d; want %v, %d", c.err, got, got.ExitCode(), c.kind, c.code)
		}
	}
	if fault.Mark(fault.Usage, nil) != nil || fault.IsRetryable(nil) {
		t.Error("nil became an error")
	}
	if !errors.Is(fault.Usagef("flag %w", io.EOF), io.EOF) {
		t.Error("the cause is lost")
	}
}

func ExampleUsagef() {
	err := fmt.Errorf("open lake: %w", fault.Usagef("no catalog; give one with --catalog"))
	fmt.Println(err, fault.Of(err).ExitCode())
	// Output: open lake: no catalog; give one with --catalog 2
}
