package killsuite

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a life may say nothing before the test gives up on it. It is no
// measure of speed: a machine that is very busy must not fail the suite.
const patience = 3 * time.Minute

// child is one life.
type child struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan said // closed at the end of its output
	errs  lastWords
	ended chan struct{}
	err   error
}

// start starts a life. The test's end kills it, should it still be there.
func (w *world) start(j job) *child {
	w.t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		w.t.Fatal(err)
	}
	c := &child{t: w.t, cmd: exec.Command(os.Args[0]), lines: make(chan said, 4096), ended: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	c.cmd.Stderr = &c.errs
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		c.read(out)
		c.err = c.cmd.Wait()
		close(c.lines)
	}()
	w.t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // usually it has ended
		for range c.lines {
		}
		<-c.ended
	})
	return c
}

// read takes the life's lines until it closes its output.
func (c *child) read(out io.Reader) {
	in := bufio.NewScanner(out)
	for in.Scan() {
		var s said
		if err := json.Unmarshal(in.Bytes(), &s); err != nil {
			fmt.Fprintf(&c.errs, "unexpected output: %s\n", in.Text())
			continue
		}
		c.lines <- s
	}
}

// next gives the life's next line, or false at its end. more, if set, is a reason to stop waiting.
func (c *child) next(more <-chan time.Time) (s said, ok, interrupted bool) {
	c.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case s, ok = <-c.lines:
		return s, ok, false
	case <-more:
		return said{}, true, true
	case <-limit.C:
		_ = c.cmd.Process.Signal(syscall.SIGQUIT) // its stacks go to its last words
		select {
		case <-c.ended:
		case <-time.After(10 * time.Second): // it may be stopped
		}
		c.t.Fatalf("a life has said nothing for %s; its last words:\n%s", patience, c.errs.String())
		return said{}, false, false
	}
}

// vainPlans bounds how often a life may find nothing to plan before what is waited for has come. The host sends it more each time.
const vainPlans = 1000

// until reads lines until want is true for one. It fails the test if the life ends before, or if that does not come.
func (c *child) until(what string, want func(said) bool) said {
	c.t.Helper()
	for vain := 0; ; {
		s, ok, _ := c.next(nil)
		if s.Idle {
			vain++
		}
		if vain > vainPlans {
			c.t.Fatalf("a life goes on, but never %s\n%s", what, c.errs.String())
		}
		if !ok {
			c.t.Fatalf("a life ended before it %s: %v\n%s", what, c.err, c.errs.String())
		}
		if want(s) {
			return s
		}
	}
}

// fate is how a life ended.
type fate int

const (
	ended  fate = iota // by itself, well
	killed             // by SIGKILL
	failed             // by itself, with an error
)

// wait reads what is left of the life and tells its fate and its last lines.
func (c *child) wait() (f fate, rest []said) {
	c.t.Helper()
	for {
		s, ok, _ := c.next(nil)
		if !ok {
			break
		}
		rest = append(rest, s)
	}
	return c.fate(), rest
}

// fate tells how the life, which has closed its output, ended.
func (c *child) fate() fate {
	<-c.ended
	_ = c.stdin.Close() // the process is gone
	if c.err == nil {
		return ended
	}
	var exit *exec.ExitError
	if errors.As(c.err, &exit) {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() && s.Signal() == syscall.SIGKILL {
			return killed
		}
	}
	return failed
}

// signal sends a signal; a life that has just ended is no error.
func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.t.Fatal(err)
	}
}

// awaitStopped waits until the kernel has stopped the process.
func (c *child) awaitStopped() {
	c.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
		if err != nil {
			c.t.Fatal(err)
		}
		// The state follows the command's name, which stands in brackets.
		if _, after, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(after, "T") {
			return
		}
	}
}

// lastWords keeps the end of what a life writes to its standard error.
type lastWords struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const keepWords = 256 << 10

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	if over := l.buf.Len() - keepWords; over > 0 {
		l.buf.Next(over)
	}
	return len(p), nil
}

func (l *lastWords) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
