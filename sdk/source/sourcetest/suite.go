package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// wait is how long a Plan of the suite waits.
const wait = 30 * time.Millisecond

// all is for when limits do not matter.
func all() source.Limits { return source.Limits{MaxWait: wait} }

// setup makes a stream and a context for one test.
func setup(t testing.TB, make Factory, seed uint64, spec Spec) (context.Context, Harness, *Stream) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	if spec.Tables == nil {
		spec.Tables = tables()
	}
	if spec.Grace == 0 {
		spec.Grace = 300 * time.Millisecond
	}
	h := make(t, spec)
	return ctx, h, NewStream(seed, h.Shards, spec.Markers)
}

func open(t testing.TB, ctx context.Context, h Harness) source.Source {
	t.Helper()
	src, err := h.Open(ctx)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := src.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return src
}

func write(t testing.TB, ctx context.Context, h Harness, messages []Message) {
	t.Helper()
	if !h.Tombstones {
		kept := messages[:0:0]
		for _, m := range messages {
			if m.Value != nil {
				kept = append(kept, m)
			}
		}
		messages = kept
	}
	if err := h.Write(ctx, messages); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// testWhole reads random streams with random limits while they are written in random pieces.
func testWhole(t *testing.T, make Factory) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			readWhile(t, make, seed, Spec{Markers: true}, true)
		})
	}
}

// testWithoutMarkers is the same without a transaction topic. Without it a torn
// transaction at the end of what is written looks complete once anything follows, so pieces end between transactions.
func testWithoutMarkers(t *testing.T, make Factory) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			readWhile(t, make, seed, Spec{}, false)
		})
	}
}

func readWhile(t *testing.T, make Factory, seed uint64, spec Spec, tear bool) {
	ctx, h, s := setup(t, make, seed, spec)
	rnd := rand.New(rand.NewPCG(seed, 1))
	src := open(t, ctx, h)
	limits := func() source.Limits {
		return source.Limits{MaxEvents: int64(1 + rnd.IntN(60)), MaxWait: wait}
	}
	var r *reader
	for range 4 {
		messages := s.Random(12, true)
		for len(messages) > 0 {
			n := len(messages)
			if tear {
				n = 1 + rnd.IntN(len(messages))
			}
			write(t, ctx, h, messages[:n])
			messages = messages[n:]
			if r == nil {
				r = newReader(t, src, change.Position{})
			}
			r.step(ctx, limits())
		}
	}
	r.drain(ctx, limits, len(s.Facts), s.Rejects)
	compare(t, r.facts, s.Facts)
	if r.total.Duplicates != s.Duplicates {
		t.Errorf("%d duplicates, want %d", r.total.Duplicates, s.Duplicates)
	}
	if len(r.rejects) != s.Rejects {
		t.Errorf("%d rejects, want %d", len(r.rejects), s.Rejects)
	}
	if h.Tombstones && r.total.Tombstones != s.Tombstones {
		t.Errorf("%d tombstones, want %d", r.total.Tombstones, s.Tombstones)
	}
}

// testEveryPosition goes on from every To with a source of its own.
func testEveryPosition(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 11, Spec{Markers: true})
	write(t, ctx, h, s.Random(25, true))
	r := newReader(t, open(t, ctx, h), change.Position{})
	counts := []int{0}
	for len(r.facts) < len(s.Facts) {
		r.step(ctx, source.Limits{MaxEvents: 12, MaxWait: wait})
		counts = append(counts, len(r.facts))
	}
	for i, e := range r.epochs {
		if i%3 != 0 && i < len(r.epochs)-2 {
			continue
		}
		again := newReader(t, open(t, ctx, h), e.To)
		again.drain(ctx, all, len(r.facts)-counts[i+1], 0)
		compare(t, again.facts, r.facts[counts[i+1]:])
	}
}

// testReadAgain reads every split twice, after it was confirmed, and by a source that did not plan it.
func testReadAgain(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 12, Spec{Markers: true})
	write(t, ctx, h, s.Random(30, true))
	src, other := open(t, ctx, h), open(t, ctx, h)
	r, elsewhere := newReader(t, src, change.Position{}), newReader(t, other, change.Position{})
	for len(r.facts) < len(s.Facts) {
		e, err := src.Plan(ctx, r.pos, source.Limits{MaxEvents: 100, MaxWait: wait})
		if err != nil {
			t.Fatal(err)
		}
		var first []*content
		for _, split := range e.Splits {
			first = append(first, r.read(ctx, split))
			if c := r.read(ctx, split); !c.equal(first[len(first)-1]) {
				t.Errorf("split %+v reads differently the second time", split)
			}
		}
		r.take(ctx, e)
		for i, split := range e.Splits {
			if c := r.read(ctx, split); !c.equal(first[i]) {
				t.Errorf("split %+v reads differently after it was confirmed", split)
			}
			if c := elsewhere.read(ctx, split); !c.equal(first[i]) {
				t.Errorf("split %+v reads differently in another source:\n%+v\n%+v", split, c, first[i])
			}
		}
	}
}

// testLarge plans a transaction that exceeds all limits, with next to no memory.
func testLarge(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 13, Spec{Markers: true, MemoryBudget: 1000})
	write(t, ctx, h, append(append(s.Tx(3), s.Tx(3000)...), s.Tx(2)...))
	r := newReader(t, open(t, ctx, h), change.Position{})
	limits := func() source.Limits { return source.Limits{MaxEvents: 10, MaxBytes: 2000, MaxWait: wait} }
	r.drain(ctx, limits, len(s.Facts), 0)
	compare(t, r.facts, s.Facts)
}

// testLimits checks that an epoch keeps to its limits where transactions allow.
func testLimits(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 14, Spec{Markers: true})
	messages := s.Snapshot(100)
	for range 40 {
		messages = append(messages, s.Tx(3)...)
	}
	write(t, ctx, h, messages)
	r := newReader(t, open(t, ctx, h), change.Position{})
	for len(r.facts) < len(s.Facts) {
		n := len(r.facts)
		if e := r.step(ctx, source.Limits{MaxEvents: 17, MaxWait: wait}); e.Counts.Events > 17 {
			t.Errorf("limit of 17: an epoch has %d events, from %+v", e.Counts.Events, r.facts[n])
		}
	}
	compare(t, r.facts, s.Facts)
}

// testHeartbeat: heartbeats move the position though they are no events, and let the last transaction go.
func testHeartbeat(t *testing.T, make Factory) {
	for _, markers := range []bool{true, false} {
		t.Run(fmt.Sprint("markers ", markers), func(t *testing.T) {
			t.Parallel()
			ctx, h, s := setup(t, make, 15, Spec{Markers: markers})
			write(t, ctx, h, append(s.Tx(5), s.Heartbeat()...))
			r := newReader(t, open(t, ctx, h), change.Position{})
			r.drain(ctx, all, len(s.Facts), 0)
			compare(t, r.facts, s.Facts)
			before := r.pos
			write(t, ctx, h, s.Heartbeat())
			for since := time.Now(); r.pos.Compare(before) == change.Equal; {
				if time.Since(since) > patience {
					t.Fatalf("a heartbeat does not move the position %v", r.pos)
				}
				if e := r.step(ctx, all()); !e.Empty() {
					t.Fatalf("a heartbeat made an epoch with splits %+v", e.Splits)
				}
			}
		})
	}
}

// testMalformed: what cannot be decoded is rejected with its place and bytes, and its transaction goes on.
func testMalformed(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 16, Spec{Markers: true})
	var messages []Message
	bad := map[string]bool{}
	for range 10 {
		messages = append(messages, s.Tx(3)...)
		messages = append(messages, s.TxWithGarbage(4)...)
		messages = append(messages, s.Garbage()...)
		messages = append(messages, s.Tx(2)...)
	}
	for _, m := range messages {
		bad[string(m.Value)] = true
	}
	write(t, ctx, h, messages)
	r := newReader(t, open(t, ctx, h), change.Position{})
	r.drain(ctx, all, len(s.Facts), s.Rejects)
	compare(t, r.facts, s.Facts)
	if len(r.rejects) != s.Rejects {
		t.Fatalf("%d rejects, want %d", len(r.rejects), s.Rejects)
	}
	for _, j := range r.rejects {
		if j.Table == "" || j.Reason == "" || !bad[string(j.Value)] {
			t.Errorf("reject %+v lacks table, reason or the message's bytes", j)
		}
	}
}

// testParts writes a transaction message by message and plans in between.
func testParts(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 17, Spec{Markers: true})
	write(t, ctx, h, s.Tx(2))
	r := newReader(t, open(t, ctx, h), change.Position{})
	r.drain(ctx, all, 2, 0)
	messages := s.Tx(4)
	for _, m := range messages[:len(messages)-1] {
		write(t, ctx, h, []Message{m})
		if e := r.step(ctx, source.Limits{MaxWait: 20 * time.Millisecond}); !e.Empty() {
			t.Fatalf("an epoch with %d events before the transaction's end", e.Counts.Events)
		}
	}
	write(t, ctx, h, messages[len(messages)-1:])
	r.drain(ctx, all, len(s.Facts), 0)
	compare(t, r.facts, s.Facts)
}

// testGrowth: a field that appears becomes a column, here and elsewhere.
func testGrowth(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 18, Spec{Markers: true})
	messages := append(s.Snapshot(10), s.Tx(20)...)
	s.Grow()
	write(t, ctx, h, append(messages, s.Random(10, false)...))
	src, other := open(t, ctx, h), open(t, ctx, h)
	r := newReader(t, src, change.Position{})
	r.drain(ctx, all, len(s.Facts), 0)
	compare(t, r.facts, s.Facts)
	elsewhere := newReader(t, other, change.Position{})
	for _, e := range r.epochs {
		for _, split := range e.Splits {
			elsewhere.facts = append(elsewhere.facts, elsewhere.read(ctx, split).facts...)
		}
	}
	compare(t, elsewhere.facts, s.Facts)
}

// testSchemaChange: a policy that forbids new columns stops the stream where one appears, not before.
func testSchemaChange(t *testing.T, make Factory) {
	strict := tables()
	for i := range strict {
		strict[i].Config.Evolve = debezium.EvolveFail
	}
	ctx, h, s := setup(t, make, 19, Spec{Markers: true, Tables: strict})
	messages := s.Random(10, false)
	want := append([]Fact(nil), s.Facts...)
	s.Grow()
	write(t, ctx, h, append(messages, s.Tx(5)...))
	r := newReader(t, open(t, ctx, h), change.Position{})
	for since := time.Now(); ; {
		e, err := r.src.Plan(ctx, r.pos, all())
		if err == nil {
			r.take(ctx, e)
			if time.Since(since) > patience {
				t.Fatal("the new column is not reported")
			}
			continue
		}
		if !errors.Is(err, debezium.ErrSchemaChange) {
			t.Fatalf("plan: %v, want a schema change", err)
		}
		break
	}
	compare(t, r.facts, want)
}

// testEmpty: a stream without events yields an empty epoch in about the time it may wait.
func testEmpty(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 20, Spec{Markers: true})
	write(t, ctx, h, s.Heartbeat())
	r := newReader(t, open(t, ctx, h), change.Position{})
	start := time.Now()
	for range 3 {
		if e := r.step(ctx, all()); !e.Empty() {
			t.Errorf("splits %v of an empty stream", e.Splits)
		}
	}
	if took := time.Since(start); took > patience {
		t.Errorf("three plans of %v each took %v", wait, took)
	}
}

// testCancelled: Plan and Read end soon after their context.
func testCancelled(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 21, Spec{Markers: true})
	write(t, ctx, h, s.Tx(5))
	src := open(t, ctx, h)
	r := newReader(t, src, change.Position{})
	r.drain(ctx, all, 5, 0)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := src.Plan(short, r.pos, source.Limits{MaxWait: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("plan with a context that ends: %v", err)
	}
	if took := time.Since(start); took > patience {
		t.Errorf("plan ended %v after its context", took)
	}
	gone, cancel2 := context.WithCancel(ctx)
	cancel2()
	for _, e := range r.epochs {
		for _, split := range e.Splits {
			if err := src.Read(gone, split, &content{}); !errors.Is(err, context.Canceled) {
				t.Errorf("read with a cancelled context: %v", err)
			}
		}
	}
	r.drain(ctx, all, 5, 0)
}

type failing struct{ err error }

func (f failing) Batch(_ context.Context, b *source.Batch) error { b.Release(); return f.err }
func (f failing) Reject(context.Context, source.Rejected) error  { return f.err }

// testHandlerFails: a handler's error comes out of Read, and the split can be read afterwards.
func testHandlerFails(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 22, Spec{Markers: true})
	write(t, ctx, h, append(s.Tx(9), s.Garbage()...))
	src := open(t, ctx, h)
	r := newReader(t, src, change.Position{})
	full := errors.New("disk full")
	for since := time.Now(); len(r.facts) < 9; {
		e, err := src.Plan(ctx, r.pos, all())
		if err != nil {
			t.Fatal(err)
		}
		for _, split := range e.Splits {
			if err := src.Read(ctx, split, failing{full}); !errors.Is(err, full) {
				t.Errorf("read with a failing handler: %v", err)
			}
		}
		r.take(ctx, e)
		if time.Since(since) > patience {
			t.Fatal("no events")
		}
	}
	compare(t, r.facts, s.Facts)
}

// testLag: the lag falls to zero as the stream is read.
func testLag(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 23, Spec{Markers: true})
	messages := append(s.Tx(20), s.Tx(20)...)
	write(t, ctx, h, messages)
	src := open(t, ctx, h)
	lag, err := src.Lag(ctx, change.Position{})
	if err != nil {
		t.Fatal(err)
	}
	if lag.Events == 0 || lag.Events > int64(len(messages)) || lag.Events < 0 && lag.Bytes <= 0 {
		t.Errorf("lag at the beginning is %+v, %d messages were written", lag, len(messages))
	}
	r := newReader(t, src, change.Position{})
	r.drain(ctx, all, len(s.Facts), 0)
	if lag, err = src.Lag(ctx, r.pos); err != nil || lag.Events > 0 || lag.Bytes > 0 || lag.Age > 0 {
		t.Errorf("lag at the end is %+v, %v", lag, err)
	}
}

// testGap: a position whose events the log no longer holds is an error, never a skip.
func testGap(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 24, Spec{Markers: true})
	if h.Truncate == nil {
		return // the stream keeps everything
	}
	write(t, ctx, h, s.Tx(30))
	r := newReader(t, open(t, ctx, h), change.Position{})
	r.drain(ctx, all, 30, 0)
	pos := r.pos
	write(t, ctx, h, append(s.Tx(30), s.Heartbeat()...))
	if err := h.Truncate(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	src := open(t, ctx, h)
	if _, err := src.Plan(ctx, pos, all()); !errors.Is(err, source.ErrGap) {
		t.Errorf("plan over a gap: %v, want %v", err, source.ErrGap)
	}
}

// testConcurrent reads each epoch from several goroutines while the next one is planned.
func testConcurrent(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 25, Spec{Markers: true})
	write(t, ctx, h, s.Random(60, true))
	src := open(t, ctx, h)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got []Fact
		pos change.Position
	)
	for planned, since := 0, time.Now(); planned < len(s.Facts); {
		e, err := src.Plan(ctx, pos, source.Limits{MaxEvents: 40, MaxWait: wait})
		if err != nil {
			t.Fatal(err)
		}
		planned += int(e.Counts.Events)
		pos = e.To
		for _, split := range e.Splits {
			wg.Add(1)
			go func() {
				defer wg.Done()
				c := &content{}
				if err := src.Read(ctx, split, c); err != nil {
					t.Errorf("read %+v: %v", split, err)
				}
				mu.Lock()
				got = append(got, c.facts...)
				mu.Unlock()
			}()
		}
		if time.Since(since) > time.Minute {
			t.Fatal("the stream does not end")
		}
	}
	wg.Wait()
	compare(t, got, s.Facts)
}
