package arrow15

import (
	"flag"
	"go/format"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write from15.go anew")

// TestFrom15IsTo15TurnedRound keeps the two directions one piece of code: from15.go is to15.go with the
// versions exchanged. After a change of to15.go: go test ./sdk/record/arrow15 -update
func TestFrom15IsTo15TurnedRound(t *testing.T) {
	t.Parallel()
	to, err := os.ReadFile("to15.go")
	if err != nil {
		t.Fatal(err)
	}
	const module18, module15 = "github.com/apache/arrow-go/v18", "github.com/apache/arrow/go/v15"
	turned := strings.NewReplacer(module18, module15, module15, module18, "package arrow15", "package arrow15", "18", "15", "15", "18").Replace(string(to))
	want, err := format.Source([]byte("// Code generated from to15.go by TestFrom15IsTo15TurnedRound; DO NOT EDIT.\n\n" + turned))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("from15.go", want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("from15.go")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("from15.go is not to15.go turned round; run: go test ./sdk/record/arrow15 -update")
	}
}
