package features_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/jobs/features"
	"github.com/millrace/millrace/sdk/fault"
)

// money is an amount in cents as a text.
func money(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

// oracle computes a row by looking at every entry; seen says from when on an entry is seen.
func oracle(es []entry, account int64, at time.Time, currency string, seen func(entry) time.Time) string {
	var balance int64
	var in, out [3]int64
	var credits, debits, largest int64
	var first, last time.Time
	const null = "(null)"
	for _, e := range es {
		if e.account != account || seen(e).After(at) {
			continue
		}
		balance += e.cents
		if first.IsZero() || e.booked.Before(first) {
			first = e.booked
		}
		if e.cents > 0 && e.booked.After(last) {
			last = e.booked
		}
		for k, n := range []time.Duration{7, 30, 90} {
			if !e.booked.After(at.Add(-n * day)) {
				continue
			}
			if e.cents > 0 {
				in[k] += e.cents
			} else {
				out[k] -= e.cents
				if k == 2 {
					largest = max(largest, -e.cents)
				}
			}
			if k == 1 && e.cents > 0 {
				credits++
			} else if k == 1 && e.cents < 0 {
				debits++
			}
		}
	}
	if currency == "" {
		currency = null
	}
	head := at.Format(time.DateOnly) + " " + currency
	if first.IsZero() {
		return head + strings.Repeat(" "+null, 9) + strings.Repeat(" "+null+" no history", 3)
	}
	row := head
	for _, v := range []int64{balance, in[0], in[1], in[2], out[0], out[1], out[2]} {
		row += " " + money(v)
	}
	row += fmt.Sprintf(" %d %d", credits, debits)
	if largest > 0 {
		row += " " + money(largest) + " " + null
	} else {
		row += " " + null + " no event in the window"
	}
	if !last.IsZero() {
		row += fmt.Sprintf(" %d %s", int64(at.Sub(last)/day), null)
	} else {
		row += " " + null + " no event in the window"
	}
	return row + fmt.Sprintf(" %d %s", int64(at.Sub(first)/day), null)
}

func booked(e entry) time.Time { return e.booked }

func committed(e entry) time.Time {
	if e.committed.After(e.booked) {
		return e.committed
	}
	return e.booked
}

// randomLedger has accounts 1 to 12, of which 11 and 12 have no entries, and entries of 150 days in three commits.
func randomLedger(t *testing.T, buckets int, seed uint64) (*ledger, map[int64]string) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	l := newLedger(t, buckets)
	currencies := map[int64]string{}
	for id := int64(1); id <= 12; id++ {
		currencies[id] = []string{"CZK", "EUR"}[id%2]
	}
	for range 3 {
		var es []entry
		for range 40 {
			id := 1 + rnd.Int64N(10)
			e := entry{account: id, cents: rnd.Int64N(200_00) - 100_00, currency: currencies[id], booked: start.Add(time.Duration(rnd.Int64N(int64(150 * day)))).Truncate(time.Microsecond)}
			e.committed = e.booked.Add(time.Second)
			if rnd.IntN(5) == 0 {
				e.committed = e.booked.Add(time.Duration(rnd.Int64N(int64(40 * day)))).Truncate(time.Microsecond)
			}
			es = append(es, e)
		}
		l.post(es...)
	}
	l.open(currencies)
	return l, currencies
}

func key(account int64, at time.Time) string {
	return fmt.Sprintf("%d@%s", account, at.UTC().Format("2006-01-02T15:04:05.999999Z"))
}

func compare(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for k, w := range want {
		if got[k] != w {
			t.Errorf("%s: %s\n got %s\nwant %s", what, k, got[k], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d rows, want %d", what, len(got), len(want))
	}
}

// TestEqualsTheNaiveOracle: dates for all accounts, by the layout, by an exchange, and without a layout.
func TestEqualsTheNaiveOracle(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		buckets  int
		exchange bool
		knownAt  string
		merged   bool
	}{
		{"merged by the layout", 4, false, "", true},
		{"exchanged although it need not", 4, true, "", false},
		{"no layout", 0, false, "", false},
		{"known at the commit", 4, false, features.KnownCommit, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l, currencies := randomLedger(t, tc.buckets, 11)
			spine, err := features.Daily(start.Add(-day), start.Add(160*day), 23, nil)
			if err != nil {
				t.Fatal(err)
			}
			rep := l.run(features.Options{Spine: spine, Exchange: tc.exchange, KnownAt: tc.knownAt})
			if rep.Merged != tc.merged {
				t.Errorf("merged: %v", rep.Merged)
			}
			seen := booked
			if tc.knownAt == features.KnownCommit {
				seen = committed
			}
			want := map[string]string{}
			for id, ccy := range currencies {
				for _, at := range spine.Instants {
					want[key(id, at)] = oracle(l.entries, id, at, ccy, seen)
				}
			}
			compare(t, tc.name, l.rows(features.DefaultTable), want)
			if rep.Rows != int64(len(want)) || rep.Replaced != 0 {
				t.Errorf("report: %+v", rep)
			}
		})
	}
}

// TestPairs asks for other instants of each account, one of them twice, and for an account that is not there.
func TestPairs(t *testing.T) {
	t.Parallel()
	for _, buckets := range []int{4, 0} {
		l, currencies := randomLedger(t, buckets, 5)
		type pair struct {
			id int64
			at time.Time
		}
		rnd := rand.New(rand.NewPCG(3, uint64(buckets)))
		var pairs []pair
		for range 30 {
			pairs = append(pairs, pair{1 + rnd.Int64N(13), start.Add(time.Duration(rnd.Int64N(int64(170*day))) - 10*day).Truncate(time.Microsecond)})
		}
		pairs = append(pairs, pairs[0])
		if err := l.lake.EnsureTable(t.Context(), spineSpec()); err != nil {
			t.Fatal(err)
		}
		l.commit(l.files("ledger.loans", len(pairs), func(column string, i int) any {
			if column == "acct" {
				return pairs[i].id
			}
			return pairs[i].at
		}))
		want := map[string]string{}
		for _, p := range pairs {
			ccy := currencies[p.id]
			if strings.Contains(oracle(l.entries, p.id, p.at, "", booked), "no history") {
				ccy = "" // nothing is known of the account yet
			}
			want[key(p.id, p.at)] = oracle(l.entries, p.id, p.at, ccy, booked)
		}
		rep := l.run(features.Options{Spine: features.FromTable("ledger.loans", "acct", "granted_at"), Table: "features.loans"})
		compare(t, fmt.Sprint("buckets ", buckets), l.rows("features.loans"), want)
		if rep.Merged != (buckets > 0) {
			t.Errorf("buckets %d: merged %v", buckets, rep.Merged)
		}
		again := l.run(features.Options{Spine: features.FromTable("ledger.loans", "acct", "granted_at"), Table: "features.loans", Exchange: true})
		compare(t, "again", l.rows("features.loans"), want)
		if again.Replaced != rep.Rows {
			t.Errorf("again: %+v", again)
		}
	}
}

func spineSpec() catalog.TableSpec {
	s := catalog.TableSpec{Name: "ledger.loans", Schema: entriesSchema, Kind: catalog.Plain}
	fields := entriesSchema.Fields()
	acct, at := fields[1], fields[4]
	acct.Name, at.Name = "acct", "granted_at"
	s.Schema = newSchema(acct, at)
	return s
}

// TestLateArrivals: under the commit time nothing that arrives later changes an earlier as-of; under the booking time it does.
func TestLateArrivals(t *testing.T) {
	t.Parallel()
	l := newLedger(t, 4)
	l.open(map[int64]string{1: "EUR", 2: "EUR"})
	asOf := features.EndOf(2026, time.January, 10, time.UTC)
	l.post(entry{1, 100_00, "EUR", start, start}, entry{2, -100_00, "EUR", start, start})
	commit := features.Options{Spine: features.AsOf(asOf), KnownAt: features.KnownCommit, Table: "features.by_commit"}
	plain := features.Options{Spine: features.AsOf(asOf), Table: "features.by_booking"}
	l.run(commit)
	l.run(plain)
	byCommit, byBooking := l.rows("features.by_commit"), l.rows("features.by_booking")
	if !maps.Equal(byCommit, byBooking) {
		t.Errorf("before anything is late:\n%v\n%v", byCommit, byBooking)
	}
	l.post(entry{1, 7_00, "EUR", start.Add(5 * day), start.Add(12 * day)}, entry{2, -7_00, "EUR", start.Add(5 * day), start.Add(12 * day)})
	l.run(commit)
	l.run(plain)
	if got := l.rows("features.by_commit"); !maps.Equal(got, byCommit) {
		t.Errorf("by commit time, the as-of has changed:\n%v\n%v", byCommit, got)
	}
	if got := l.rows("features.by_booking"); maps.Equal(got, byBooking) {
		t.Error("by booking time, the late entry is missing")
	}
	// From its commit on it is seen, in the window of its booking.
	after := features.EndOf(2026, time.January, 14, time.UTC)
	commit.Spine = features.AsOf(after)
	l.run(commit)
	compare(t, "after the commit", l.rows("features.by_commit"), map[string]string{
		key(1, asOf): byCommit[key(1, asOf)], key(2, asOf): byCommit[key(2, asOf)],
		key(1, after): oracle(l.entries, 1, after, "EUR", committed), key(2, after): oracle(l.entries, 2, after, "EUR", committed),
	})
}

// TestUpdatesInTheChangeLog: one that leaves the movement as it was is passed over; one that changes it, and a delete, are refused.
func TestUpdatesInTheChangeLog(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"u", "d"} {
		updatesInTheChangeLog(t, bad)
	}
}

func updatesInTheChangeLog(t *testing.T, bad string) {
	l := newLedger(t, 4)
	l.open(map[int64]string{1: "EUR"})
	l.post(entry{1, 100_00, "EUR", start, start})
	o := features.Options{Spine: features.AsOf(start.Add(9 * day)), KnownAt: features.KnownCommit}
	l.run(o)
	want := l.rows(features.DefaultTable)
	change := func(op string, before, after int64) {
		l.commit(l.files("ledger.entries_changes", 1, func(column string, _ int) any {
			switch column {
			case changelog.ColOp:
				return op
			case changelog.ColCommittedAt, "booked_at", changelog.BeforePrefix + "booked_at":
				return start
			case changelog.ColShard:
				return "0"
			case changelog.ColOffset, "entry_id", changelog.BeforePrefix + "entry_id":
				return int64(7)
			case "account_id", changelog.BeforePrefix + "account_id":
				return int64(1)
			case "amount":
				return after
			case changelog.BeforePrefix + "amount":
				return before
			case "currency", changelog.BeforePrefix + "currency":
				return "EUR"
			}
			return nil
		}))
	}
	change("u", 100_00, 100_00)
	l.run(o)
	compare(t, "after an update of something else", l.rows(features.DefaultTable), want)
	change(bad, 100_00, 99_00)
	if _, err := l.try(o); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("was changed (operation %q)", bad)) || fault.Of(err) != fault.Usage {
		t.Errorf("%s: %v", bad, err)
	}
}

// TestRerunsReplaceTheirInstants: also those that lie in one file with others, and at an older cut.
func TestRerunsReplaceTheirInstants(t *testing.T) {
	t.Parallel()
	l := newLedger(t, 2)
	l.open(map[int64]string{1: "EUR", 2: "EUR", 3: "CZK"})
	l.post(entry{1, 100_00, "EUR", start, start}, entry{2, -100_00, "EUR", start, start})
	d1, d2, d3 := start.Add(day), start.Add(2*day), start.Add(3*day)
	first := l.run(features.Options{Spine: features.AsOf(d1, d2, d3)})
	before := l.rows(features.DefaultTable)
	l.post(entry{1, 5_00, "EUR", start.Add(time.Hour), start}, entry{2, -5_00, "EUR", start.Add(time.Hour), start})
	rep := l.run(features.Options{Spine: features.AsOf(d2)})
	if rep.Rows != 3 || rep.Replaced != 3 || rep.Cut <= first.Cut {
		t.Errorf("report: %+v", rep)
	}
	got := l.rows(features.DefaultTable)
	for k, row := range before {
		changed := strings.HasSuffix(k, d2.Format(time.RFC3339)[10:]) && strings.Contains(k, d2.Format(time.DateOnly)) && k[0] != '3'
		if (got[k] != row) != changed {
			t.Errorf("%s\nbefore %s\nafter  %s", k, row, got[k])
		}
	}
	back := l.run(features.Options{Spine: features.AsOf(d2), At: catalog.At{Cut: first.Cut}})
	if got := l.rows(features.DefaultTable); !maps.Equal(got, before) {
		t.Errorf("at the older cut again:\n%v\n%v\n%+v", before, got, back)
	}
}

// TestAKilledRunLeavesNothing stops a run before its commit; the next one is whole.
func TestAKilledRunLeavesNothing(t *testing.T) {
	t.Parallel()
	l, _ := randomLedger(t, 4, 2)
	stop := errors.New("killed")
	o := features.Options{Lake: l.lake, Spine: features.AsOf(start.Add(50 * day)), Run: onPrism}
	p, err := features.Prepare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := features.KillBeforeCommit(t.Context(), p, stop); !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
	if got := l.rows(features.DefaultTable); len(got) != 0 {
		t.Errorf("%d rows of a run that did not end", len(got))
	}
	rep := l.run(o)
	if got := l.rows(features.DefaultTable); len(got) != 12 || rep.Replaced != 0 {
		t.Errorf("%d rows, %+v", len(got), rep)
	}
}

// TestRacingRunsLeaveOneRowAKey commits two runs of the same instant that were planned at the same time.
func TestRacingRunsLeaveOneRowAKey(t *testing.T) {
	t.Parallel()
	l, _ := randomLedger(t, 2, 3)
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() {
			_, err := l.try(features.Options{Spine: features.AsOf(start.Add(50*day), start.Add(60*day))})
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := l.rows(features.DefaultTable); len(got) != 24 {
		t.Errorf("%d rows", len(got))
	}
}

func TestEmptyLedgerAndBeforeEverything(t *testing.T) {
	t.Parallel()
	l := newLedger(t, 4)
	rep := l.run(features.Options{Spine: features.AsOf(start)})
	if rep.Rows != 0 || len(l.rows(features.DefaultTable)) != 0 {
		t.Errorf("an empty ledger: %+v", rep)
	}
	l.open(map[int64]string{9: "EUR"})
	l.post(entry{1, 5, "EUR", start, start}, entry{2, -5, "EUR", start, start})
	early := start.Add(-400 * day)
	rep = l.run(features.Options{Spine: features.AsOf(early)})
	compare(t, "before everything", l.rows(features.DefaultTable), map[string]string{key(9, early): oracle(nil, 9, early, "EUR", booked)})
	if rep.NoHistory != 1 || len(rep.Balances) != 0 {
		t.Errorf("%+v", rep)
	}
}

// TestTheSummaryTies reads the control totals that the snapshot carries.
func TestTheSummaryTies(t *testing.T) {
	t.Parallel()
	l, currencies := randomLedger(t, 4, 8)
	at := start.Add(75 * day)
	rep := l.run(features.Options{Spine: features.AsOf(at)})
	tbl, err := l.lake.Table(t.Context(), features.DefaultTable)
	if err != nil {
		t.Fatal(err)
	}
	sums, seen := map[string]int64{}, 0
	for _, e := range l.entries {
		if !e.booked.After(at) {
			sums[currencies[e.account]] += e.cents
			seen++
		}
	}
	s := tbl.Summary()
	for ccy, cents := range sums {
		if got := s["millrace.control.balance[currency="+ccy+"]"]; got != money(cents) || rep.Balances[ccy].String() != got {
			t.Errorf("%s: summary %s, report %s, ledger %s", ccy, got, rep.Balances[ccy], money(cents))
		}
	}
	if s[features.KeyEntries] != fmt.Sprint(seen) || s[features.KeyCut] != fmt.Sprint(rep.Cut) || s[features.KeyAsOf] != at.Format(time.RFC3339) || s["millrace.rows"] != "12" {
		t.Errorf("summary: %v", s)
	}
}

// TestTextAccountsAndDates: accounts are texts, entries have a value date beside their booking, and there is no currency and no table of accounts.
func TestTextAccountsAndDates(t *testing.T) {
	t.Parallel()
	for _, buckets := range []int{3, 0} {
		l := newLedger(t, 0)
		spec := catalog.TableSpec{Name: "core.postings", Kind: catalog.Plain, Schema: newSchema(
			arrow.Field{Name: "iban", Type: arrow.BinaryTypes.String},
			arrow.Field{Name: "value", Type: &arrow.Decimal128Type{Precision: 12, Scale: 3}},
			arrow.Field{Name: "value_date", Type: arrow.FixedWidthTypes.Date32},
			arrow.Field{Name: "booked_at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}})}
		if buckets > 0 {
			spec.BucketBy, spec.Buckets, spec.SortBy = "iban", buckets, []string{"iban", "value_date"}
		}
		if err := l.lake.EnsureTable(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		ibans := []string{"CZ65", "DE89", "CZ65"}
		l.commit(l.files("core.postings", 3, func(column string, i int) any {
			switch column {
			case "iban":
				return ibans[i]
			case "value":
				return []int64{1_000, -250, 2_500}[i]
			case "value_date":
				return arrow.Date32(20454 + i) // 2026-01-01 and on
			}
			return start.Add(time.Duration(10*i) * day)
		}))
		o := features.Options{Spine: features.AsOf(features.EndOf(2026, time.January, 3, time.UTC)), Entries: "core.postings", Accounts: "none",
			Account: "iban", Amount: "value", Booked: "value_date", Currency: "none"}
		rep := l.run(o)
		got := l.rows(features.DefaultTable)
		if row := got["CZ65@2026-01-03T23:59:59.999999Z"]; !strings.HasPrefix(row, "2026-01-03 (null) 3.500 3.500 ") || len(got) != 2 || rep.Merged != (buckets > 0) {
			t.Errorf("%d buckets, by value date: %v %+v", buckets, got, rep)
		}
		o.KnownAt = "booked_at" // the third is booked on the 21st only, and the second on the 11th
		l.run(o)
		if got := l.rows(features.DefaultTable); len(got) != 1 || !strings.HasPrefix(got["CZ65@2026-01-03T23:59:59.999999Z"], "2026-01-03 (null) 1.000 1.000 ") {
			t.Errorf("%d buckets, known when booked: %v", buckets, got)
		}
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	l := newLedger(t, 4)
	l.open(map[int64]string{1: "EUR"})
	l.post(entry{1, 5, "EUR", start, start}, entry{1, 5, "CZK", start, start})
	asOf := features.AsOf(start.Add(day))
	for name, tc := range map[string]struct {
		o    features.Options
		want string
	}{
		"no as-of":             {features.Options{}, "no as-of is given"},
		"no such table":        {features.Options{Spine: asOf, Entries: "ledger.entires"}, "did you mean ledger.entries?"},
		"no such column":       {features.Options{Spine: asOf, Amount: "amuont"}, `has no column "amuont", which is to be the amount; did you mean amount?`},
		"no amount":            {features.Options{Spine: asOf, Amount: "entry_id"}, "amounts must be decimal"},
		"no time":              {features.Options{Spine: asOf, Booked: "currency"}, "must be a date or a timestamp"},
		"no knowledge":         {features.Options{Spine: asOf, KnownAt: "comit"}, `has no column "comit"`},
		"no such cut":          {features.Options{Spine: asOf, At: catalog.At{Cut: 99}}, "cut 99"},
		"the ledger's table":   {features.Options{Spine: asOf, Table: "ledger.entries"}, "the ledger's own"},
		"another's table":      {features.Options{Spine: asOf, Table: "ledger.entries_changes"}, "holds no features"},
		"two currencies":       {features.Options{Spine: asOf}, "account 1 has amounts in EUR and in CZK"},
		"spine without a name": {features.Options{Spine: features.FromTable("ledger.accounts", "account_id", "")}, "name the spine's columns"},
		"spine without a time": {features.Options{Spine: features.FromTable("ledger.accounts", "account_id", "currency")}, "the spine's as-of must be"},
	} {
		_, err := l.try(tc.o)
		if err == nil || !strings.Contains(err.Error(), tc.want) || fault.Of(err) != fault.Usage {
			t.Errorf("%s: %v (%v)", name, err, fault.Of(err))
		}
	}
}

func FuzzParseAsOf(f *testing.F) {
	for _, seed := range []string{"2026-03-31", "2026-03-31T12:00:00Z", "2026-02-30", "", "9999-12-31", "2026-03-31T12:00:00.123456789+02:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := features.ParseAsOf(text, time.UTC)
		if err != nil {
			if fault.Of(err) != fault.Usage {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		again, err := features.ParseAsOf(at.Format(time.RFC3339Nano), time.UTC)
		if err == nil && !again.Equal(at) {
			t.Errorf("%q: %s and %s", text, at, again)
		}
	})
}
