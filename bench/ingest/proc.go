package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed peers.py
var peers []byte

// work is what a process of its own shall do.
type work struct {
	Do       string `json:"do"`
	Dir      string `json:"dir"`    // of the events
	Out      string `json:"out"`    // of what is made of them
	Inline   bool   `json:"inline"` // schemas in the events
	Events   int64  `json:"events,omitempty"`
	Rate     int64  `json:"rate,omitempty"` // events a second
	Accounts int    `json:"accounts,omitempty"`
	Broker   string `json:"broker,omitempty"`
	Profile  string `json:"profile,omitempty"`
	Truth    truth  `json:"truth,omitzero"` // what a table of changes must add up to
}

// result is what it took.
type result struct {
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"` // user and system time of the process, from after its start on
	PeakKB  int64   `json:"peak_kb"`
	Events  int64   `json:"events,omitempty"`
	Note    string  `json:"note,omitempty"`
}

// childFlag as first argument makes a process do the work that its standard input names.
const childFlag = "-work-on-stdin"

// runGo runs a piece of work in a process of this program.
func runGo(ctx context.Context, w work) (r result, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	b, err := json.Marshal(w)
	if err != nil {
		return r, err
	}
	return r, execute(exec.CommandContext(ctx, self, childFlag), b, &r)
}

// runPython runs a function of peers.py.
func runPython(ctx context.Context, python string, w work, out any) error {
	b, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return execute(exec.CommandContext(ctx, python, "-c", string(peers)), b, out)
}

func execute(cmd *exec.Cmd, in []byte, out any) error {
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2", "GOMEMLIMIT=400MiB", "OMP_NUM_THREADS=2", "ARROW_IO_THREADS=2", "TZ=UTC")
	b, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	return json.Unmarshal(b, out)
}

// child does the work that standard input names and prints the result.
func child(ctx context.Context) (err error) {
	var w work
	if err := json.NewDecoder(os.Stdin).Decode(&w); err != nil {
		return err
	}
	switch w.Do {
	case "backlog":
		return holdBacklog(ctx, w)
	case "changes":
		return holdChanges(ctx, w)
	case "pulse":
		return pulse(ctx, w)
	}
	do := map[string]func(context.Context, work) (result, error){"files": ingestFiles, "stream": ingestStream, "follow": followStream, "compare": compareStream,
		"ingest changes": ingestChanges, "compare changes": compareChanges}[w.Do]
	if do == nil {
		return fmt.Errorf("no such work: %q", w.Do)
	}
	if w.Profile != "" {
		stop, err := profile(w.Profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	cpu, start := cpuSeconds(), time.Now()
	r, err := do(ctx, w)
	if err != nil {
		return err
	}
	r.Seconds, r.CPU = time.Since(start).Seconds(), cpuSeconds()-cpu
	if r.PeakKB, err = peakMemory(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// profile writes a CPU profile, and beside it one of the heap as it was near its largest.
func profile(path string) (stop func() error, err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	done, heap := make(chan struct{}), make(chan []byte, 1)
	go func() { heap <- largestHeap(done) }()
	return func() error {
		pprof.StopCPUProfile()
		close(done)
		return errors.Join(f.Close(), os.WriteFile(path+".heap", <-heap, 0o644))
	}, nil
}

// largestHeap looks at the heap now and then.
func largestHeap(done <-chan struct{}) []byte {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var most uint64
	var text bytes.Buffer
	for {
		select {
		case <-done:
			return text.Bytes()
		case <-tick.C:
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapInuse < most+most/20 {
			continue
		}
		most = m.HeapInuse
		text.Reset()
		if pprof.Lookup("heap").WriteTo(&text, 0) != nil {
			return nil
		}
	}
}

// cpuSeconds is this process's user and system time.
func cpuSeconds() float64 {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()
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

// environment is the interpreter of the Python environment that tests and benches share.
func environment(ctx context.Context) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "internal", "scripts", "python.sh"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("python environment: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module's folder (run this inside of it): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
