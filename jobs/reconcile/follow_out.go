package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/millrace/millrace/connectors/notifyio"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/stream"
)

// EventOverdue is told where breaks are overdue, EventResolved where overdue ones are none any more.
const (
	EventOverdue  = "reconciliation.overdue"
	EventResolved = "reconciliation.resolved"
)

// followOut tells events: as lines, and by the rules' notifications, which are sent beside the run so that a slow receiver holds nothing up.
type followOut struct {
	o        *FollowOptions
	file     *os.File // nil: o.Events
	last     int64    // number of the last event of the lines
	channels []notifyio.Channel
	queue    chan notifyio.Message
	ctx      context.Context // ends the sending when the run is over and what was queued is sent
	sending  sync.WaitGroup
	sent     atomic.Int64 // number of the last event whose message was sent, or needs none
	mu       sync.Mutex
	failed   []error
	pending  map[string]int64
}

// mostPending is how many messages may wait; a run waits for room where there are more.
const mostPending = 1024

func newFollowOut(ctx context.Context, o *FollowOptions) (*followOut, error) {
	out := &followOut{o: o, ctx: context.WithoutCancel(ctx), pending: map[string]int64{}}
	var err error
	if out.channels, err = notifyio.Open(o.Rules.Notify, notifyio.Options{Clock: o.Clock}); err != nil {
		return nil, err
	}
	if o.EventsFile != "" {
		if err := os.MkdirAll(filepath.Dir(o.EventsFile), 0o755); err != nil {
			return nil, fmt.Errorf("make the folder of events: %w", err)
		}
		if out.file, err = os.OpenFile(o.EventsFile, os.O_RDWR|os.O_CREATE, 0o644); err == nil {
			out.last, err = lastSeq(out.file)
		}
		if err != nil {
			return nil, fmt.Errorf("write events to %s: %w", o.EventsFile, err)
		}
	}
	out.queue = make(chan notifyio.Message, mostPending)
	out.sending.Go(out.send)
	return out, nil
}

// send sends messages one after the other until the queue is closed.
func (t *followOut) send() {
	for m := range t.queue {
		err := notifyio.Send(t.ctx, t.channels, m)
		t.mu.Lock()
		if err != nil {
			t.o.Logger.Error("not everybody was told", "message", m.Subject, "error", err)
			t.failed = append(t.failed, fmt.Errorf("%s: not everybody was told: %v", m.Subject, err))
		}
		t.sent.Store(max(t.sent.Load(), t.pending[m.ID]))
		delete(t.pending, m.ID)
		t.mu.Unlock()
	}
}

// toldUpTo is the number of the last event of which lines and messages are out.
func (t *followOut) toldUpTo() int64 {
	if len(t.channels) == 0 {
		return t.last
	}
	return min(t.last, t.sent.Load())
}

// retell tells what a run that was killed had not told. What a file of events has, it has, and what it lost it gets again.
func (t *followOut) retell(events []FollowEvent, told int64) error {
	if t.file == nil {
		t.last = told
	}
	t.sent.Store(told)
	after := func(seq int64) []FollowEvent {
		i, _ := slices.BinarySearchFunc(events, seq+1, func(e FollowEvent, seq int64) int { return cmp.Compare(e.Seq, seq) })
		return events[i:]
	}
	if err := t.lines(after(t.last)); err != nil {
		return err
	}
	return t.message(after(told))
}

// tell tells events.
func (t *followOut) tell(events []FollowEvent) error {
	if err := t.lines(events); err != nil {
		return err
	}
	return t.message(events)
}

func (t *followOut) lines(events []FollowEvent) error {
	if len(events) == 0 {
		return nil
	}
	var buf []byte
	for i := range events {
		line, err := json.Marshal(&events[i])
		if err != nil {
			return fmt.Errorf("write events: %w", err)
		}
		buf = append(append(buf, line...), '\n')
	}
	var err error
	if t.file != nil {
		_, err = t.file.Write(buf)
	} else {
		_, err = t.o.Events.Write(buf)
	}
	if err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	t.last = events[len(events)-1].Seq
	return nil
}

// message queues what people want to know of events: what is overdue, and what is so no more.
func (t *followOut) message(events []FollowEvent) error {
	if len(events) == 0 {
		return nil
	}
	last := events[len(events)-1].Seq
	var messages []notifyio.Message
	for _, kind := range []stream.Kind{stream.Overdue, stream.Resolved} {
		m, any, err := t.messageOf(kind, events)
		if err != nil {
			return err
		}
		if any {
			messages = append(messages, m)
		}
	}
	if len(t.channels) == 0 || len(messages) == 0 {
		t.mu.Lock()
		if len(t.pending) == 0 {
			t.sent.Store(last)
		}
		t.mu.Unlock()
		return nil
	}
	for i, m := range messages {
		t.mu.Lock()
		t.pending[m.ID] = 0
		if i == len(messages)-1 {
			t.pending[m.ID] = last
		}
		t.mu.Unlock()
		t.queue <- m
	}
	return nil
}

// mostLines is how many breaks a message's text lists.
const mostLines = 20

func (t *followOut) messageOf(kind stream.Kind, events []FollowEvent) (m notifyio.Message, any bool, err error) {
	m = notifyio.Message{Event: EventOverdue, Status: notifyio.Warn}
	if kind == stream.Resolved {
		m = notifyio.Message{Event: EventResolved, Status: notifyio.Pass}
	}
	var of []FollowEvent
	var text strings.Builder
	for _, e := range events {
		if e.Kind != kind {
			continue
		}
		of = append(of, e)
		if kind == stream.Overdue && e.Class != reconciliation.TimingDifference && e.Base != reconciliation.TimingDifference {
			m.Status = notifyio.Fail
		}
		if len(of) <= mostLines {
			fmt.Fprintf(&text, "%s %s %s: %s %s (%s against %s) %s\n", e.Leg, e.Class, e.Key, e.AmountLeft, e.Currency, strings.Join(e.Left, ", "), strings.Join(e.Right, ", "), e.Now)
		}
	}
	if len(of) == 0 {
		return m, false, nil
	}
	if n := len(of) - mostLines; n > 0 {
		fmt.Fprintf(&text, "and %d more\n", n)
	}
	id := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s", t.o.Rules.Name, kind, of[0].Seq, of[0].BreakID))
	m.ID = hex.EncodeToString(id[:16])
	m.Subject = fmt.Sprintf("%s: %s %s", t.o.Rules.Name, counted(int64(len(of)), "break"), kind)
	m.Text = m.Subject + "\n\n" + text.String()
	if m.Data, err = json.Marshal(of[:min(len(of), 1000)]); err != nil {
		return m, false, fmt.Errorf("tell of %s: %w", m.Subject, err)
	}
	return m, true, nil
}

// sync has the lines on disk.
func (t *followOut) sync() error {
	if t.file == nil {
		return nil
	}
	if err := t.file.Sync(); err != nil {
		return fmt.Errorf("write events to %s: %w", t.o.EventsFile, err)
	}
	return nil
}

// close sends what is queued.
func (t *followOut) close() error {
	close(t.queue)
	t.sending.Wait()
	errs := t.failed
	if t.file != nil {
		errs = append(errs, t.file.Close())
	}
	return errors.Join(errs...)
}

// followMeter counts for metrics.
type followMeter struct{ events metric.Int64Counter }

func newFollowMeter(m metric.Meter, f *follower) (out followMeter, err error) {
	if m == nil {
		return out, nil
	}
	if out.events, err = m.Int64Counter("millrace_reconcile_follow_events", metric.WithDescription("events by kind")); err != nil {
		return out, fmt.Errorf("make metrics: %w", err)
	}
	return out, nil
}

func (m followMeter) saw(events []FollowEvent) {
	if m.events == nil {
		return
	}
	n := map[stream.Kind]int64{}
	for i := range events {
		n[events[i].Kind]++
	}
	for kind, n := range n {
		m.events.Add(context.Background(), n, metric.WithAttributes(attribute.String("kind", string(kind))))
	}
}
