package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/sdk/source"
)

// paceTable offers events at a steady rate, and prints how long they take to be visible.
func paceTable(ctx context.Context, f flags) error {
	out := filepath.Join(f.dir, "out-pace")
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o755)); err != nil {
		return err
	}
	w := work{Do: "pulse", Out: out, Events: f.events, Rate: f.rate, Accounts: min(f.accounts, 2000)}
	b, err := startBroker(ctx, w)
	if err != nil {
		return err
	}
	defer b.stop()
	w.Do, w.Broker, w.Profile = "follow", b.Addr, f.profile
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, err := json.Marshal(w)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, childFlag)
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=400MiB")
	var text bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &text, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	var seen delays
	err = b.read(&seen)
	err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	if err != nil {
		return err
	}
	var r result
	if err := json.Unmarshal(text.Bytes(), &r); err != nil {
		return err
	}
	fmt.Printf("\npace: %d events a second, %d events, from produced to visible (but for the first %v)\n", f.rate, f.events, warmUp)
	fmt.Printf("  p50 %d ms  p99 %d ms  most %d ms  of %d transactions; first visible after %d ms\n", seen.P50, seen.P99, seen.Most, seen.Count, seen.First)
	fmt.Printf("  %.2f of a core, %d MB peak, %s\n", r.CPU/r.Seconds, r.PeakKB>>10, r.Note)
	return nil
}

// followStream follows the broker until SIGTERM. The bank's days pass in a second here, so epochs may span them.
func followStream(ctx context.Context, w work) (result, error) {
	rep, err := follow(ctx, w, ingest.Options{Undated: true, Limits: source.Limits{MaxWait: 200 * time.Millisecond}})
	return result{Events: rep.Counts.Events, Note: fmt.Sprintf("%d epochs of %d events on average", rep.Epochs, rep.Counts.Events/max(1, rep.Epochs))}, err
}

// warmUp is how long the start takes, which the figures leave out.
const warmUp = 5 * time.Second

// delays say how long transactions took to be visible, in milliseconds.
type delays struct {
	P50   int64 `json:"p50"`
	P99   int64 `json:"p99"`
	Most  int64 `json:"most"`
	First int64 `json:"first"` // of the first transaction
	Count int   `json:"count"`
}

// visibility matches what was produced with what a reader of the catalog sees.
type visibility struct {
	topic string // the shard of the transactions' ENDs

	mu      sync.Mutex
	waiting []pending // by offset
	seen    []pending // with at being the delay's end
}

// pending is an END that was produced.
type pending struct {
	offset int64
	at     time.Time
	took   time.Duration
}

func (v *visibility) produced(offset int64, at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waiting = append(v.waiting, pending{offset: offset, at: at})
}

// watch asks the catalog for the stream's position every 10 ms.
func (v *visibility) watch(ctx context.Context, dir string, stop <-chan struct{}) error {
	lake, err := openLake(ctx, dir)
	if err != nil {
		return err
	}
	defer lake.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		pos, err := lake.StreamPosition(ctx, "bench")
		if err != nil {
			return err
		}
		v.visible(pos.Next[v.topic], time.Now())
	}
}

// visible notes that all before an offset can be read.
func (v *visibility) visible(next int64, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	left := v.waiting[:0]
	for _, p := range v.waiting {
		if p.offset >= next {
			left = append(left, p)
			continue
		}
		p.took = now.Sub(p.at)
		v.seen = append(v.seen, p)
	}
	v.waiting = left
}

// wait waits until nothing is left to be seen.
func (v *visibility) wait(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		v.mu.Lock()
		n := len(v.waiting)
		v.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d transactions are not visible after %v", n, patience)
		}
	}
}

func (v *visibility) summary() (d delays) {
	v.mu.Lock()
	defer v.mu.Unlock()
	slices.SortFunc(v.seen, func(a, b pending) int { return a.at.Compare(b.at) })
	if len(v.seen) == 0 {
		return d
	}
	d.First = v.seen[0].took.Milliseconds()
	var took []int64
	for _, p := range v.seen {
		if p.at.Sub(v.seen[0].at) >= warmUp {
			took = append(took, p.took.Milliseconds())
		}
	}
	slices.Sort(took)
	if d.Count = len(took); d.Count > 0 {
		d.P50, d.P99, d.Most = took[d.Count/2], took[d.Count*99/100], took[d.Count-1]
	}
	return d
}
