package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// child is one ingest process.
type child struct {
	cmd  *exec.Cmd
	errs *bytes.Buffer
	done chan struct{}
	err  error
}

// startIngest starts the ingest of the demo's project in a process of its own.
func startIngest(ctx context.Context, binary, dir string, args ...string) (*child, error) {
	c := &child{errs: new(bytes.Buffer), done: make(chan struct{})}
	c.cmd = exec.CommandContext(ctx, binary, append([]string{"ingest", "--project", filepath.Join(dir, "millrace.yaml")}, args...)...)
	c.cmd.Env = append(os.Environ(), "MILLRACE_S3_ACCESS_KEY="+accessKey, "MILLRACE_S3_SECRET_KEY="+secretKey)
	log, err := os.OpenFile(filepath.Join(dir, "ingest.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("demo: open the ingest's log: %w", err)
	}
	c.cmd.Stdout, c.cmd.Stderr = log, c.errs
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("demo: start the ingest: %w", err), log.Close())
	}
	go func() {
		defer close(c.done)
		c.err = errors.Join(c.cmd.Wait(), log.Close())
	}()
	return c, nil
}

// signal sends a signal and waits for the end. A process that was still being loaded can't
// have a handler yet: it ends by the signal itself, and has done nothing.
func (c *child) signal(s syscall.Signal) error {
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("demo: signal the ingest: %w", err)
	}
	err := c.wait()
	if end, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && end.Signaled() && end.Signal() == s {
		return nil
	}
	return err
}

// wait waits for the end; the error holds what the process said.
func (c *child) wait() error {
	<-c.done
	if c.err != nil {
		return fmt.Errorf("demo: the ingest ended with %w: %s", c.err, bytes.TrimSpace(c.errs.Bytes()))
	}
	return nil
}

// kill ends the process as a power cut would.
func (c *child) kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("demo: kill the ingest: %w", err)
	}
	<-c.done
	if s, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() {
		return fmt.Errorf("demo: the ingest ended by itself before it was killed: %s", bytes.TrimSpace(c.errs.Bytes()))
	}
	return nil
}
