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
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/reconcile"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
	"github.com/millrace/millrace/sdk/storage"
)

//go:embed join.py
var script []byte

const (
	duckdbVersion = "duckdb==1.5.5"
	threads       = 2
)

// result is what an engine says.
type result struct {
	Classes map[string]int64 `json:"classes"`
	Seconds []float64        `json:"seconds"`
	CPU     float64          `json:"cpu"` // of all rounds
	PeakKB  int64            `json:"peak_kb"`
}

type flags struct {
	dir, child, profile string
	rows, rounds        int
	breaks              float64
	matches             bool
}

func main() {
	var f flags
	rows := flag.String("rows", "1e6", "rows of each side")
	flag.StringVar(&f.dir, "dir", "", "folder for the data and the Python environment (required)")
	flag.Float64Var(&f.breaks, "breaks", 0.3, "breaks in a hundred rows")
	flag.BoolVar(&f.matches, "matches", false, "write the matches too")
	flag.IntVar(&f.rounds, "rounds", 3, "runs of each engine")
	flag.StringVar(&f.profile, "profile", "", "write a CPU profile of this project's run")
	flag.StringVar(&f.child, "child", "", "internal: run in this process")
	flag.Parse()
	n, err := strconv.ParseFloat(*rows, 64)
	if f.rows = int(n); f.dir == "" || err != nil || f.rows < 1 || f.rounds < 1 || f.breaks < 0 || f.breaks > 30 {
		fmt.Fprintln(os.Stderr, "reconcile: -dir is required; -rows and -rounds must be positive, -breaks within 0 and 30")
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
	every := 0
	if f.breaks > 0 {
		every = int(100 / f.breaks)
	}
	if err := sides(ctx, f.dir, f.rows, every); err != nil {
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
	args := []string{"-dir", f.dir, "-rounds", fmt.Sprint(f.rounds), "-child", "millrace", "-profile", f.profile, fmt.Sprintf("-matches=%v", f.matches)}
	ours, err := child(exec.CommandContext(ctx, self, args...))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, python, "-", f.dir, fmt.Sprint(f.rounds), fmt.Sprint(f.matches))
	cmd.Stdin = bytes.NewReader(script)
	theirs, err := child(cmd)
	if err != nil {
		return err
	}
	fmt.Printf("2 × %d rows, %g%% breaks, %d threads, matches written: %v\n", f.rows, f.breaks, threads, f.matches)
	for name, r := range map[string]result{"millrace": ours, "duckdb": theirs} {
		fmt.Printf("  %-9s %6.2f s  %6.2f s CPU  %5d MB peak  %v\n", name, slices.Min(r.Seconds), r.CPU/float64(f.rounds), r.PeakKB>>10, r.Classes)
	}
	if !maps.Equal(ours.Classes, theirs.Classes) {
		return fmt.Errorf("the engines disagree: %v and %v", ours.Classes, theirs.Classes)
	}
	return nil
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
	cent, err := money.New(1, 2)
	if err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	o := reconcile.Options{Lake: lake, Stores: storage.Resolver{"file": localio.Opener(localio.Options{})}, Dry: true, Logger: quiet,
		Run: func(ctx context.Context, build func(beam.Scope) error) error {
			_, err := embedded.Run(ctx, build, embedded.Options{Name: "bench", Log: quiet, Dataset: dataset.RunOptions{Memory: 16 << 20}})
			return err
		},
		Statement: &reconcile.Statement{Table: tableName, File: filepath.Join(f.dir, statementFile), Rule: reconciliation.Rule{Tolerance: cent, Days: 2},
			Left:  columnar.Columns{Key: []string{"reference"}, Amount: "amount", Currency: "currency", Date: "value_date"},
			Right: columnar.Columns{Key: []string{"reference"}, Amount: "amount", Currency: "currency", Date: "settled_on"}},
	}
	if f.matches {
		o.Out = filepath.Join(f.dir, "millrace")
	}
	r := result{Classes: map[string]int64{}}
	for range f.rounds {
		start := time.Now()
		rep, err := reconcile.Run(ctx, o)
		if err != nil {
			return err
		}
		r.Seconds = append(r.Seconds, time.Since(start).Seconds())
		r.Classes["matched"] = rep.Checked.Matched
		for c, n := range rep.Checked.Breaks {
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

// environment makes the virtual environment of DuckDB once.
func environment(ctx context.Context, dir string) (python string, err error) {
	venv := filepath.Join(dir, "venv")
	python = filepath.Join(venv, "bin", "python")
	done := filepath.Join(venv, strings.ReplaceAll(duckdbVersion, "==", "-"))
	if _, err := os.Stat(done); err == nil {
		return python, nil
	}
	for _, args := range [][]string{{"python3", "-m", "venv", "--clear", venv}, {python, "-m", "pip", "install", "--quiet", duckdbVersion}} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
	}
	return python, os.WriteFile(done, nil, 0o644)
}
