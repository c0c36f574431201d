package dataset

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/sdk/fault"
)

// The defaults of RunOptions.
const (
	DefaultMemory    = 64 << 20 // bytes
	DefaultBatchRows = 8192
	// DefaultPartitions is into how many partitions an exchange cuts its rows.
	DefaultPartitions = 16
)

// RunOptions say how the datasets of one pipeline run. The zero value is right for one machine.
type RunOptions struct {
	// ID names the run; "" makes a random one. Runs with the same id at the same time must not share a staging URL.
	ID string
	// Staging is the URL or local folder below which exchanges keep their files
	// while the run goes on; "" is the system's temporary folder. Workers on
	// several machines need one that all of them reach.
	Staging string
	// Workers is how many tasks a process works on at once; 0: one a processor.
	Workers int
	// Memory is what one operator of one task may hold before it spills, in bytes;
	// 0: DefaultMemory. A task has as many operators that hold rows as it sorts, joins, groups and exchanges.
	Memory int64
	// BatchRows is the size of batches in rows; 0: DefaultBatchRows.
	BatchRows int
	// SpillDir is the local folder for spilled rows; "" is the system's temporary folder.
	SpillDir string
	// Environment, if set, is used in this process instead of the one of SetEnvironment.
	Environment *Environment
}

// runConfig travels inside the pipeline to whatever process runs a task.
type runConfig struct {
	ID        string `json:"id"`
	Staging   string `json:"staging"`
	Workers   int    `json:"workers,omitempty"`
	Memory    int64  `json:"memory"`
	BatchRows int    `json:"batch_rows"`
	SpillDir  string `json:"spill_dir,omitempty"`
}

func (o RunOptions) config() runConfig {
	c := runConfig{ID: o.ID, Staging: o.Staging, Workers: o.Workers, Memory: o.Memory, BatchRows: o.BatchRows, SpillDir: o.SpillDir}
	if c.ID == "" {
		c.ID = randomID()
	}
	if c.Staging == "" {
		c.Staging = os.TempDir()
	}
	if c.Memory <= 0 {
		c.Memory = DefaultMemory
	}
	if c.BatchRows <= 0 {
		c.BatchRows = DefaultBatchRows
	}
	return c
}

func randomID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Stats count what the tasks of a run have done in this process.
type Stats struct {
	Tasks, TasksDone int64 // tasks seen, tasks ended
	RowsRead         int64 // rows from tables, readers and Beam
	RowsWritten      int64 // rows to tables and sinks
	BytesStaged      int64 // written to the staging area
	BytesSpilled     int64 // written to local disk to stay within memory budgets
}

type counters struct {
	tasks, tasksDone, rowsRead, rowsWritten, bytesStaged, bytesSpilled atomic.Int64
}

// Run is a pipeline that is being run: the link between the runner and the tasks in its process.
type Run struct {
	config   runConfig
	opened   *opened
	limit    chan struct{} // one token a task at work
	ctx      context.Context
	cancel   context.CancelCauseFunc
	tasks    sync.WaitGroup
	counters counters

	mu      sync.Mutex
	closed  bool
	failure error
	area    staging
	spare   []spareBuffer
}

func newRun(cfg runConfig, env Environment) *Run {
	workers := cfg.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	r := &Run{
		config: cfg,
		opened: &opened{env: env, all: map[handleKey]any{}},
		limit:  make(chan struct{}, workers),
	}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	return r
}

// transform is a DoFn of this package, as Prepare finds it in a pipeline.
type transform interface {
	configure(runConfig)
	// handles are the live objects that the transform's tasks use in this process.
	handles() map[handleKey]any
	// mistakes are the author's, found while the pipeline was built.
	mistakes() []error
	// scans are the scans that the transform plans.
	scans() []*scanSpec
}

// Prepare readies a built pipeline to be run: it reports every mistake that was
// made while building it (as one fault.Usage error), pins the state of the lake
// that all scans read, and sets the options. Runners call it right before they
// submit the pipeline, and Close the Run afterwards. A pipeline without datasets is fine.
//
// A pipeline that is run by other means works too, with the default options, in
// one process; its scans are then not pinned, and its staged files stay below the temporary folder.
func Prepare(ctx context.Context, p *beam.Pipeline, opts RunOptions) (*Run, error) {
	found, err := transformsOf(p)
	if err != nil {
		return nil, err
	}
	var mistakes []error
	for _, t := range found {
		mistakes = append(mistakes, t.mistakes()...)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, fault.Mark(fault.Usage, err)
	}
	process.mu.Lock()
	env := process.env
	process.mu.Unlock()
	if opts.Environment != nil {
		env = *opts.Environment
	}
	run := newRun(opts.config(), env)
	for _, t := range found {
		t.configure(run.config)
		for k, v := range t.handles() {
			run.opened.all[k] = v
		}
	}
	if err := run.pin(ctx, found); err != nil {
		return nil, err
	}
	process.mu.Lock()
	defer process.mu.Unlock()
	if _, ok := process.runs[run.config.ID]; ok {
		return nil, fault.Usagef("a run %q goes on in this process already: give each run its own id", run.config.ID)
	}
	process.runs[run.config.ID] = run
	return run, nil
}

func transformsOf(p *beam.Pipeline) ([]transform, error) {
	edges, _, err := p.Build()
	if err != nil {
		return nil, fault.Usagef("the pipeline is not complete: %w", err)
	}
	var found []transform
	for _, e := range edges {
		if e.DoFn == nil {
			continue
		}
		if t, ok := e.DoFn.Recv.(transform); ok {
			found = append(found, t)
		}
	}
	return found, nil
}

// pin makes all scans of one lake read the same state.
func (r *Run) pin(ctx context.Context, found []transform) error {
	pinned := map[Ref]At{}
	for _, t := range found {
		for _, s := range t.scans() {
			if s.Table == "" || !s.At.IsZero() {
				continue
			}
			at, ok := pinned[s.Ref]
			if !ok {
				tables, err := r.opened.tables(ctx, s.Ref)
				if err != nil {
					return err
				}
				if at, err = tables.Pin(ctx); err != nil {
					return fmt.Errorf("pin the state of the lake to read: %w", err)
				}
				pinned[s.Ref] = at
			}
			s.At = at
		}
	}
	return nil
}

// joinRun finds the run of a task, or makes one in a process that only works.
func joinRun(cfg runConfig) *Run {
	process.mu.Lock()
	defer process.mu.Unlock()
	if r, ok := process.runs[cfg.ID]; ok {
		return r
	}
	for _, r := range process.closed {
		if r.config.ID == cfg.ID {
			return r
		}
	}
	r := newRun(cfg, process.env)
	process.runs[cfg.ID] = r
	return r
}

// ID is the run's name.
func (r *Run) ID() string { return r.config.ID }

// Stats is what the run's tasks have done in this process so far.
func (r *Run) Stats() Stats {
	c := &r.counters
	return Stats{
		Tasks: c.tasks.Load(), TasksDone: c.tasksDone.Load(),
		RowsRead: c.rowsRead.Load(), RowsWritten: c.rowsWritten.Load(),
		BytesStaged: c.bytesStaged.Load(), BytesSpilled: c.bytesSpilled.Load(),
	}
}

// Err is the first error of a task in this process, unwrapped from what Beam made of it; nil if there was none.
func (r *Run) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

func (r *Run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure == nil {
		r.failure = err
	}
}

// staging opens the staging area once.
func (r *Run) staging(ctx context.Context) (staging, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.area == nil {
		area, err := openStaging(ctx, r.config.Staging, r.config.ID, r.opened.env.Stores)
		if err != nil {
			return nil, err
		}
		r.area = area
	}
	return r.area, nil
}

// Stop makes the run's tasks in this process fail with cause, soon. It does not wait.
func (r *Run) Stop(cause error) {
	if cause == nil {
		cause = context.Canceled
	}
	r.cancel(cause)
}

// errClosed ends tasks that come after the end of their run.
var errClosed = errors.New("the run is over")

// begin notes that a task starts; it fails once the run is closed. Call end afterwards.
func (r *Run) begin() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errClosed
	}
	r.tasks.Add(1)
	return nil
}

func (r *Run) end() { r.tasks.Done() }

// closedRuns is how many runs a process remembers after their end.
const closedRuns = 64

// Close ends the run: it stops tasks that are still at work, waits for them, and
// removes the staged files. Call it once, after the pipeline has ended or failed.
func (r *Run) Close(ctx context.Context) error {
	r.cancel(errClosed)
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.tasks.Wait()
	r.mu.Lock()
	r.spare = nil
	r.mu.Unlock()
	process.mu.Lock()
	delete(process.runs, r.config.ID)
	process.closed = append(process.closed, r)
	if n := len(process.closed) - closedRuns; n > 0 {
		process.closed = append([]*Run(nil), process.closed[n:]...)
	}
	process.mu.Unlock()
	area, err := r.staging(ctx)
	if err != nil {
		return err
	}
	r.opened.forget()
	return area.remove(ctx)
}
