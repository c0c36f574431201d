package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millrace/millrace/internal/testservers"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"millrace": main})
}

// TestScripts runs the binary as a stranger would: testdata/script/*.txtar. Processes are what it looks
// at, so the race detector, which slows each of them down, runs without it.
func TestScripts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("each script starts many processes")
	}
	postgres := sync.OnceValue(func() *testservers.PostgreSQL { return testservers.StartPostgreSQL(t) })
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"shows":    shows,
			"truncate": truncate,
			"kills":    kills,
			"postgres": func(ts *testscript.TestScript, _ bool, args []string) {
				url := postgres().NewDatabase(t)
				ts.Setenv(args[0], url)
				ts.Setenv(args[0]+"_GONE", strings.Replace(url, "?", "_gone?", 1))
			},
			// capture NAME PATTERN FILE sets a variable to what the pattern's first group matches in a file, or in stdout.
			"capture": func(ts *testscript.TestScript, _ bool, args []string) {
				found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile(args[2]))
				if found == nil {
					ts.Fatalf("%s has nothing like %s", args[2], args[1])
				}
				ts.Setenv(args[0], found[1])
			},
			"rest": func(ts *testscript.TestScript, _ bool, args []string) { ts.Setenv(args[0], startREST(ts)) },
		},
		RequireExplicitExec: true,
	})
}

// exits runs "exits CODE command args…". Whatever the code, no stack of Go is shown; a
// user's mistake and a fault are one line each, unless "exits CODE -lines command…" says that every mistake
// of a file has its own.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE [-lines] command args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	lines := args[1] == "-lines"
	if lines {
		args = args[1:]
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	stderr := ts.ReadFile("stderr")
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if stack.MatchString(stderr) {
		ts.Fatalf("shows a stack:\n%s", stderr)
	}
	if n := strings.Count(stderr, "\n"); want >= 2 && !lines && n != 1 {
		ts.Fatalf("%d lines instead of one:\n%s", n, stderr)
	}
}

var stack = regexp.MustCompile(`(?m)^goroutine \d+|^panic: |runtime error|\.go:\d+ \+0x`)

// shows waits until a file that a command in the background writes matches a pattern, and sets a variable to
// the pattern's first group: "shows FILE PATTERN [VARIABLE]".
func shows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: shows FILE PATTERN [VARIABLE]")
	}
	pattern := regexp.MustCompile(args[1])
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			ts.Fatalf("%v", err)
		}
		if m := pattern.FindSubmatch(data); m != nil {
			if len(args) > 2 {
				ts.Setenv(args[2], string(m[1]))
			}
			return
		}
		select {
		case <-look.C:
		case <-deadline:
			ts.Fatalf("%s does not show %s:\n%s", args[0], args[1], data)
		}
	}
}

// truncate keeps the first bytes of a file: "truncate FILE BYTES".
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// kills starts a command again and again, and kills it at moments that a seed draws; the last one is left alone and must end with the code:
// "kills SEED TIMES CODE command args…".
func kills(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: kills SEED TIMES CODE command args…")
	}
	var n [3]int
	for i := range n {
		var err error
		n[i], err = strconv.Atoi(args[i])
		ts.Check(err)
	}
	path := ""
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if _, err := os.Stat(filepath.Join(dir, args[3])); err == nil {
			path = filepath.Join(dir, args[3])
			break
		}
	}
	r := rand.New(rand.NewPCG(uint64(n[0]), 1))
	for round := range n[1] + 1 {
		cmd := exec.Command(path, args[4:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME")}
		out, err := os.CreateTemp(cmd.Dir, "kills-*.log")
		ts.Check(err)
		cmd.Stdout, cmd.Stderr = out, out
		ts.Check(cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		var kill <-chan time.Time
		if round < n[1] {
			kill = time.After(time.Duration(100+r.IntN(900)) * time.Millisecond)
		}
		select {
		case <-kill:
			_ = cmd.Process.Kill() // it may have ended just now
			<-ended
		case <-ended:
			if code := cmd.ProcessState.ExitCode(); code != n[2] {
				data, _ := os.ReadFile(out.Name()) // it is told with what there is
				ts.Fatalf("round %d: exit code %d, want %d:\n%s", round, code, n[2], data)
			}
			ts.Logf("it ended by itself after %d kills", round)
			return
		}
	}
}

// TestEveryHelp lists the exit codes, and every flag says what it is for.
func TestEveryHelp(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, pattern := range []string{"testdata/script/*.txtar", "*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal("no tests", err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(data)
		}
	}
	for c := range verbs(commands()) {
		if c.Name() == "help" {
			continue
		}
		if !strings.Contains(c.Long, "Exit codes: 0 done; 1") {
			t.Errorf("%s: the help has no exit codes", c.CommandPath())
		}
		if c.Runnable() && !strings.Contains(all.String(), c.CommandPath()) && !strings.Contains(all.String(), strconv.Quote(c.Name())) {
			t.Errorf("no test runs %s", c.CommandPath())
		}
		for name, usage := range flags(c) {
			if usage == "" {
				t.Errorf("%s --%s says not what it is for", c.CommandPath(), name)
			}
		}
	}
}
