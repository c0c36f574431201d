package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// child is one ingest process.
type child struct {
	cmd  *exec.Cmd
	errs *bytes.Buffer
	said *progress
	done chan struct{}
	err  error
}

// progress keeps the last epoch that an ingest told of, and passes everything on to its log.
type progress struct {
	log  *os.File
	mu   sync.Mutex
	line []byte // begun, not ended
	last epoch
	told chan struct{} // closed when the first epoch is told
}

// epoch is what the line of an epoch says that the demo shows.
type epoch struct {
	Event string `json:"event"`
	Cut   int64  `json:"cut"`
	Total int64  `json:"events_total"`
	Lag   int64  `json:"lag_events"`
}

// String is how far the lake is.
func (e epoch) String() string {
	if e.Event == "" {
		return "the ingest is starting"
	}
	return fmt.Sprintf("the lake is at cut %d, %d events behind", e.Cut, max(e.Lag, 0))
}

func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = append(p.line, b...)
	for {
		line, rest, whole := bytes.Cut(p.line, []byte{'\n'})
		if !whole {
			return p.log.Write(b)
		}
		p.line = rest
		var e epoch
		if json.Unmarshal(line, &e) == nil && e.Event == "epoch" {
			if p.last.Event == "" {
				close(p.told)
			}
			p.last = e
		}
	}
}

func (p *progress) epoch() epoch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
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
	c.said = &progress{log: log, told: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = c.said, c.errs
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("demo: start the ingest: %w", err), log.Close())
	}
	go func() {
		defer close(c.done)
		c.err = errors.Join(c.cmd.Wait(), log.Close())
	}()
	return c, nil
}

// working waits until the process has committed an epoch, so that what ends it ends it
// at work; not for ever, as a tiny bank may have nothing more for it.
func (c *child) working(ctx context.Context) error {
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	select {
	case <-c.said.told:
		return nil
	case <-limit.C:
		return nil
	case <-c.done:
		return fmt.Errorf("demo: the ingest ended by itself (%v): %s", c.err, bytes.TrimSpace(c.errs.Bytes()))
	case <-ctx.Done():
		return ctx.Err()
	}
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
func (c *child) kill(ctx context.Context) error {
	if err := c.working(ctx); err != nil {
		return err
	}
	if err := c.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("demo: kill the ingest: %w", err)
	}
	<-c.done
	if s, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() {
		return fmt.Errorf("demo: the ingest ended by itself before it was killed: %s", bytes.TrimSpace(c.errs.Bytes()))
	}
	return nil
}
