package main

import (
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millrace/millrace/internal/housekeeping"
)

// verbs yields a command and all below it.
func verbs(c *cobra.Command) iter.Seq[*cobra.Command] {
	return func(yield func(*cobra.Command) bool) {
		all := []*cobra.Command{c}
		for len(all) > 0 {
			c := all[0]
			all = append(all[1:], c.Commands()...)
			if !yield(c) {
				return
			}
		}
	}
}

// flags yields a command's own flags and what they say.
func flags(c *cobra.Command) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { yield(f.Name, f.Usage) })
	}
}

// TestDocumentedCommands has every verb and flag that a document names exist.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	tree, err := housekeeping.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, s := range tree.Commands() {
		for _, words := range invocations(s.Text) {
			named++
			if wrong := unknown(commands(), words); wrong != "" {
				t.Errorf("%s:%d: %s: %s", s.Path, s.Line, s.Text, wrong)
			}
		}
	}
	if named < 5 {
		t.Errorf("only %d command lines found in the documents", named)
	}
	for text, want := range map[string]string{
		"millrace tabels": "no command tabels", "FOO=bar bin/millrace tables --dri x | head": "tables has no flag --dri",
		"bin/millrace check && bin/millrace lake sreve": "no command sreve", "bin/millrace ingest -p x.yaml": "", "echo millrace": "",
	} {
		got := ""
		for _, words := range invocations(text) {
			if got == "" {
				got = unknown(commands(), words)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// invocations are the words behind each millrace that a line runs.
func invocations(line string) [][]string {
	var out [][]string
	line, _, _ = strings.Cut(line, " #")
	for _, part := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune("|&;()", r) }) {
		words := strings.Fields(part)
		for len(words) > 0 && strings.Contains(words[0], "=") && !strings.HasPrefix(words[0], "-") {
			words = words[1:]
		}
		if len(words) > 0 && (words[0] == "millrace" || words[0] == "bin/millrace") {
			out = append(out, words[1:])
		}
	}
	return out
}

// unknown says what of a command line does not exist. Words in capitals and … stand for something else.
func unknown(c *cobra.Command, words []string) string {
	for _, w := range words {
		name, isFlag := strings.CutPrefix(w, "--")
		name, _, _ = strings.Cut(name, "=")
		switch {
		case isFlag && name != "" && name != "help" && c.Flags().Lookup(name) == nil && !(name == "version" && !c.HasParent()):
			return c.Name() + " has no flag --" + name
		case isFlag, strings.HasPrefix(w, "-"), !c.HasSubCommands():
		default:
			if w != strings.ToLower(w) || w == "…" || strings.Contains(w, "|") {
				return ""
			}
			sub, _, err := c.Find([]string{w})
			if err != nil || sub == c {
				return "no command " + w
			}
			c = sub
		}
	}
	return ""
}

// TestDocuments runs the sh blocks of every document that are not marked otherwise, in order, in an
// empty folder with bin/millrace.
func TestDocuments(t *testing.T) {
	t.Parallel()
	tree, err := housekeeping.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	binary, err := exec.LookPath("millrace") // the test binary under that name, see TestMain
	if err != nil {
		t.Fatal(err)
	}
	for doc := range tree.Documents {
		blocks, _, _ := doc.Blocks()
		script := "set -euo pipefail\n"
		for _, b := range blocks {
			if lang, mark, _ := b.Mark(); lang == "sh" && mark == "" {
				script += b.Text
			}
		}
		if strings.Count(script, "\n") == 1 {
			continue
		}
		t.Run(doc.Path, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(binary, filepath.Join(dir, "bin", "millrace")); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("bash", "-c", script)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\n%s", err, script, out)
			}
		})
	}
}
