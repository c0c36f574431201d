package planner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"go.uber.org/goleak"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/cut"
	"github.com/millrace/millrace/sdk/source/debezium"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// table is the configuration of a table t(id, x).
func table() debezium.Config {
	return debezium.Config{Key: []string{"id"}, BatchRows: 100, Schema: arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "x", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)}
}

// event is one event of a transaction, outside any if tx is "".
func event(offset int64, tx string, order int, extra string) Record {
	block := "null"
	if tx != "" {
		block = fmt.Sprintf(`{"id":"%s","total_order":%d,"data_collection_order":%d}`, tx, order, order)
	}
	return Record{Offset: offset, At: 1, Value: fmt.Appendf(nil,
		`{"before":null,"after":{"id":%d,"x":"text of %d"%s},"source":{"connector":"mysql","file":"b.1","pos":%d,"ts_ms":1},"op":"c","transaction":%s}`,
		offset, offset, extra, 100+offset, block)}
}

func marker(offset int64, tx string, n int) Record {
	if n == 0 {
		return Record{Offset: offset, Value: fmt.Appendf(nil, `{"status":"BEGIN","id":"%s","event_count":null,"data_collections":null,"ts_ms":1}`, tx)}
	}
	return Record{Offset: offset, Value: fmt.Appendf(nil, `{"status":"END","id":"%s","event_count":%d,"data_collections":[{"data_collection":"t","event_count":%d}],"ts_ms":1}`, tx, n, n)}
}

// seen collects what a split holds.
type seen struct {
	offsets []int64
	columns int
	rejects []int64
}

func (s *seen) Batch(_ context.Context, b *source.Batch) error {
	s.offsets = append(s.offsets, b.Offset...)
	s.columns = max(s.columns, int(b.Row.NumCols()))
	b.Release()
	return nil
}

func (s *seen) Reject(_ context.Context, r source.Rejected) error {
	s.rejects = append(s.rejects, r.Offset)
	return nil
}

// one makes a planner with a table's shard t/0 and a marker shard tx/0.
func one(t *testing.T, cfg debezium.Config, o Options) *Planner {
	t.Helper()
	o.Markers = true
	p := New("s", change.Position{}, o)
	t.Cleanup(p.Close)
	for _, s := range []Shard{{Name: "t/0", Table: "t", Collection: "t", Config: cfg}, {Name: "tx/0", Role: cut.Markers}} {
		if _, _, err := p.AddShard(s); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func feed(t *testing.T, p *Planner, shard int, records ...Record) {
	t.Helper()
	if err := p.Feed([]Feed{{Shard: shard, Records: records}}); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, p *Planner, lim source.Limits) source.Epoch {
	t.Helper()
	e, err := p.Take(lim)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestDuplicatesLieBetweenSplits: a redelivery parts the range, so that any reader of the splits sees each event once.
func TestDuplicatesLieBetweenSplits(t *testing.T) {
	t.Parallel()
	p := one(t, table(), Options{})
	again := func(offset, of int64, tx string, n int) Record {
		r := event(of, tx, n, "")
		r.Offset = offset
		return r
	}
	feed(t, p, 0, event(0, "a", 1, ""), event(1, "a", 2, ""), again(2, 0, "a", 1), again(3, 1, "a", 2), event(4, "b", 1, ""))
	feed(t, p, 1, marker(0, "a", 0), marker(1, "a", 2), marker(2, "a", 0), marker(3, "a", 2), marker(4, "b", 0), marker(5, "b", 1))
	e := take(t, p, source.Limits{})
	want := []source.Split{{Shard: "t/0", From: 0, To: 2, Table: "t"}, {Shard: "t/0", From: 4, To: 5, Table: "t"}}
	if fmt.Sprint(e.Splits) != fmt.Sprint(want) || e.Counts.Duplicates != 2 || e.Counts.Events != 3 || e.Counts.Transactions != 2 {
		t.Errorf("epoch %+v, want splits %+v", e, want)
	}
}

// TestMemoryBudget: above the budget nothing is kept, and what is kept can still be read.
func TestMemoryBudget(t *testing.T) {
	t.Parallel()
	p := one(t, table(), Options{MemoryBudget: 100_000})
	var first, second []Record
	for i := range 600 {
		first = append(first, event(int64(i), "a", i+1, ""))
		second = append(second, event(int64(600+i), "b", i+1, ""))
	}
	feed(t, p, 0, first...)
	feed(t, p, 1, marker(0, "a", 0), marker(1, "a", 600))
	one := take(t, p, source.Limits{})
	feed(t, p, 0, second...)
	feed(t, p, 1, marker(2, "b", 0), marker(3, "b", 600))
	two := take(t, p, source.Limits{})
	held := func(e source.Epoch) int {
		s := &seen{}
		for _, split := range e.Splits {
			if ok, err := p.Read(t.Context(), split, s); err != nil || !ok {
				return -1
			}
		}
		return len(s.offsets)
	}
	if n := held(one); n != 600 {
		t.Errorf("first epoch: %d events held, want 600", n)
	}
	if n := held(two); n != -1 {
		t.Errorf("second epoch: %d events held above the budget", n)
	}
	if p.cache.bytes > 100_000 {
		t.Errorf("%d bytes held, budget 100,000", p.cache.bytes)
	}
	p.Confirm(one.To)
	if p.cache.bytes != 0 || held(one) != -1 {
		t.Errorf("%d bytes held after everything was confirmed", p.cache.bytes)
	}
	third := make([]Record, 0, 10)
	for i := range 10 {
		third = append(third, event(int64(1200+i), "c", i+1, ""))
	}
	feed(t, p, 0, third...)
	feed(t, p, 1, marker(4, "c", 0), marker(5, "c", 10))
	if n := held(take(t, p, source.Limits{})); n != 10 {
		t.Errorf("third epoch: %d events held, want 10", n)
	}
}

// TestLargeFeeds: several decoders at once give what one gives, also where a column appears in the middle, or a message is malformed.
func TestLargeFeeds(t *testing.T) {
	t.Parallel()
	for _, grows := range []bool{false, true} {
		t.Run(fmt.Sprint("grows ", grows), func(t *testing.T) {
			t.Parallel()
			p := one(t, table(), Options{Workers: 4})
			const n = 5 * pieceRecords
			var records []Record
			for i := range int64(n) {
				extra := ""
				if grows && i > n/2 {
					extra = `,"y":5`
				}
				r := event(i, "", 0, extra)
				if i == 1000 || i == n-10 {
					r.Value = []byte(`{"op":"c","source":{}}`)
				}
				records = append(records, r)
			}
			feed(t, p, 0, records[:3*pieceRecords]...)
			feed(t, p, 0, records[3*pieceRecords:]...)
			s := &seen{}
			e := take(t, p, source.Limits{})
			for _, split := range e.Splits {
				if ok, err := p.Read(t.Context(), split, s); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}
			if len(s.offsets) != n-2 || fmt.Sprint(s.rejects) != fmt.Sprint([]int64{1000, n - 10}) {
				t.Errorf("%d events and rejects %v", len(s.offsets), s.rejects)
			}
			for i := 1; i < len(s.offsets); i++ {
				if s.offsets[i] <= s.offsets[i-1] {
					t.Fatalf("offset %d after %d", s.offsets[i], s.offsets[i-1])
				}
			}
			want := 2
			if grows {
				want = 3
			}
			if s.columns != want {
				t.Errorf("%d columns, want %d", s.columns, want)
			}
		})
	}
}

// TestReplayEqualsPlan: a split that is decoded again yields what the planner holds.
func TestReplayEqualsPlan(t *testing.T) {
	t.Parallel()
	p := one(t, table(), Options{})
	var records []Record
	for i := range int64(50) {
		records = append(records, event(i, "", 0, ""))
	}
	records[7].Value = []byte(`broken`)
	feed(t, p, 0, records...)
	p.opts.Clock = func() time.Time { return time.Now().Add(time.Hour) } // nothing will follow the malformed message's transaction
	e := take(t, p, source.Limits{})
	for _, split := range e.Splits {
		held, again := &seen{}, &seen{}
		if ok, err := p.Read(t.Context(), split, held); !ok || err != nil {
			t.Fatal(ok, err)
		}
		r, err := NewReplay(split, table())
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range [][]Record{records[:20], records[10:30], records[30:]} { // a fetch may begin before what is wanted
			if err := r.Feed(t.Context(), part, again); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Flush(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if !r.Done() || fmt.Sprint(*held) != fmt.Sprint(*again) {
			t.Errorf("split %+v: held %+v, again %+v", split, held, again)
		}
	}
}

// TestSchemaChangeStopsShard: what comes before the change is planned, then the change is the error.
func TestSchemaChangeStopsShard(t *testing.T) {
	t.Parallel()
	cfg := table()
	cfg.Evolve = debezium.EvolveFail
	p := one(t, cfg, Options{})
	feed(t, p, 0, event(0, "", 0, ""), event(1, "", 0, `,"y":1`), event(2, "", 0, ""))
	if e := take(t, p, source.Limits{}); e.Counts.Events != 1 || e.To.Next["t/0"] != 1 {
		t.Errorf("epoch %+v, want the event before the change", e)
	}
	_, err := p.Take(source.Limits{})
	if !errors.Is(err, debezium.ErrSchemaChange) || !strings.Contains(err.Error(), "t/0 offset 1") {
		t.Errorf("error %v", err)
	}
}

// TestBadMarker: a transaction topic that cannot be read stops the stream, with its place.
func TestBadMarker(t *testing.T) {
	t.Parallel()
	p := one(t, table(), Options{})
	err := p.Feed([]Feed{{Shard: 1, Records: []Record{{Offset: 3, Value: []byte(`{"status":"MAYBE","id":"1"}`)}}}})
	if err == nil || !strings.Contains(err.Error(), "tx/0 offset 3") {
		t.Errorf("error %v", err)
	}
}

// TestFill: an epoch ends when it is full, when the time is up, and with its context.
func TestFill(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	p := one(t, table(), Options{Clock: func() time.Time { return now }})
	offset := int64(0)
	poll := func(n int) func(context.Context, time.Duration) (int, error) {
		return func(_ context.Context, wait time.Duration) (int, error) {
			if wait > Poll {
				t.Errorf("asked to wait %v, want at most %v", wait, Poll)
			}
			for range n {
				feed(t, p, 0, event(offset, "", 0, ""))
				offset++
			}
			now = now.Add(10 * time.Millisecond)
			return n, nil
		}
	}
	e, err := p.Fill(t.Context(), source.Limits{MaxEvents: 5, MaxWait: time.Minute}, poll(1))
	if err != nil || e.Counts.Events != 5 || now.Sub(time.Unix(0, 0)) != 50*time.Millisecond {
		t.Errorf("full: %d events after %v, %v", e.Counts.Events, now.Sub(time.Unix(0, 0)), err)
	}
	start := now
	e, err = p.Fill(t.Context(), source.Limits{MaxWait: time.Second}, poll(0))
	if err != nil || !e.Empty() || now.Sub(start) != time.Second {
		t.Errorf("nothing comes: %d events after %v, %v", e.Counts.Events, now.Sub(start), err)
	}
	start = now
	e, err = p.Fill(t.Context(), source.Limits{MaxWait: time.Second}, poll(1))
	if took := now.Sub(start); err != nil || e.Counts.Events != 101 || took != 1010*time.Millisecond {
		t.Errorf("a little comes: %d events after %v, %v", e.Counts.Events, took, err)
	}
	start, some := now, 3
	e, err = p.Fill(t.Context(), source.Limits{MaxWait: time.Second, Drain: true}, func(ctx context.Context, wait time.Duration) (int, error) {
		if some--; some > 0 {
			return poll(some)(ctx, wait)
		}
		_, err := poll(0)(ctx, wait)
		return AtEnd, err
	})
	if took := now.Sub(start); err != nil || e.Counts.Events != 3 || took != 30*time.Millisecond {
		t.Errorf("drained: %d events after %v, %v", e.Counts.Events, took, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Fill(ctx, source.Limits{}, poll(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	broken := errors.New("broken")
	if _, err := p.Fill(t.Context(), source.Limits{}, func(context.Context, time.Duration) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("poll fails: %v", err)
	}
}
