package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/jobs/reconcile/rulefile"
	"github.com/millrace/millrace/sdk/storage"
)

//go:embed peers.py
var script []byte

const threads = 2

// peers are what is compared with, from PyPI.
var (
	peers    = []string{"duckdb", "polars", "datacompy"}
	packages = []string{"duckdb==1.5.5", "polars==1.33.1", "datacompy==1.1.0"}
)

// rules are those of the run: by key, with a tolerance and a window of days; the second form has a pass of equal rows before it.
const rules = `name: bench
sides:
  - {name: ledger, %[1]s, columns: {reference: {}, amount: {}, currency: {}, date: {from: value_date}}}
  - {name: statement, %[2]s, columns: {reference: {}, amount: {}, currency: {}, date: {from: value_date}}}
passes:
%[3]s  - {name: near, keys: [reference], tolerance: 0.01, dates: {date: {after: 2}}}
`

// result is what an engine says.
type result struct {
	Classes map[string]int64 `json:"classes"`
	Seconds []float64        `json:"seconds"`
	CPU     float64          `json:"cpu"` // of all rounds
	PeakKB  int64            `json:"peak_kb"`
}

type flags struct {
	dir, child, profile, from, peers string
	rows, rounds                     int
	breaks                           float64
	matches, duplicates, exact, tree bool
}

func main() {
	var f flags
	rows := flag.String("rows", "1e6", "rows of each side")
	flag.StringVar(&f.dir, "dir", "", "folder for the data and the Python environment (required)")
	flag.Float64Var(&f.breaks, "breaks", 0.3, "breaks in a hundred rows")
	flag.StringVar(&f.from, "from", "files", "where both sides are: files, or lake")
	flag.StringVar(&f.peers, "peers", strings.Join(peers, ","), "engines beside ours")
	flag.BoolVar(&f.matches, "matches", false, "write the matches too")
	flag.BoolVar(&f.duplicates, "duplicates", false, "a quarter of the breaks are rows that the statement has twice")
	flag.BoolVar(&f.tree, "tree", false, "compare a ledger with its replica by trees; from the lake a second round finds the trees of the first")
	flag.BoolVar(&f.exact, "exact", false, "a pass of equal rows before the one with tolerances")
	flag.IntVar(&f.rounds, "rounds", 3, "runs of each engine")
	flag.StringVar(&f.profile, "profile", "", "write a CPU profile of this project's run")
	flag.StringVar(&f.child, "child", "", "internal: run in this process")
	flag.Parse()
	n, err := strconv.ParseFloat(*rows, 64)
	if f.rows = int(n); f.dir == "" || err != nil || f.rows < 1 || f.rounds < 1 || f.breaks < 0 || f.breaks > 30 || (f.from != "files" && f.from != "lake") {
		fmt.Fprintln(os.Stderr, "reconcile: -dir is required; -rows and -rounds must be positive, -breaks within 0 and 30, -from files or lake")
		os.Exit(2)
	}
	if f.dir, err = filepath.Abs(f.dir); err == nil {
		if f.child != "" {
			err = runHere(context.Background(), f)
		} else {
			err = run(context.Background(), f)
		}
	}
	if err != nil {
		log.Fatal("reconcile: ", err)
	}
}

func run(ctx context.Context, f flags) error {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	if err := makeOnce(ctx, f); err != nil {
		return fmt.Errorf("make both sides: %w", err)
	}
	python, err := environment(ctx, f.dir)
	if err != nil {
		return fmt.Errorf("python environment: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"-dir", f.dir, "-rounds", fmt.Sprint(f.rounds), "-child", "millrace", "-from", f.from, "-profile", f.profile, fmt.Sprintf("-matches=%v", f.matches),
		fmt.Sprintf("-exact=%v", f.exact), fmt.Sprintf("-tree=%v", f.tree)}
	ours, err := child(exec.CommandContext(ctx, self, args...))
	if err != nil {
		return err
	}
	fmt.Printf("2 × %d rows from %s, %g%% breaks, %d threads, matches written: %v, by trees: %v\n", f.rows, f.from, f.breaks, threads, f.matches, f.tree)
	ours.print("millrace", f.rounds, ours)
	for name := range strings.SplitSeq(f.peers, ",") {
		if name == "" {
			continue
		}
		cmd := exec.CommandContext(ctx, python, "-", name, f.dir, f.from, fmt.Sprint(f.rounds), fmt.Sprint(f.matches))
		cmd.Stdin = bytes.NewReader(script)
		theirs, err := child(cmd)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		theirs.print(name, f.rounds, ours)
		if !maps.Equal(ours.Classes, theirs.Classes) {
			return fmt.Errorf("the engines disagree: millrace says %v, %s %v", ours.Classes, name, theirs.Classes)
		}
	}
	return nil
}

// print prints a result beside ours.
func (r *result) print(name string, rounds int, ours result) {
	best, cpu := slices.Min(r.Seconds), r.CPU/float64(rounds)
	fmt.Printf("  %-9s %7.2f s (%.2fx)  %7.2f s CPU (%.2fx)  %5d MB peak  %v\n", name, best, best/slices.Min(ours.Seconds), cpu,
		cpu/(ours.CPU/float64(rounds)), r.PeakKB>>10, r.Classes)
}

// makeOnce makes the data, if they are not there from a run before with the same flags.
func makeOnce(ctx context.Context, f flags) error {
	every := 0
	if f.breaks > 0 {
		every = int(100 / f.breaks)
	}
	note := filepath.Join(f.dir, "made")
	what := fmt.Sprintf("%d rows, one in %d differs, duplicates %v, replica %v", f.rows, every, f.duplicates, f.tree)
	if have, err := os.ReadFile(note); err == nil && string(have) == what {
		return nil
	}
	if err := sides(ctx, f, every); err != nil {
		return err
	}
	return os.WriteFile(note, []byte(what), 0o644)
}

func child(cmd *exec.Cmd) (r result, err error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(out, &r)
}

// runHere reconciles in this process and prints the result.
func runHere(ctx context.Context, f flags) error {
	runtime.GOMAXPROCS(threads)
	if f.profile != "" {
		out, err := os.Create(f.profile)
		if err != nil {
			return err
		}
		defer out.Close()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	lake, err := openLake(ctx, f.dir)
	if err != nil {
		return err
	}
	defer lake.Close()
	debug.SetGCPercent(50) // as the command does
	places := [2]string{"file: " + ledgerFile, "file: " + statementFile}
	if f.from == "lake" {
		places = [2]string{"table: " + ledgerName, "table: " + statementName}
	}
	exact := ""
	if f.exact {
		exact = "  - {name: exact, keys: [reference], dates: {date: {}}}\n"
	}
	text := fmt.Appendf(nil, rules, places[0], places[1], exact)
	if f.tree {
		text = append(text, "compare: tree\n"...)
	}
	parsed, err := rulefile.Parse(filepath.Join(f.dir, "rules.yaml"), text, os.LookupEnv)
	if err != nil {
		return err
	}
	o := reconcile.RulesOptions{Rules: parsed, Text: text, Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}, Lake: lake, Out: filepath.Join(f.dir, "millrace"),
		NoMatches: !f.matches, Logger: slog.New(slog.DiscardHandler)}
	r := result{Classes: map[string]int64{}}
	for range f.rounds {
		start := time.Now()
		rep, err := reconcile.RunRules(ctx, o)
		if err != nil {
			return err
		}
		r.Seconds = append(r.Seconds, time.Since(start).Seconds())
		r.Classes["matched"] = rep.Matched
		for c, n := range rep.Breaks {
			r.Classes[string(c)] = n
		}
	}
	if r.PeakKB, err = peakMemory(); err != nil {
		return err
	}
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return err
	}
	r.CPU = time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()
	return json.NewEncoder(os.Stdout).Encode(r)
}

// peakMemory is this process's greatest resident size in KiB. The kernel's rusage will not do: it starts with the parent's.
func peakMemory() (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return strconv.ParseInt(number, 10, 64)
}

// environment makes the virtual environment of the peers once.
func environment(ctx context.Context, dir string) (python string, err error) {
	venv := filepath.Join(dir, "venv")
	python = filepath.Join(venv, "bin", "python")
	done := filepath.Join(venv, strings.ReplaceAll(strings.Join(packages, "-"), "==", "-"))
	if _, err := os.Stat(done); err == nil {
		return python, nil
	}
	for _, args := range [][]string{{"python3", "-m", "venv", "--clear", venv}, append([]string{python, "-m", "pip", "install", "--quiet"}, packages...)} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
	}
	return python, os.WriteFile(done, nil, 0o644)
}
