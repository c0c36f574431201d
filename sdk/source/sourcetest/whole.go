package sourcetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
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

// testDisorder: a producer writes the second half of a transaction, which a reader sees, then both halves, because the first was not
// written. So a broker's restart leaves it where a producer has several requests under way.
func testDisorder(t *testing.T, make Factory) {
	ctx, h, s := setup(t, make, 16, Spec{Markers: true})
	write(t, ctx, h, s.Tx(5))
	r := newReader(t, open(t, ctx, h), change.Position{})
	var twice int64
	for range 4 {
		whole := s.Tx(40)
		half := whole[len(whole)/2:]
		for _, m := range half {
			if m.Kind == Data && m.Value != nil {
				twice++
			}
		}
		write(t, ctx, h, half)
		r.step(ctx, all())
		write(t, ctx, h, append(whole, s.Tx(3)...))
		r.step(ctx, all())
	}
	write(t, ctx, h, s.Heartbeat())
	r.drain(ctx, all, len(s.Facts), 0)
	compare(t, r.facts, s.Facts)
	if r.total.Duplicates != twice {
		t.Errorf("%d duplicates, want %d", r.total.Duplicates, twice)
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
