package housekeeping_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/millrace/millrace/internal/housekeeping"
)

var house = sync.OnceValues(func() (*housekeeping.Tree, error) { return housekeeping.Load(os.DirFS("../..")) })

// TestTheHouse holds the repository against every rule.
func TestTheHouse(t *testing.T) {
	t.Parallel()
	tree, err := house()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range housekeeping.Rules {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			for _, f := range r.Check(tree) {
				t.Error(f)
			}
		})
	}
}

// TestEveryRuleCanFail plants a tree for each rule: testdata/RULE.txtar, whose file
// "want" lists the findings, each as path:line: and a part of its message.
func TestEveryRuleCanFail(t *testing.T) {
	t.Parallel()
	for _, r := range housekeeping.Rules {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			tree, want := planted(t, filepath.Join("testdata", r.Name+".txtar"))
			if len(want) == 0 {
				t.Fatal("the planted tree wants no finding")
			}
			var got []string
			for _, f := range r.Check(tree) {
				got = append(got, f.String())
			}
			for _, w := range want {
				if i := slices.IndexFunc(got, func(g string) bool { return matches(g, w) }); i >= 0 {
					got = slices.Delete(got, i, i+1)
				} else {
					t.Errorf("not found: %s", w)
				}
			}
			for _, g := range got {
				t.Errorf("not wanted: %s", g)
			}
		})
	}
}

// matches compares a finding with "path:line: part of the message".
func matches(got, want string) bool {
	place, part, _ := strings.Cut(want, ": ")
	return strings.HasPrefix(got, place+": ") && strings.Contains(got, part)
}

func planted(t *testing.T, path string) (*housekeeping.Tree, []string) {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files, want := fstest.MapFS{}, []string{}
	for _, f := range a.Files {
		if f.Name == "want" {
			want = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
			continue
		}
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	tree, err := housekeeping.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return tree, want
}

// TestAnExceptionThatIsNotNeeded is a finding: a list of exceptions only shrinks by being held against the code.
func TestAnExceptionThatIsNotNeeded(t *testing.T) {
	t.Parallel()
	tree, err := housekeeping.Load(fstest.MapFS{"runners/progress.go": {Data: []byte("package runners\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := housekeeping.Floats(tree); len(got) != 1 || got[0].Path != "runners/progress.go" || !strings.Contains(got[0].Message, "remove it") {
		t.Error(got)
	}
}

// TestEveryPlantedTreeHasARule notices a rule that was taken off the list.
func TestEveryPlantedTreeHasARule(t *testing.T) {
	t.Parallel()
	trees, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(trees) != len(housekeeping.Rules) {
		t.Errorf("%d planted trees for %d rules (%v)", len(trees), len(housekeeping.Rules), err)
	}
}

// TestSizes only reports: what is longest is the first place to look for two things in one.
func TestSizes(t *testing.T) {
	t.Parallel()
	tree, err := house()
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range housekeeping.Sizes(tree, 400, 60) {
		if i < 20 {
			t.Log(f)
		}
	}
	long, err := housekeeping.Load(fstest.MapFS{"sdk/a.go": {Data: []byte("package sdk\n\nfunc f() {\n\n}\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if got := housekeeping.Sizes(long, 4, 2); len(got) != 2 || got[0].String() != "sdk/a.go: 5 lines" || got[1].String() != "sdk/a.go:3: f has 3 lines" {
		t.Error(got)
	}
}

// TestAFileThatDoesNotParse is an error, not a clean house.
func TestAFileThatDoesNotParse(t *testing.T) {
	t.Parallel()
	if _, err := housekeeping.Load(fstest.MapFS{"sdk/a.go": {Data: []byte("pakage sdk")}}); err == nil {
		t.Error("accepted")
	}
}
