package cut

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

// TestDatesFollowOneAnother: the date of any time holds it, ends where the next one begins, and has one name, also
// where clocks are put forward at midnight (Brazil and Lebanon did).
func TestDatesFollowOneAnother(t *testing.T) {
	t.Parallel()
	var zones []*time.Location
	for _, name := range []string{"UTC", "Europe/Zurich", "America/Sao_Paulo", "Asia/Beirut", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe"} {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, z)
	}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		at := rapid.Int64Range(0, 2_000_000_000).Draw(t, "at")
		b := dayOf(at*1e6, zone)
		if b.from > at*1e6 || at*1e6 >= b.to {
			t.Fatalf("%d does not lie in its date %+v", at, b)
		}
		name := func(us int64) string { return time.UnixMicro(us).In(zone).Format(time.DateOnly) }
		if name(b.from) != name(at*1e6) || name(b.to-1) != name(at*1e6) || name(b.from-1) == name(at*1e6) || name(b.to) == name(at*1e6) {
			t.Fatalf("%s: the date of %d goes from %s to %s", zone, at, name(b.from), name(b.to))
		}
		if next := dayOf(b.to, zone); next.from != b.to {
			t.Fatalf("%s: a date ends at %d and the next begins at %d", zone, b.to, next.from)
		}
	})
}

// TestAGapAtMidnight: in São Paulo there was no midnight before 4 November 2018; that date began at 1 o'clock.
func TestAGapAtMidnight(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		t.Fatal(err)
	}
	got := time.UnixMicro(NextDate(time.Date(2018, 11, 3, 0, 0, 0, 0, time.UTC), zone)).In(zone)
	if want := "2018-11-04 01:00:00"; got.Format(time.DateTime) != want {
		t.Errorf("3 November is followed by %s, want %s", got, want)
	}
}

const date = 24 * 3600 * 1e6

// TestMidnight: what was committed before midnight is cut first, whatever shard it came in; the next date is closed once
// each shard has gone past midnight or was read to an end sampled since.
func TestMidnight(t *testing.T) {
	t.Parallel()
	tr := New(Options{})
	tr.Zone(time.UTC)
	for i := range 2 {
		tr.AddShard(Shard{Name: fmt.Sprint("s", i)})
	}
	tell := func(shard int, offset, at int64) {
		tr.Event(shard, &Event{Offset: offset, Bytes: 1, At: at})
	}
	tell(0, 0, date-1)
	tell(0, 1, date)
	tell(0, 2, date+5)
	tell(1, 0, date-7)
	c := tr.Cut(Limits{Before: date})
	if c.Totals.Events != 2 || c.Later != date+5 || c.Closed {
		t.Fatalf("before midnight: %+v", c)
	}
	tr.Advance(c)
	if c := tr.Cut(Limits{Before: date}); c.Moved() || c.Closed {
		t.Fatalf("one shard may still bring more of the date: %+v", c)
	}
	if !tr.WantSample() {
		t.Fatal("a sample of ends would decide it")
	}
	tr.Sampled([]int64{3, 2})
	if c := tr.Cut(Limits{Before: date}); c.Closed {
		t.Fatalf("the second shard was not read to its end: %+v", c)
	}
	tell(1, 1, date-3)
	c = tr.Cut(Limits{Before: date})
	if c.Totals.Events != 1 || c.Next[1] != 2 {
		t.Fatalf("what is left of the date: %+v", c)
	}
	tr.Advance(c)
	if c := tr.Cut(Limits{Before: date}); c.Moved() || !c.Closed || c.Later != date+5 {
		t.Fatalf("the date is over: %+v", c)
	}
	if c := tr.Cut(Limits{Before: 2 * date}); c.Totals.Events != 2 || c.Later != 0 {
		t.Fatalf("the next date: %+v", c)
	}
}

// TestMarkersCloseADate: with a transaction topic nothing needs to be sampled, and a transaction over both shards stays whole.
func TestMarkersCloseADate(t *testing.T) {
	t.Parallel()
	tr := New(Options{Markers: true})
	tr.Zone(time.UTC)
	tr.AddShard(Shard{Name: "a", Collection: "a"})
	tr.AddShard(Shard{Name: "b", Collection: "b"})
	tr.AddShard(Shard{Name: "m", Role: Markers})
	markers := int64(0)
	send := func(tx string, offset, at int64, times ...int64) {
		tr.Marker(2, &Marker{Offset: markers, Tx: tx, At: at})
		counts := []Count{}
		for i, at := range times {
			tr.Event(i, &Event{Offset: offset, Tx: tx, Order: int64(i + 1), At: at})
			counts = append(counts, Count{Collection: string(rune('a' + i)), Events: 1})
		}
		tr.Marker(2, &Marker{Offset: markers + 1, Tx: tx, End: true, Counts: counts, At: at})
		markers += 2
	}
	send("t1", 0, 1, date-2, date-2)
	send("t2", 1, 1, date-1, date+1) // it commits after midnight
	send("t3", 2, 1, date-1, date-1) // late
	c := tr.Cut(Limits{Before: date})
	if c.Totals.Transactions != 1 || c.Later != date+1 || !c.Closed {
		t.Fatalf("the first date: %+v", c)
	}
	tr.Advance(c)
	if c := tr.Cut(Limits{Before: date}); c.Moved() || !c.Closed {
		t.Fatalf("the first date is over: %+v", c)
	}
	if c := tr.Cut(Limits{Before: 2 * date}); c.Totals.Transactions != 2 || c.Later != 0 {
		t.Fatalf("the second date, and what is late: %+v", c)
	}
}
