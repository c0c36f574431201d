package housekeeping

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Tree is a repository: its Go packages, and every text file by path.
type Tree struct {
	Fset     *token.FileSet
	Packages []*Package // by Dir
	Texts    []Text     // by Path; Go files too
}

// Package is one folder of Go files.
type Package struct {
	Dir   string // slash-separated, relative to the module's root; "." for the root
	Name  string // of its non-test files, or of its tests without _test
	Files []*File
}

// File is one Go file.
type File struct {
	Path string
	Test bool // its name ends in _test.go
	*ast.File
}

// Text is a file's content.
type Text struct {
	Path string
	Data string
}

// Finding is one place that breaks a rule.
type Finding struct {
	Path    string
	Line    int // 1-based; 0 where the finding is about a whole file or package
	Message string
}

// String is path:line: message.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Message)
}

// Rule is one thing that the repository keeps.
type Rule struct {
	Name  string
	Check func(*Tree) []Finding
}

// textual are the kinds of files that people write in this repository.
var textual = []string{".go", ".md", ".sh", ".yaml", ".yml", ".mod", ".txt", ".txtar", ".py", ".html", ".svg", ".css", ".js", ".json", ".sql", ".xml", ".toml", ""}

// Load parses a repository. Folders that hold what was built or downloaded, and
// testdata of Go files, are passed over. Files over 1 MiB are data, not text.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{Fset: token.NewFileSet()}
	byDir := map[string]*Package{}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "bin", "out", ".cache", "__pycache__"}, p) || strings.HasSuffix(p, "/__pycache__") {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > 1<<20 || !d.Type().IsRegular() || !slices.Contains(textual, path.Ext(p)) {
			return err
		}
		return t.add(fsys, p, byDir)
	})
	if err != nil {
		return nil, fmt.Errorf("read the repository: %w", err)
	}
	for _, p := range byDir {
		t.Packages = append(t.Packages, p)
	}
	slices.SortFunc(t.Packages, func(a, b *Package) int { return cmp.Compare(a.Dir, b.Dir) })
	return t, nil
}

func (t *Tree) add(fsys fs.FS, p string, byDir map[string]*Package) error {
	data, err := fs.ReadFile(fsys, p)
	if err != nil {
		return err
	}
	if slices.Contains(data[:min(len(data), 512)], 0) {
		return nil
	}
	t.Texts = append(t.Texts, Text{p, string(data)})
	if path.Ext(p) != ".go" || strings.Contains("/"+p, "/testdata/") {
		return nil
	}
	f, err := parser.ParseFile(t.Fset, p, data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parse %s: %w", p, err)
	}
	dir := path.Dir(p)
	pkg := byDir[dir]
	if pkg == nil {
		pkg = &Package{Dir: dir}
		byDir[dir] = pkg
	}
	file := &File{Path: p, Test: strings.HasSuffix(p, "_test.go"), File: f}
	if !file.Test || pkg.Name == "" {
		pkg.Name = strings.TrimSuffix(f.Name.Name, "_test")
	}
	pkg.Files = append(pkg.Files, file)
	return nil
}

// at is the finding for a node of the tree.
func (t *Tree) at(n ast.Node, format string, args ...any) Finding {
	pos := t.Fset.Position(n.Pos())
	return Finding{pos.Filename, pos.Line, fmt.Sprintf(format, args...)}
}

// Source yields the files that become part of a binary, with their packages.
func (t *Tree) Source(yield func(*Package, *File) bool) {
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if !f.Test && !yield(p, f) {
				return
			}
		}
	}
}

// Under reports whether the package is dir or lies below it.
func (p *Package) Under(dir string) bool { return within(p.Dir, dir) }

func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// ForTests reports whether a package only serves tests: suites, servers and planted faults.
func (p *Package) ForTests() bool { return servesTests(p.Dir) }

func servesTests(dir string) bool {
	for _, part := range strings.Split(dir, "/") {
		if strings.HasSuffix(part, "test") {
			return true
		}
	}
	return slices.Contains([]string{"internal/testservers", "internal/faults", "internal/housekeeping"}, dir)
}

// Allowed is a list of exceptions, each with its reason, keyed by path, folder or
// path:function as the rule says. The reasons are for the reader.
type Allowed map[string]string

// allowance keeps count of which exceptions were needed.
type allowance struct {
	list Allowed
	used map[string]bool
}

func (a Allowed) start() *allowance { return &allowance{a, map[string]bool{}} }

// covers reports whether any of the keys is allowed.
func (a *allowance) covers(keys ...string) bool {
	for _, k := range keys {
		if _, ok := a.list[k]; ok {
			a.used[k] = true
			return true
		}
	}
	return false
}

// stale are the exceptions that nothing needs any more. Only exceptions for
// paths that the tree holds count, so that a planted tree may be small.
func (a *allowance) stale(t *Tree, rule string) []Finding {
	var out []Finding
	for k := range a.list {
		file, _, _ := strings.Cut(k, ":")
		there := slices.ContainsFunc(t.Packages, func(p *Package) bool { return p.Under(file) || p.Dir == path.Dir(file) && path.Ext(file) == ".go" })
		if there && !a.used[k] {
			out = append(out, Finding{Path: k, Message: "the exception in " + rule + " allows nothing any more: remove it"})
		}
	}
	return out
}

// function names the declaration of a file that holds a position: Func, Type.Method, or "" outside functions.
func (f *File) function(pos token.Pos) string {
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || pos < fn.Pos() || pos >= fn.End() {
			continue
		}
		if fn.Recv != nil {
			return receiver(fn) + "." + fn.Name.Name
		}
		return fn.Name.Name
	}
	return ""
}

func receiver(fn *ast.FuncDecl) string {
	e := fn.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// selector reads x.name where x is a plain identifier.
func selector(e ast.Expr) (x, name string) {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	if id, ok := s.X.(*ast.Ident); ok {
		return id.Name, s.Sel.Name
	}
	return "", s.Sel.Name
}
