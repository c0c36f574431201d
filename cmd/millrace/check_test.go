package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// onDisk lists what lies below a folder, with a sum of its contents.
func onDisk(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, err = fmt.Fprintln(&b, path)
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %x\n", path, sha256.Sum256(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCheckChangesNothing looks at the disk before and after a check: of a lake that is not there, of one that is, of
// one whose warehouse is gone, and of places in which none can be made.
func TestCheckChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "millrace.yaml")
	line(t, 0, "wrote", "init", "-p", file, "--source", "files")
	arrive(t, dir, "transactions/1.ndjson", "")
	same := func(code int, want string, more ...string) {
		t.Helper()
		before := onDisk(t, dir)
		line(t, code, want, append([]string{"check", "-p", file}, more...)...)
		if after := onDisk(t, dir); after != before {
			t.Errorf("check %q left\n%s\nthere was\n%s", more, after, before)
		}
	}
	same(0, "# lake: ok; no catalog yet: the first ingest makes it")
	same(2, "millrace.yaml is a file", "--set", "lake.catalog=sqlite://millrace.yaml/catalog.db")
	same(2, "millrace.yaml is a file", "--set", "lake.warehouse=file://millrace.yaml/warehouse")
	line(t, 0, `"event":"done"`, "ingest", "-p", file, "--until-caught-up", "--in-process")
	same(0, "# lake: ok\n")
	same(0, "# lake: ok\n", "--set", "lake.warehouse=file://elsewhere/warehouse")

	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	same(2, "no catalog in", "--set", "lake.catalog=sqlite://empty.db")
}

// TestReadingVerbsLeaveNoTrace runs each verb that only reads, where there is no lake and where there is one.
func TestReadingVerbsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "millrace.yaml")
	line(t, 0, "wrote", "init", "-p", file, "--source", "files")
	arrive(t, dir, "transactions/1.ndjson", "")
	verbs := [][]string{
		{"check"}, {"tables"}, {"show", "ledger.entries"}, {"show", "ledger.entries", "--history", "-k", "entry_id=1"}, {"verify"},
		{"breaks", "list"}, {"export", "ledger.nothing"}, {"maintain", "--dry-run"}, {"nightly", "next"}, {"nightly", "status"}, {"nightly", "history"},
	}
	each := func(code func(verb string) int, want string) {
		t.Helper()
		for _, verb := range verbs {
			before := onDisk(t, dir)
			c, text := code(strings.Join(verb, " ")), want
			if c < 2 {
				text = ""
			} else if verb[0] == "nightly" {
				text = "there is no run history in"
			}
			line(t, c, text, append(slices.Clone(verb), "-p", file)...)
			if after := onDisk(t, dir); after != before {
				t.Errorf("%q left\n%s\nthere was\n%s", verb, after, before)
			}
		}
	}
	each(func(verb string) int {
		if verb == "check" || verb == "nightly next" {
			return 0
		}
		return 2
	}, "yet: run `millrace ingest` first")
	line(t, 0, `"event":"done"`, "ingest", "-p", file, "--until-caught-up", "--in-process")
	each(func(verb string) int {
		switch verb {
		case "verify", "export ledger.nothing", "nightly status", "nightly history": // nothing to prove, no such table, no night
			return 2
		}
		return 0
	}, "")
}
