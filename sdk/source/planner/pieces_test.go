package planner

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// TestPieces: however small the pieces are that an epoch is cut in, epochs keep to the limits and follow one another, and
// hold the same as if each were cut at once.
func TestPieces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		txs := rapid.SliceOfN(rapid.IntRange(1, 4), 1, 40).Draw(rt, "events by transaction")
		arrive := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 20).Draw(rt, "arrivals")
		lim := source.Limits{MaxEvents: rapid.SampledFrom([]int64{1000, 4, 7}).Draw(rt, "limit"), MaxWait: time.Second, Drain: true}
		again := rapid.IntRange(-1, len(txs)-1).Draw(rt, "sent again")
		data, marks := stream(txs, again)
		whole := planned(t, rt, data, marks, arrive, collectFrom, source.Limits{MaxWait: time.Second, Drain: true})
		parts := planned(t, rt, data, marks, arrive, rapid.Int64Range(1, 9).Draw(rt, "piece"), lim)
		for i, e := range parts {
			if e.Counts.Events > max(lim.MaxEvents, 4) {
				rt.Fatalf("an epoch of %d events", e.Counts.Events)
			}
			if i > 0 && e.From.Compare(parts[i-1].To) != change.Equal {
				rt.Fatalf("epoch %d starts at %v, the one before ends at %v", i, e.From, parts[i-1].To)
			}
		}
		got, want := sum(parts), sum(whole)
		if lim.MaxEvents < 1000 {
			got.splits, want.splits = "", ""
		}
		if got != want {
			rt.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// summary is what epochs hold together.
type summary struct {
	counts source.Counts
	end    string
	splits string
}

func sum(epochs []source.Epoch) (s summary) {
	for _, e := range epochs {
		s.counts.Events += e.Counts.Events
		s.counts.Duplicates += e.Counts.Duplicates
		s.counts.Transactions += e.Counts.Transactions
		s.counts.Bytes += e.Counts.Bytes
		s.end = fmt.Sprint(e.To)
		if !e.Empty() {
			s.splits += fmt.Sprint(e.Splits)
		}
	}
	return s
}

// stream makes the records of some transactions, one of them sent twice.
func stream(txs []int, again int) (data, marks []Record) {
	send := func(i, n, first int) {
		tx := fmt.Sprintf("t%d", i)
		marks = append(marks, marker(int64(len(marks)), tx, 0))
		for k := range n {
			r := event(int64(first+k), tx, k+1, "")
			r.Offset = int64(len(data))
			data = append(data, r)
		}
		marks = append(marks, marker(int64(len(marks)), tx, n))
	}
	first := 0
	for i, n := range txs {
		send(i, n, first)
		if i == again {
			send(i, n, first)
		}
		first += n
	}
	return data, marks
}

// planned plans the records as they arrive, in pieces from a number of events on.
func planned(t *testing.T, rt *rapid.T, data, marks []Record, arrive []int, piece int64, lim source.Limits) (out []source.Epoch) {
	p := one(t, table(), Options{})
	p.pieces = pieces{tryAt: piece, least: piece}
	turn := 0
	poll := func(context.Context, time.Duration) (int, error) {
		n := min(arrive[turn%len(arrive)], len(data))
		m := min(arrive[(turn+1)%len(arrive)], len(marks))
		turn++
		err := p.Feed([]Feed{{Shard: 0, Records: data[:n]}, {Shard: 1, Records: marks[:m]}})
		data, marks = data[n:], marks[m:]
		if n+m == 0 {
			return AtEnd, err
		}
		return n + m, err
	}
	for {
		e, err := p.Fill(t.Context(), lim, poll)
		if err != nil {
			rt.Fatal(err)
		}
		if e.Empty() && e.To.Compare(e.From) == change.Equal {
			return out
		}
		out = append(out, e)
	}
}
