package housekeeping

import (
	"regexp"
	"slices"
	"strings"
)

// wordRules are what no file of the repository may say. hints are lower-case texts, one of which
// every match holds: matching patterns alone would take seconds.
var wordRules = []struct {
	hints   []string
	pattern *regexp.Regexp
	message string
}{
	{[]string{"/work/", "/root/", "/home/", "/users/"}, regexp.MustCompile(`(^|[\s"'=(:` + "`" + `])/(work|root|home|Users)/[a-z.]`), "names a path of one machine: use a temporary folder, or a path relative to the repository"},
	{[]string{"/tmp/"}, regexp.MustCompile(`["'` + "`" + `]/tmp/`), "names a fixed temporary path: two runs at a time would share it; use t.TempDir or os.MkdirTemp"},
	{[]string{"golang.org", "pypi", "pythonhosted", "npmjs", "maven.", "debian.org", "crates.io"}, regexp.MustCompile(`\b(proxy|sum)\.golang\.org|\b(files\.pythonhosted|pypi|registry\.npmjs|repo\.maven\.apache|deb\.debian|security\.debian)\.(org|com)\b|\brepo1\.maven\.org|\bcrates\.io\b`), "names a package registry's host: the client's own settings choose it"},
	{[]string{"agent", "claude", "anthropic", "gpt", "openai", "llm", "copilot", "language model"}, regexp.MustCompile(`(?i)\b(sub-?agents?|ai agents?|claude|anthropic|chatgpt|openai|llms?|copilot|language models?)\b`), "speaks of how the work is organised: a reader of the product does not need it"},
	{[]string{"todo", "fixme"}, regexp.MustCompile(`\b(TODO|FIXME)\b`), "leaves work for later: do it, or write what is not guaranteed"},
	{[]string{"for now"}, regexp.MustCompile(`(?i)//.*\bfor now\b`), "leaves work for later: do it, or write what is not guaranteed"},
}

// wordExceptions are files that must say such a thing, with the reason.
var wordExceptions = Allowed{
	"internal/housekeeping": "the rule itself and what is planted for it",
}

// Words: nothing in the repository belongs to one machine, one registry, or the way it was made.
func Words(t *Tree) []Finding {
	var out []Finding
	for _, text := range t.Texts {
		if wordException(text.Path) {
			continue
		}
		lower := strings.ToLower(text.Data)
		for _, r := range wordRules {
			if !slices.ContainsFunc(r.hints, func(h string) bool { return strings.Contains(lower, h) }) {
				continue
			}
			for i, line := range strings.Split(text.Data, "\n") {
				if r.pattern.MatchString(line) {
					out = append(out, Finding{text.Path, i + 1, r.message})
				}
			}
		}
	}
	return out
}

func wordException(path string) bool {
	for allowed := range wordExceptions {
		if within(path, allowed) {
			return true
		}
	}
	return path == "go.sum"
}
