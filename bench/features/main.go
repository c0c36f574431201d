package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/jobs/features"
	"github.com/millrace/millrace/runners/embedded"
)

//go:embed peer.py
var peer string

// cost is what a run took, and where its rows are.
type cost struct {
	Name  string   `json:"name"`
	Run   string   `json:"run"`
	CPU   float64  `json:"cpu"`  // seconds, user and system
	Wall  float64  `json:"wall"` // seconds
	Peak  int64    `json:"peak"` // bytes of resident memory
	Rows  int64    `json:"rows"`
	Files []string `json:"files"`
}

func main() {
	dir := flag.String("dir", "", "folder for data and results")
	rows := flag.Float64("rows", 1e6, "entries")
	rounds := flag.Int("rounds", 3, "the best of so many counts")
	child := flag.String("child", "", "one run in this process (one, daily, or one-exchange)")
	profile := flag.String("profile", "", "with -child: write a CPU profile here")
	flag.Parse()
	ctx := context.Background()
	if *dir == "" || *rows < each {
		fmt.Fprintln(os.Stderr, "features: write -dir FOLDER, and at least 100 -rows")
		os.Exit(2)
	}
	home := filepath.Join(*dir, fmt.Sprintf("rows-%d", int(*rows)))
	var err error
	if *child != "" {
		err = work(ctx, home, *child, *profile)
	} else {
		err = measure(ctx, home, int(*rows), *rounds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "features:", err)
		os.Exit(1)
	}
}

// spine is what a run asks for.
func spine(run string) features.Spine {
	last := begin.AddDate(0, 0, days-1)
	if run != "daily" {
		return features.AsOf(features.EndOf(last.Year(), last.Month(), last.Day(), time.UTC))
	}
	s, err := features.Daily(last.AddDate(0, 0, -89), last, 1, time.UTC)
	if err != nil { // the dates are constants
		return features.Spine{}
	}
	return s
}

// work does one run and prints its cost.
func work(ctx context.Context, home, run, profile string) error {
	l, err := openLake(ctx, home)
	if err != nil {
		return err
	}
	defer l.Close()
	table := "features." + strings.ReplaceAll(run, "-", "_")
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		return err
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	start := time.Now()
	rep, err := features.Run(ctx, features.Options{Lake: l, Spine: spine(run), Table: table, Exchange: run == "one-exchange", Logger: slog.New(slog.DiscardHandler),
		Run: func(ctx context.Context, build func(beam.Scope) error) error {
			_, err := embedded.Run(ctx, build, embedded.Options{Name: "features", Log: slog.New(slog.DiscardHandler)})
			return err
		}})
	if err != nil {
		return err
	}
	wall := time.Since(start)
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		return err
	}
	c := cost{Name: "millrace", Run: run, Wall: wall.Seconds(), Peak: after.Maxrss << 10, Rows: rep.Rows}
	if rep.Merged == (run == "one-exchange") {
		return fmt.Errorf("%s: merged is %v", run, rep.Merged)
	}
	c.CPU = seconds(after.Utime) + seconds(after.Stime) - seconds(before.Utime) - seconds(before.Stime)
	if c.Files, err = filesOf(ctx, l, table); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

// measure makes the data, does every run in a process of its own, and compares the results.
func measure(ctx context.Context, home string, rows, rounds int) error {
	if err := generate(ctx, home, rows); err != nil {
		return err
	}
	l, err := openLake(ctx, home)
	if err != nil {
		return err
	}
	inputs := map[string][]string{}
	for _, t := range []string{"ledger.entries", "ledger.accounts"} {
		if inputs[t], err = filesOf(ctx, l, t); err != nil {
			return err
		}
	}
	if err := l.Close(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	python, err := exec.CommandContext(ctx, "bash", "internal/scripts/python.sh").Output()
	if err != nil {
		return fmt.Errorf("install DuckDB (run this in the project's folder): %w", err)
	}
	py := strings.TrimSpace(string(python))
	var all []cost
	for _, r := range []struct{ run, engine string }{
		{"one", "millrace"}, {"one-exchange", "millrace"}, {"one", "duckdb"}, {"daily", "millrace"}, {"daily", "duckdb join"}, {"daily", "duckdb windows"},
	} {
		best := cost{}
		for range rounds {
			cmd := exec.CommandContext(ctx, self, "-dir", filepath.Dir(home), "-rows", fmt.Sprint(rows), "-child", r.run)
			if r.engine != "millrace" {
				cmd = exec.CommandContext(ctx, py, "-c", peer, "run")
				if cmd.Stdin, err = request(r.run, r.engine, home, inputs); err != nil {
					return err
				}
			}
			c, err := costOf(cmd)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", r.engine, r.run, err)
			}
			if best.Name == "" || c.CPU < best.CPU {
				best = c
			}
			best.Files = c.Files // those of the last run are in the table
		}
		all = append(all, best)
		fmt.Printf("%-14s %-12s %8.2f CPU s %8.2f s %6d MB %10d rows\n", best.Name, best.Run, best.CPU, best.Wall, best.Peak>>20, best.Rows)
	}
	cmd := exec.CommandContext(ctx, py, "-c", peer, "compare")
	data, err := json.Marshal(all)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), os.Stdout, os.Stderr
	return cmd.Run()
}

// request is what the peer is told.
func request(run, engine, home string, inputs map[string][]string) (*bytes.Reader, error) {
	var asOf []int64
	for _, at := range spine(run).Instants {
		asOf = append(asOf, at.UnixMicro())
	}
	data, err := json.Marshal(map[string]any{"run": run, "engine": engine, "out": filepath.Join(home, strings.ReplaceAll(engine, " ", "-")+"-"+run+".parquet"),
		"entries": inputs["ledger.entries"], "accounts": inputs["ledger.accounts"], "as_of": asOf, "begin": begin.UnixMicro()})
	return bytes.NewReader(data), err
}

func costOf(cmd *exec.Cmd) (cost, error) {
	var c cost
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(out, &c)
}
