package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/jobs/nightly"
	"github.com/millrace/millrace/runners/embedded"
)

const (
	// patienceOfSteps is how long a step may take to end after SIGTERM before it is killed.
	patienceOfSteps = 30 * time.Second
	mostStdout      = 4 << 20
	mostStderr      = 64 << 10
)

// stepProcess runs a verb in a process of its own, which dies with this one. Its log goes to errs.
func stepProcess(errs io.Writer) func(ctx context.Context, c nightly.Command) (nightly.Output, error) {
	return func(ctx context.Context, c nightly.Command) (out nightly.Output, err error) {
		self, err := os.Executable()
		if err != nil {
			return out, fmt.Errorf("find this program: %w", err)
		}
		cmd := exec.Command(self, c.Args...)
		stdout, stderr := &tail{most: mostStdout}, &tail{most: mostStderr}
		cmd.Stdout, cmd.Stderr = stdout, io.MultiWriter(stderr, errs)
		read, write, err := os.Pipe()
		if err != nil {
			return out, fmt.Errorf("hand a step its files: %w", err)
		}
		cmd.ExtraFiles = []*os.File{read} // number 3
		cmd.Env = append(os.Environ(), pinnedVariable+"=3")
		ended, err := embedded.StartTied(cmd)
		if err != nil {
			_, _ = read.Close(), write.Close() // nobody has written
			return out, fmt.Errorf("start a step: %w", err)
		}
		_ = read.Close() // the step has its own
		var sent sync.WaitGroup
		sent.Go(func() {
			_ = json.NewEncoder(write).Encode(c.Texts) // a step that ended without reading says why itself
			_ = write.Close()                          // as above
		})
		err = wait(ctx, cmd, ended)
		sent.Wait()
		out = nightly.Output{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
		if out.Code < 0 {
			return out, fmt.Errorf("%s ended: %w", c.Args[0], err)
		}
		return out, nil
	}
}

// wait waits for a process; when ctx ends it is told to end, and killed where it does not.
func wait(ctx context.Context, cmd *exec.Cmd, ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
	t := time.NewTimer(patienceOfSteps)
	defer t.Stop()
	select {
	case err := <-ended:
		return err
	case <-t.C:
	}
	_ = cmd.Process.Kill() // as above
	return <-ended
}

// tail keeps the end of what is written.
type tail struct {
	most int
	mu   sync.Mutex
	buf  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, _ := t.buf.Write(p) // it never fails
	if over := t.buf.Len() - t.most; over > 0 {
		t.buf.Next(over)
	}
	return n, nil
}

func (t *tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.buf.Bytes())
}
