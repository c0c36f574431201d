package sourcetest

import (
	"errors"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
)

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
