package killsuite

import (
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
)

// act is what a life does to itself at a point.
type act struct {
	Point string
	Count int // at the so-manieth time, from 1
	// Stop stops the process as SIGSTOP does, until it is continued. Else it is killed as by a power cut.
	Stop bool
}

// points counts what a life reaches.
type points struct {
	mu   sync.Mutex
	seen map[string]int
	job  *job
	out  *json.Encoder
}

func newPoints(j *job, w io.Writer) *points {
	return &points{seen: map[string]int{}, job: j, out: json.NewEncoder(w)}
}

// say writes a line to the host.
func (p *points) say(s said) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.out.Encode(s) // a host that is gone closes the life's standard input too
}

// reach is called before the life goes on from a point.
func (p *points) reach(name string) {
	p.mu.Lock()
	p.seen[name]++
	n := p.seen[name]
	if slices.Contains(p.job.Report, name) {
		_ = p.out.Encode(said{At: name, N: n})
	}
	i := slices.IndexFunc(p.job.Acts, func(a act) bool { return a.Point == name && a.Count == n })
	if i >= 0 && p.job.Acts[i].Stop {
		_ = p.out.Encode(said{At: name, N: n})
	}
	p.mu.Unlock()
	switch {
	case i < 0:
	case p.job.Acts[i].Stop:
		// The kernel stops a process at any of its threads first: this one waits, so that it does not go on until then.
		woken := make(chan os.Signal, 1)
		signal.Notify(woken, syscall.SIGCONT)
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // it cannot fail for oneself
		<-woken
		signal.Stop(woken)
	default:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
