package housekeeping

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// DocCommands: a command in a document stands in a fence marked sh, and is run: by the test of documents where
// nothing else is said, by the test that "run-by: TestName" names, or, with a reason, not at all ("no-run: why").
// Every make target and every package that a command names exists.
func DocCommands(t *Tree) []Finding {
	var out []Finding
	for doc := range t.Documents {
		blocks, _, indented := doc.Blocks()
		for _, b := range blocks {
			out = append(out, t.fence(b)...)
		}
		for _, s := range indented {
			if command(s.Text) {
				out = append(out, Finding{s.Path, s.Line, "shows a command in an indented block: put it in a fence marked sh, so that it is run"})
			}
		}
	}
	targets := t.makeTargets()
	for _, c := range t.Commands() {
		out = append(out, t.named(c, targets)...)
	}
	return out
}

// fence checks the mark of one block.
func (t *Tree) fence(b Block) []Finding {
	lang, mark, reason := b.Mark()
	say := func(format string, args ...any) []Finding {
		return []Finding{{b.Path, b.Line, fmt.Sprintf(format, args...)}}
	}
	if slices.Contains([]string{"bash", "shell", "console", "zsh"}, lang) {
		return say("write sh for %s, so that the commands are run", lang)
	}
	if lang != "sh" {
		for _, line := range strings.Split(b.Text, "\n") {
			if lang == "" && command(strings.TrimPrefix(strings.TrimSpace(line), "$ ")) {
				return say("shows a command in a fence without a language: mark it sh, so that it is run")
			}
		}
		return nil
	}
	switch mark {
	case "":
	case "no-run":
		if reason == "" {
			return say("say why the commands are not run: sh no-run: reason")
		}
	case "run-by":
		if !t.declares(reason) {
			return say("no test is called %q", reason)
		}
	default:
		return say("%q is not a mark of sh blocks; write nothing, run-by: TestName, or no-run: reason", mark)
	}
	return nil
}

var (
	target    = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	makeWords = regexp.MustCompile(`(?:^|&& |; )make ([a-z][a-z0-9-]*)`)
	goPath    = regexp.MustCompile(`\bgo (?:run|test|build) (?:[^#&;|]* )?\./([A-Za-z0-9_/.-]*)`)
)

func (t *Tree) makeTargets() []string {
	var out []string
	for _, text := range t.Texts {
		if text.Path == "Makefile" {
			for _, m := range target.FindAllStringSubmatch(text.Data, -1) {
				out = append(out, m[1])
			}
		}
	}
	return out
}

// named checks the make targets and package paths of one command line.
func (t *Tree) named(c Span, targets []string) []Finding {
	var out []Finding
	for _, m := range makeWords.FindAllStringSubmatch(c.Text, -1) {
		if !slices.Contains(targets, m[1]) {
			out = append(out, Finding{c.Path, c.Line, "make has no target " + m[1]})
		}
	}
	for _, m := range goPath.FindAllStringSubmatch(c.Text, -1) {
		dir := path.Clean(strings.TrimSuffix(m[1], "..."))
		if !slices.ContainsFunc(t.Packages, func(p *Package) bool { return dir == "." || p.Under(dir) }) {
			out = append(out, Finding{c.Path, c.Line, "there is no package ./" + dir})
		}
	}
	return out
}

// declares reports whether a test, example, fuzz target or benchmark of this name exists.
func (t *Tree) declares(name string) bool {
	return slices.ContainsFunc(t.Packages, func(p *Package) bool { return hasTest(p, name) })
}

var (
	testName = regexp.MustCompile(`^(Test|Fuzz|Example|Benchmark)[A-Z][A-Za-z0-9_]*$`)
	filePath = regexp.MustCompile(`^(cmd|sdk|connectors|catalog|runners|jobs|examples|internal|docs|bench)/[A-Za-z0-9_./-]+$`)
)

// testPlace is a test that a document names with its folder, or several of one folder.
var testPlace = regexp.MustCompile("((?:`[A-Z][A-Za-z0-9_]*`(?:, | and ))*`[A-Z][A-Za-z0-9_]*`) in `([a-z][a-z0-9_/]*)`")

// DocNames: a test or a file that a document names in inline code exists, and where it says.
func DocNames(t *Tree) []Finding {
	var out []Finding
	for doc := range t.Documents {
		for i, line := range strings.Split(doc.Data, "\n") {
			for _, m := range testPlace.FindAllStringSubmatch(line, -1) {
				out = append(out, t.misplaced(Span{doc.Path, i + 1, m[1]}, m[2])...)
			}
		}
		_, spans, _ := doc.Blocks()
		for _, s := range spans {
			switch {
			case testName.MatchString(s.Text) && !t.declares(s.Text):
				out = append(out, Finding{s.Path, s.Line, "no test is called " + s.Text})
			case filePath.MatchString(s.Text) && !t.holds(strings.TrimSuffix(s.Text, "/")):
				out = append(out, Finding{s.Path, s.Line, "there is no file or folder " + s.Text})
			}
		}
	}
	return out
}

// misplaced are the tests among the names of a span that its folder does not have.
func (t *Tree) misplaced(names Span, dir string) []Finding {
	var out []Finding
	for _, m := range inline.FindAllStringSubmatch(names.Text, -1) {
		here := slices.ContainsFunc(t.Packages, func(p *Package) bool { return p.Dir == dir && hasTest(p, m[1]) })
		if testName.MatchString(m[1]) && t.declares(m[1]) && !here {
			out = append(out, Finding{names.Path, names.Line, m[1] + " is not in " + dir})
		}
	}
	return out
}

// holds reports whether the tree has a file, a folder, or a name of a package at a path.
func (t *Tree) holds(p string) bool {
	if slices.ContainsFunc(t.Texts, func(x Text) bool { return within(x.Path, p) }) {
		return true
	}
	dir, name := path.Dir(p), path.Base(p)
	pkg, _, dotted := strings.Cut(name, ".")
	return dotted && slices.ContainsFunc(t.Packages, func(x *Package) bool { return x.Dir == path.Join(dir, pkg) })
}
