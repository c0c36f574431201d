package storage

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
)

// Glob lists the objects whose names match pattern, in byte order of their names.
//
// In a pattern, "*" matches any run of characters but a slash, "?" one of them,
// "[a-z]" one of a class ("[^a-z]" one not in it), "\" quotes the next
// character, and an element that is just "**" any number of whole elements, none
// included unless it is the last. So raw/2026-*/**/*.json matches
// raw/2026-11/a.json and raw/2026-11/x/y/a.json, and raw/** all below raw. Only
// the part of the store that starts with the pattern's literal head is listed.
//
// A malformed pattern is a fault.Usage. No match is no error: it is an empty list.
func Glob(ctx context.Context, store Store, pattern string) ([]Info, error) {
	match, err := CompileGlob(pattern)
	if err != nil {
		return nil, err
	}
	var found []Info
	for info, err := range store.List(ctx, match.Prefix()) {
		if err != nil {
			return nil, fmt.Errorf("list %s for %q: %w", store.URL(), pattern, err)
		}
		if match.Match(info.Name) {
			found = append(found, info)
		}
	}
	return found, nil
}

// Pattern is a compiled glob pattern. It is immutable and safe for concurrent use.
type Pattern struct {
	elems  []string
	prefix string
}

// CompileGlob checks pattern, in the language of [Glob].
func CompileGlob(pattern string) (*Pattern, error) {
	if pattern == "" || strings.HasPrefix(pattern, "/") {
		return nil, fault.Usagef("pattern %q must be a name relative to the store, such as raw/*.json", pattern)
	}
	elems := strings.Split(pattern, "/")
	for _, elem := range elems {
		if _, err := path.Match(elem, ""); err != nil {
			return nil, fault.Usagef("pattern %q: %q has an unclosed [class] or a trailing backslash", pattern, elem)
		}
		if elem != "**" && strings.Contains(elem, "**") {
			return nil, fault.Usagef("pattern %q: ** must stand alone between slashes, not as %q", pattern, elem)
		}
		if elem == "" {
			return nil, fault.Usagef("pattern %q has an empty element", pattern)
		}
	}
	if elems[len(elems)-1] == "**" {
		elems = append(elems, "*")
	}
	elems = slices.CompactFunc(elems, func(a, b string) bool { return a == "**" && b == "**" })
	return &Pattern{elems: elems, prefix: literalHead(pattern)}, nil
}

// Prefix is the literal text that every matching name starts with.
func (p *Pattern) Prefix() string { return p.prefix }

// Match reports whether the whole of name matches.
func (p *Pattern) Match(name string) bool {
	return matchElems(p.elems, strings.Split(name, "/"))
}

// matchElems walks both lists with one point to come back to, the last "**", so
// its time is at most the product of their lengths.
func matchElems(pattern, name []string) bool {
	i, j, star, mark := 0, 0, -1, 0
	for j < len(name) {
		switch {
		case i < len(pattern) && pattern[i] == "**":
			star, mark = i, j
			i++
		case i < len(pattern) && matchElem(pattern[i], name[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == "**" {
		i++
	}
	return i == len(pattern)
}

func matchElem(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// literalHead is the text before the first special character, unquoted.
func literalHead(pattern string) string {
	var head strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*', '?', '[':
			return head.String()
		case '\\':
			i++
			head.WriteByte(pattern[i])
		default:
			head.WriteByte(c)
		}
	}
	return head.String()
}
