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

// zone is where the suite's business dates change: an hour before midnight UTC.
var zone = time.FixedZone("UTC+1", 3600)

// calendar knows the dates of a stream's transactions.
type calendar struct {
	dates map[string]string // of a transaction: that of its commit
	late  map[string]bool   // transactions that come after one of a later date
}

// dated sends transactions of several dates, the last and first of each within seconds of midnight, and some that are late.
func (c *calendar) dated(s *Stream, days int) (pieces [][]Message) {
	send := func(n int, late bool) {
		messages := s.Tx(n)
		tx := s.Facts[len(s.Facts)-1].Tx
		c.dates[tx], c.late[tx] = s.now.In(zone).Format(time.DateOnly), late
		pieces = append(pieces, messages)
	}
	s.Wait(-90 * 24 * time.Hour) // brokers refuse messages of the future
	for range days {
		for range 3 {
			send(1+s.rnd.IntN(6), false)
			s.Wait(time.Hour)
		}
		y, m, d := s.now.In(zone).Date()
		s.Wait(time.Date(y, m, d+1, 0, 0, 0, 0, zone).Sub(s.now) - 10*time.Second)
		send(2, false)
		s.Wait(9999 * time.Millisecond)
		for s.now.In(zone).Day() == d {
			s.Wait(time.Second)
		}
		send(3, false)
		s.Wait(-time.Minute)
		send(2, true)
		s.Wait(2 * time.Minute)
		pieces = append(pieces, s.Snapshot(s.rnd.IntN(3)))
	}
	return append(pieces, s.Heartbeat())
}

// testDates: no epoch spans two business dates, each date's last epoch holds all of it but for what is late, and
// the open date outlives a restart.
func testDates(t *testing.T, make Factory) {
	for _, markers := range []bool{true, false} {
		t.Run(fmt.Sprint("markers ", markers), func(t *testing.T) {
			t.Parallel()
			ctx, h, s := setup(t, make, 31, Spec{Markers: markers})
			rnd := rand.New(rand.NewPCG(31, 2))
			c := &calendar{dates: map[string]string{}, late: map[string]bool{}}
			limits := func() source.Limits {
				return source.Limits{MaxEvents: int64(1 + rnd.IntN(40)), MaxWait: wait, Zone: zone}
			}
			r := newReader(t, open(t, ctx, h), change.Position{})
			at := []int{0} // how many facts were read before each epoch
			for i, piece := range c.dated(s, 4) {
				if write(t, ctx, h, piece); i%3 == 0 && i > 0 {
					r.step(ctx, limits())
					at = append(at, len(r.facts))
				}
			}
			for since := time.Now(); len(r.facts) < len(s.Facts); at = append(at, len(r.facts)) {
				if r.step(ctx, limits()); time.Since(since) > 4*patience {
					t.Fatalf("%d of %d events; position %v", len(r.facts), len(s.Facts), r.pos)
				}
			}
			compare(t, r.facts, s.Facts)
			write(t, ctx, h, s.Heartbeat()) // without markers, what is left of another's window waits for something later
			opened := ""
			for i, e := range r.epochs {
				opened = c.check(t, e, r.facts[at[i]:at[i+1]], opened)
				if i%4 == 3 {
					c.resumed(t, ctx, open(t, ctx, h), e, opened, r.facts[at[i+1]:])
				}
			}
		})
	}
}

// check holds an epoch against the calendar, and returns the date that is open behind it.
func (c *calendar) check(t *testing.T, e source.Epoch, facts []Fact, before string) (open string) {
	t.Helper()
	open = before
	if !e.BusinessDate.IsZero() {
		open = e.BusinessDate.Format(time.DateOnly)
	}
	if open < before {
		t.Errorf("an epoch is of %s, the one before of %s", open, before)
	}
	for _, f := range facts {
		if f.Tx == "" {
			continue
		}
		if date := c.dates[f.Tx]; date != open && !(c.late[f.Tx] && date < open) {
			t.Errorf("transaction %s of %s (late: %v) is in an epoch of %q", f.Tx, date, c.late[f.Tx], open)
		}
	}
	return open
}

// resumed goes on behind an epoch with another source.
func (c *calendar) resumed(t *testing.T, ctx context.Context, src source.Source, e source.Epoch, open string, want []Fact) {
	t.Helper()
	r := newReader(t, src, e.To)
	for since := time.Now(); len(r.facts) == 0 && len(want) > 0; {
		n := r.step(ctx, source.Limits{MaxWait: wait, Zone: zone})
		open = c.check(t, n, r.facts, open)
		if time.Since(since) > patience {
			t.Fatalf("nothing is read from %v on", e.To)
		}
	}
}
