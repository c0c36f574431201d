package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// RecycleExitCode is the exit code by which a supervised process asks to be started again: EX_TEMPFAIL.
const RecycleExitCode = 75

// recycleVariable carries the policy to the child.
const recycleVariable = "MILLRACE_RECYCLE"

// RecyclePolicy says when a process that runs a loop of jobs is replaced by a new one.
type RecyclePolicy struct {
	// MaxJobs is after how many jobs. 0: 4,000, at which prism has leaked about 160 MB.
	MaxJobs int64
	// MaxHeap is at how many bytes of live heap. 0: 384 MiB.
	MaxHeap int64
	// KillAfter is how long a child may take to end after a signal before it is killed. 0: 2 min.
	KillAfter time.Duration
	// Log gets a line for each replacement; nil: slog.Default.
	Log *slog.Logger
}

func (p RecyclePolicy) withDefaults() RecyclePolicy {
	if p.MaxJobs == 0 {
		p.MaxJobs = 4000
	}
	if p.MaxHeap == 0 {
		p.MaxHeap = 384 << 20
	}
	if p.KillAfter == 0 {
		p.KillAfter = 2 * time.Minute
	}
	if p.Log == nil {
		p.Log = slog.Default()
	}
	return p
}

// jobs counts the jobs of this process.
var jobs atomic.Int64

// Supervised reports whether this process is the child of Supervise.
func Supervised() bool { return os.Getenv(recycleVariable) != "" }

// RecycleDue reports whether the supervisor's policy asks for a new process. It is false without a supervisor. A
// loop of one's own that ends by it must exit with RecycleExitCode.
func RecycleDue() bool {
	p, err := parsePolicy(os.Getenv(recycleVariable))
	if err != nil {
		return false
	}
	return jobs.Load() >= p.MaxJobs || liveHeap() >= p.MaxHeap
}

func (p RecyclePolicy) encode() string { return fmt.Sprintf("jobs=%d,heap=%d", p.MaxJobs, p.MaxHeap) }

func parsePolicy(text string) (p RecyclePolicy, err error) {
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n <= 0 {
			return p, fmt.Errorf("recycle policy %q: %q is not a positive number", text, value)
		}
		switch name {
		case "jobs":
			p.MaxJobs = n
		case "heap":
			p.MaxHeap = n
		default:
			return p, fmt.Errorf("recycle policy %q: unknown %q", text, name)
		}
	}
	if p.MaxJobs == 0 || p.MaxHeap == 0 {
		return p, fmt.Errorf("recycle policy %q: jobs or heap is missing", text)
	}
	return p, nil
}

// liveHeap is the heap that the last garbage collection found in use.
func liveHeap() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(sample[0].Value.Uint64())
}

// Self is the command that starts this program again with the given arguments, the same standard files and environment.
func Self(args ...string) (func() *exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return func() *exec.Cmd {
		cmd := exec.Command(self, args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		return cmd
	}, nil
}

// Supervise runs a child process that runs a loop of jobs, and starts it again
// each time it ends with RecycleExitCode, which Loop asks for (ErrRecycle) once
// the policy's limits are reached. Because the lake is the only checkpoint, nothing is lost between two children.
//
// SIGTERM, SIGINT and SIGHUP are passed on to the child; so is the end of ctx, as SIGTERM.
// The result is the child's exit code when it ends otherwise: 128 + the signal's
// number if a signal ended it, but 0 if that was the SIGTERM or SIGINT that was passed on. If this process dies, the child is killed with it (on Linux): to kill the one is to kill the work.
func Supervise(ctx context.Context, command func() *exec.Cmd, policy RecyclePolicy) (exitCode int, err error) {
	policy = policy.withDefaults()
	if policy.MaxJobs < 0 || policy.MaxHeap < 0 || policy.KillAfter < 0 {
		return 0, fault.Usagef("recycle policy: limits must not be negative: %+v", policy)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	for {
		code, stopped, err := runChild(ctx, command(), policy, signals)
		if err != nil {
			return 0, err
		}
		// It was about to be replaced when it was told to end, or had not begun to listen to signals.
		if stopped && (code == RecycleExitCode || code == 128+int(syscall.SIGTERM) || code == 128+int(syscall.SIGINT)) {
			return 0, nil
		}
		if code != RecycleExitCode {
			return code, nil
		}
		policy.Log.Info("the working process is replaced by a new one")
	}
}

// runChild runs one child to its end. stopped says that it was told to end.
func runChild(ctx context.Context, cmd *exec.Cmd, policy RecyclePolicy, signals <-chan os.Signal) (code int, stopped bool, err error) {
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, recycleVariable+"="+policy.encode())
	ended, err := startTied(cmd)
	if err != nil {
		return 0, false, fmt.Errorf("start the working process: %w", err)
	}
	done := ctx.Done()
	var kill <-chan time.Time
	tell := func(s os.Signal) {
		stopped = stopped || s != syscall.SIGHUP
		if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			policy.Log.Warn("could not pass a signal on", "signal", s, "error", err)
		}
		if stopped && kill == nil {
			kill = time.After(policy.KillAfter)
		}
	}
	for {
		select {
		case err := <-ended:
			return exitCodeOf(cmd, err), stopped, nil
		case s := <-signals:
			tell(s)
		case <-done:
			done = nil
			tell(syscall.SIGTERM)
		case <-kill:
			policy.Log.Warn("the working process did not end in time and is killed", "after", policy.KillAfter)
			tell(os.Kill)
		}
	}
}

func exitCodeOf(cmd *exec.Cmd, err error) int {
	if err == nil {
		return 0
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return cmd.ProcessState.ExitCode()
}
