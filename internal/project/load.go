package project

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/sdk/fault"
)

// Load reads and checks a project file. overrides are "setting=value" texts that
// win over the file; lookup gives environment variables (os.LookupEnv).
func Load(path string, lookup func(string) (string, bool), overrides ...string) (*File, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.Usagef("project file %s does not exist; write one with: millrace init", path)
	}
	if err != nil {
		return nil, fault.Usagef("read project file: %w", err)
	}
	return Parse(path, data, lookup, overrides...)
}

// Parse is Load over bytes; path names them in messages and is what relative paths start from.
func Parse(path string, data []byte, lookup func(string) (string, bool), overrides ...string) (*File, error) {
	f := &File{path: path}
	where, problems := strictyaml.Decode(path, data, lookup, f, overrides...)
	f.where = where
	if len(where) > 0 { // else it is not YAML, and there is nothing to look at
		problems = append(problems, f.check()...)
	}
	slices.SortStableFunc(problems, func(a, b strictyaml.Problem) int { return cmp.Compare(a.Line, b.Line) })
	if len(problems) == 0 {
		return f, nil
	}
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.Error()
	}
	return nil, fault.Usagef("%s", strings.Join(lines, "\n"))
}

// Path makes a path or file:// location of the file absolute, relative to the file's folder. Other locations are returned as they are.
func (f *File) Path(location string) string {
	for _, scheme := range []string{"file://", "sqlite://"} {
		if rest, ok := strings.CutPrefix(location, scheme); ok {
			return scheme + f.abs(rest)
		}
	}
	if strings.Contains(location, "://") {
		return location
	}
	return f.abs(location)
}

func (f *File) abs(p string) string {
	if !filepath.IsAbs(p) {
		p = filepath.Join(filepath.Dir(f.path), p)
	}
	if a, err := filepath.Abs(p); err == nil {
		return filepath.ToSlash(a)
	}
	return filepath.ToSlash(p)
}

// Effective prints the configuration in force, secrets masked.
func (f *File) Effective() (string, error) { return strictyaml.Print(f) }

// JSONSchema describes project files for editors.
func JSONSchema() ([]byte, error) { return strictyaml.JSONSchema(&File{}, "Millrace project file") }

func (f *File) problem(path, format string, args ...any) strictyaml.Problem {
	at := f.where[path]
	for p := path; at == [2]int{} && p != ""; at = f.where[p] {
		p = p[:max(0, strings.LastIndexByte(p, '.'))]
		if p == "" {
			break
		}
	}
	return strictyaml.Problem{File: f.path, Line: at[0], Col: at[1], Path: path, Message: fmt.Sprintf(format, args...)}
}
