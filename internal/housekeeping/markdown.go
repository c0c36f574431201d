package housekeeping

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// Block is a fenced block of a document.
type Block struct {
	Path string
	Line int    // of the fence; its first line of text is the next one
	Info string // what stands behind the fence: "sh", "sh no-run: why", "yaml"
	Text string
}

// Mark splits the info of a block: "sh no-run: why" gives sh, no-run, why.
func (b Block) Mark() (language, mark, reason string) {
	language, rest, _ := strings.Cut(b.Info, " ")
	mark, reason, _ = strings.Cut(rest, ":")
	return language, strings.TrimSpace(mark), strings.TrimSpace(reason)
}

// Span is inline code, or one line of a block that reads like a command.
type Span struct {
	Path string
	Line int
	Text string
}

var inline = regexp.MustCompile("`([^`]+)`")

// Documents yields the markdown files of the repository.
func (t *Tree) Documents(yield func(Text) bool) {
	for _, text := range t.Texts {
		if path.Ext(text.Path) == ".md" && !strings.Contains(text.Path, "testdata/") && !yield(text) {
			return
		}
	}
}

// Blocks are the fenced blocks of a document; Spans the inline code outside them; and Indented
// the lines that markdown shows as code because they are indented.
func (t Text) Blocks() (blocks []Block, spans, indented []Span) {
	var open *Block
	before := ""
	for i, line := range strings.Split(t.Data, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case open != nil && trimmed == "```":
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.Text += line + "\n"
		case strings.HasPrefix(trimmed, "```"):
			open = &Block{Path: t.Path, Line: i + 1, Info: strings.TrimSpace(trimmed[3:])}
		case strings.HasPrefix(line, "    ") && (before == "" || strings.HasPrefix(before, "    ")):
			indented = append(indented, Span{t.Path, i + 1, trimmed})
		default:
			for _, m := range inline.FindAllStringSubmatch(line, -1) {
				spans = append(spans, Span{t.Path, i + 1, m[1]})
			}
		}
		before = line
	}
	return blocks, spans, indented
}

// Commands are the command lines that documents show: lines of sh blocks (continued lines joined),
// and inline code that begins like one.
func (t *Tree) Commands() []Span {
	var out []Span
	for doc := range t.Documents {
		blocks, spans, indented := doc.Blocks()
		for _, b := range blocks {
			if lang, _, _ := b.Mark(); lang == "sh" {
				out = append(out, b.lines()...)
			}
		}
		for _, s := range append(spans, indented...) {
			if command(s.Text) {
				out = append(out, s)
			}
		}
	}
	return out
}

// lines are the block's commands: comments are left out, a line that ends in \ goes on.
func (b Block) lines() []Span {
	var out []Span
	joined := ""
	for i, line := range strings.Split(b.Text, "\n") {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutSuffix(line, "\\"); ok {
			joined += rest
			continue
		}
		if line = joined + line; line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, Span{b.Path, b.Line + 1 + i, line})
		}
		joined = ""
	}
	return out
}

// command reports whether inline code reads as a command line.
func command(text string) bool {
	first, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	return slices.Contains([]string{"make", "bin/millrace", "millrace"}, first) && rest != "" || first == "go" && (strings.HasPrefix(rest, "run ") || strings.HasPrefix(rest, "test "))
}
