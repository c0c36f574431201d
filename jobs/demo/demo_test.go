package demo_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/jobs/demo"
)

// built is the program that the demo runs its parts with.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "millrace-demo")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		built = filepath.Join(dir, "millrace")
		if out, err := exec.Command("go", "build", "-o", built, "github.com/millrace/millrace/cmd/millrace").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build millrace: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// The demo compares source and lake row by row, and proves every cut, itself: an error is a difference.
func TestDemoSurvivesItsKill(t *testing.T) {
	t.Parallel()
	bin, dir := built, filepath.Join(t.TempDir(), "demo")
	var out bytes.Buffer
	s, err := demo.Run(t.Context(), demo.Options{Dir: dir, Binary: bin, Seed: 3, Accounts: 200, Days: 12, Out: &out})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if s.Cuts == 0 || s.Rows["ledger.entries"] == 0 || s.Quarantine == 0 || !strings.Contains(out.String(), "SIGKILL") {
		t.Fatalf("%+v\n%s", s, out.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "summary.json")); err != nil {
		t.Error(err)
	}
	if n := s.Night; n.Proof.Checked.Matched == 0 || n.Features.Rows == 0 || n.Export.Manifest.Rows != n.Features.Rows || n.Account["balance"] == nil {
		t.Errorf("the night found %+v", n)
	}
	verb(t, bin, 0, "verify", "--dir", dir)
	var list struct {
		Cut    int64
		Tables []struct {
			Table string
			Rows  int64
		}
	}
	if err := json.Unmarshal(verb(t, bin, 0, "tables", "--dir", dir, "--json"), &list); err != nil || list.Cut == 0 || len(list.Tables) != 16 {
		t.Fatalf("%v: %+v", err, list)
	}
	readersAgree(t, bin, dir)
}

// verb runs a command line and checks its exit code.
func verb(t *testing.T, bin string, code int, args ...string) []byte {
	t.Helper()
	var errs bytes.Buffer
	c := exec.CommandContext(t.Context(), bin, args...)
	c.Stderr = &errs
	out, err := c.Output()
	if c.ProcessState == nil || c.ProcessState.ExitCode() != code {
		t.Fatalf("%v: %v, want exit code %d\n%s", args, err, code, errs.String())
	}
	return append(out, errs.Bytes()...)
}

func TestMistakesAreOneLineAndExitCode2(t *testing.T) {
	t.Parallel()
	bin, dir := built, t.TempDir()
	full := filepath.Join(dir, "full")
	if err := os.MkdirAll(filepath.Join(full, "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"unknown verb":    {"ingset"},
		"unknown flag":    {"demo", "--acounts", "5"},
		"argument":        {"tables", "x"},
		"no project":      {"ingest", "--project", filepath.Join(dir, "none.yaml")},
		"no lake":         {"tables", "--dir", dir},
		"foreign folder":  {"demo", "--dir", full},
		"one account":     {"demo", "--dir", filepath.Join(dir, "new"), "--accounts", "1"},
		"nothing to show": {"lake", "serve", "--dir", dir},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := strings.TrimSpace(string(verb(t, bin, 2, args...)))
			if strings.Count(out, "\n") > 0 || !strings.HasPrefix(out, "millrace: ") {
				t.Errorf("not one line: %q", out)
			}
		})
	}
	file := filepath.Join(dir, "p.yaml")
	verb(t, bin, 0, "init", "--project", file)
	verb(t, bin, 2, "init", "--project", file)
	if out := verb(t, bin, 0, "check", "--offline", "--project", file); !strings.Contains(string(out), "entry_id bigint") {
		t.Errorf("the effective configuration lacks the columns:\n%s", out)
	}
	verb(t, bin, 2, "check", "--project", file, "--set", "source.kafka.brokers=[127.0.0.1:1]")
}
