package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
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
)

//go:embed scan.py
var script []byte

// Versions of the Python packages that are compared with.
const (
	duckdbVersion  = "duckdb==1.5.5"
	pyarrowVersion = "pyarrow==26.0.1"
)

// result is what an engine says about one scenario.
type result struct {
	Seconds []float64         `json:"seconds"`
	Answer  map[string]string `json:"answer"`
	PeakKB  int64             `json:"peak_kb"`
	CPU     float64           `json:"cpu"` // seconds of all rounds
}

func (r result) best() float64 { return slices.Min(r.Seconds) }

type flags struct {
	dir, only, profile, child string
	rows, rounds, scenario    int
}

func main() {
	var f flags
	rows := flag.String("rows", "10e6", "rows of the table")
	flag.StringVar(&f.dir, "dir", "", "folder that keeps the table and the Python environment (required)")
	flag.StringVar(&f.only, "only", "", "run one engine only: millrace, arrow-go, duckdb or pyarrow")
	flag.StringVar(&f.profile, "profile", "", "write a CPU profile of the engine given by -only")
	flag.IntVar(&f.rounds, "rounds", 5, "runs of each scan; the best counts")
	flag.StringVar(&f.child, "child", "", "internal: the engine to run in this process")
	flag.IntVar(&f.scenario, "scenario", 0, "internal: the scan to run in this process")
	flag.Parse()
	n, err := strconv.ParseFloat(*rows, 64)
	if f.rows = int(n); f.dir == "" || err != nil || f.rows < 1 || f.rounds < 1 {
		fmt.Fprintln(os.Stderr, "scan: -dir is required; -rows and -rounds must be positive")
		os.Exit(2)
	}
	if f.dir, err = filepath.Abs(f.dir); err == nil {
		err = run(context.Background(), f)
	}
	if err != nil {
		log.Fatal("scan: ", err)
	}
}

func run(ctx context.Context, f flags) error {
	if f.child != "" {
		return runHere(ctx, f)
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	if err := ensureData(ctx, f.dir, f.rows); err != nil {
		return fmt.Errorf("make the table: %w", err)
	}
	engines := []string{"millrace", "arrow-go", "duckdb", "pyarrow"}
	if f.only != "" {
		engines = []string{f.only}
	}
	python := ""
	if slices.Contains(engines, "duckdb") || slices.Contains(engines, "pyarrow") {
		var err error
		if python, err = environment(ctx, f.dir); err != nil {
			return fmt.Errorf("python environment: %w", err)
		}
	}
	var differ []error
	for i, sc := range scenarios() {
		fmt.Printf("\n%s, %d rows, %d threads, best of %d\n", sc.Name, f.rows, threads, f.rounds)
		base := result{}
		for k, e := range engines {
			r, err := runChild(ctx, f, e, i, python)
			if err != nil {
				return fmt.Errorf("%s: %w", e, err)
			}
			if k == 0 {
				base = r
			} else if !maps.Equal(r.Answer, base.Answer) {
				differ = append(differ, fmt.Errorf("%s: %s sums %v, %s %v", sc.Name, e, r.Answer, engines[0], base.Answer))
			}
			fmt.Printf("  %-9s %6.3f s  %6.2f M rows/s  %5.2fx  %6.3f s CPU  %5d MB peak\n", e, r.best(), float64(f.rows)/r.best()/1e6, r.best()/base.best(), r.CPU/float64(f.rounds), r.PeakKB>>10)
		}
	}
	if err := errors.Join(differ...); err != nil {
		return err
	}
	fmt.Println("\nall engines agree on all sums")
	return nil
}

// runHere runs one scan in this process and prints the result.
func runHere(ctx context.Context, f flags) (err error) {
	runtime.GOMAXPROCS(threads)
	scan := scanMillrace
	if f.child == "arrow-go" {
		scan = scanArrowGo
	}
	if f.profile != "" {
		out, err := os.Create(f.profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var r result
	for range f.rounds {
		start := time.Now()
		if r.Answer, err = scan(ctx, f.dir, scenarios()[f.scenario]); err != nil {
			return err
		}
		r.Seconds = append(r.Seconds, time.Since(start).Seconds())
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

// runChild runs one scan in a process of its own.
func runChild(ctx context.Context, f flags, engine string, scenario int, python string) (r result, err error) {
	var cmd *exec.Cmd
	switch engine {
	case "millrace", "arrow-go":
		self, err := os.Executable()
		if err != nil {
			return r, err
		}
		args := []string{"-dir", f.dir, "-rounds", fmt.Sprint(f.rounds), "-child", engine, "-scenario", fmt.Sprint(scenario)}
		if f.profile != "" {
			args = append(args, "-profile", fmt.Sprintf("%s.%d", f.profile, scenario))
		}
		cmd = exec.CommandContext(ctx, self, args...)
	case "duckdb", "pyarrow":
		sc, err := json.Marshal(scenarios()[scenario])
		if err != nil {
			return r, err
		}
		cmd = exec.CommandContext(ctx, python, "-", engine, f.dir, fmt.Sprint(f.rounds), string(sc))
		cmd.Stdin = bytes.NewReader(script)
	default:
		return r, fmt.Errorf("no such engine; there are millrace, arrow-go, duckdb and pyarrow")
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(out, &r)
}

// environment makes the virtual environment of the Python engines once.
func environment(ctx context.Context, dir string) (python string, err error) {
	venv := filepath.Join(dir, "venv")
	python = filepath.Join(venv, "bin", "python")
	done := filepath.Join(venv, strings.ReplaceAll(duckdbVersion+"-"+pyarrowVersion, "==", "-"))
	if _, err := os.Stat(done); err == nil {
		return python, nil
	}
	for _, args := range [][]string{{"python3", "-m", "venv", "--clear", venv}, {python, "-m", "pip", "install", "--quiet", duckdbVersion, pyarrowVersion}} {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
	}
	return python, os.WriteFile(done, nil, 0o644)
}
