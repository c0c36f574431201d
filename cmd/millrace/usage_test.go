package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestADefectIsOneLine: a panic is told with what it said and where, not as a stack.
func TestADefectIsOneLine(t *testing.T) {
	t.Parallel()
	var none []int
	root := &cobra.Command{Use: "millrace", SilenceErrors: true, SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error { none[0]++; return nil }}
	var out, errs bytes.Buffer
	root.SetArgs(nil)
	code := conclude(execute(t.Context(), root), &errs)
	text := errs.String()
	if code != 3 || strings.Count(text, "\n") != 1 || !strings.Contains(text, "a defect in millrace: runtime error: index out of range") || !strings.Contains(text, "TestADefectIsOneLine") || out.Len() > 0 {
		t.Errorf("exit code %d: %s", code, text)
	}
}
