// Package fault says what kind of failure an error is.
//
// Nouns: a [Kind] tells a caller what to do about an error: correct the input
// ([Usage]), look at the data ([Findings]), try again ([Retryable]), or report
// a defect or an outage ([Fault], the kind of any error that was not marked).
//
// Invariants: the kind survives wrapping with %w, and the innermost mark wins,
// because the place that failed first knows best. The kind decides the exit
// code of every command and whether a retry loop goes on; nothing else does.
package fault

import (
	"errors"
	"fmt"
)

// Kind is what can be done about an error.
type Kind int

const (
	// Fault is an outage or a defect: exit code 3. The zero value, and the kind of unmarked errors.
	Fault Kind = iota
	// Usage is a mistake in flags, configuration or credentials: one line, exit code 2.
	Usage
	// Findings means that the run did its work and found breaks or failed checks: exit code 1.
	Findings
	// Retryable is a passing failure of something outside: trying again may help. Exit code 3 once retries are used up.
	Retryable
)

// ExitCode is the process exit code for the kind: Findings 1, Usage 2, all else 3.
func (k Kind) ExitCode() int {
	switch k {
	case Findings:
		return 1
	case Usage:
		return 2
	default:
		return 3
	}
}

// String names the kind in lower case.
func (k Kind) String() string {
	switch k {
	case Usage:
		return "usage"
	case Findings:
		return "findings"
	case Retryable:
		return "retryable"
	default:
		return "fault"
	}
}

type marked struct {
	kind Kind
	err  error
}

func (m *marked) Error() string { return m.err.Error() }
func (m *marked) Unwrap() error { return m.err }

// Mark gives err a kind. A nil err stays nil; an err that has a kind keeps it.
func Mark(kind Kind, err error) error {
	if err == nil {
		return nil
	}
	var m *marked
	if errors.As(err, &m) {
		return err
	}
	return &marked{kind, err}
}

// Usagef is fmt.Errorf for a user's mistake: say what is wrong, where, and what to write instead.
func Usagef(format string, args ...any) error { return Mark(Usage, fmt.Errorf(format, args...)) }

// Retryablef is fmt.Errorf for a passing failure.
func Retryablef(format string, args ...any) error {
	return Mark(Retryable, fmt.Errorf(format, args...))
}

// Findingsf is fmt.Errorf for a run that worked and found breaks.
func Findingsf(format string, args ...any) error { return Mark(Findings, fmt.Errorf(format, args...)) }

// Of is the kind of err: Fault if it was never marked. Of(nil) is Fault too; test err first.
func Of(err error) Kind {
	var m *marked
	if errors.As(err, &m) {
		return m.kind
	}
	return Fault
}

// IsRetryable reports whether err is marked as a passing failure.
func IsRetryable(err error) bool { return err != nil && Of(err) == Retryable }
