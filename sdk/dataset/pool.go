package dataset

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
)

// message is what travels between stages: a partition and a descriptor.
type message struct {
	partition int64
	data      []byte
}

// pool works on the tasks of one bundle, as many at once as the run allows. A
// bundle submits all its tasks and waits at its end, because runners may give a
// bundle every task of a stage.
type pool struct {
	run    *Run
	ctx    context.Context
	cancel context.CancelCauseFunc
	unlink func() bool
	wg     sync.WaitGroup

	mu  sync.Mutex
	out []taskOutput
	err error
}

type taskOutput struct {
	task     int64
	messages []message
}

// newPool starts a pool whose tasks end with ctx or with the run.
func newPool(ctx context.Context, run *Run) *pool {
	p := &pool{run: run}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	p.unlink = context.AfterFunc(run.ctx, func() { p.cancel(context.Cause(run.ctx)) })
	return p
}

// submit queues a task. It does not block.
func (p *pool) submit(task int64, work func(context.Context) ([]message, error)) {
	if err := p.run.begin(); err != nil {
		p.fail(err)
		return
	}
	p.wg.Add(1)
	p.run.counters.tasks.Add(1)
	go func() {
		defer p.wg.Done()
		defer p.run.end()
		select {
		case p.run.limit <- struct{}{}:
			defer func() { <-p.run.limit }()
		case <-p.ctx.Done():
			p.fail(context.Cause(p.ctx))
			return
		}
		if err := context.Cause(p.ctx); err != nil {
			p.fail(err)
			return
		}
		messages, err := guard(p.ctx, work)
		if err != nil {
			p.fail(err)
			return
		}
		p.run.counters.tasksDone.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.out = append(p.out, taskOutput{task, messages})
	}()
}

// guard turns a panic of the author's function into an error.
func guard(ctx context.Context, work func(context.Context) ([]message, error)) (out []message, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a task: %v\n%s", r, debug.Stack())
		}
	}()
	return work(ctx)
}

// fail keeps the first error and stops the other tasks.
func (p *pool) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		p.cancel(err)
	}
}

// failed is the first error so far.
func (p *pool) failed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// wait ends the pool and returns all messages, in the order of the tasks' numbers.
func (p *pool) wait() ([]message, error) {
	p.wg.Wait()
	p.unlink()
	p.cancel(nil)
	if p.err != nil {
		return nil, p.err
	}
	slices.SortFunc(p.out, func(a, b taskOutput) int { return cmp.Compare(a.task, b.task) })
	var all []message
	for _, o := range p.out {
		all = append(all, o.messages...)
	}
	return all, nil
}
