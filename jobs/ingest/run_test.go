package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	icetable "github.com/apache/iceberg-go/table"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/catalog/mirror"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/jobs/ingest/ingesttest"
	"github.com/millrace/millrace/sdk/fault"
)

// TestBusinessDates: the tag of each date holds all transactions of that date and before, and none of a later one.
func TestBusinessDates(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 6, Accounts: 5, Days: 4})
	b.Send(-1)
	o := b.Options(inProcess)
	o.Limits.MaxEvents = 70
	zone := time.FixedZone("UTC+5", 5*3600)
	o.Limits.Zone = zone
	if _, err := ingest.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	lake := b.Lake()
	dates := func(cut *catalog.Cut) map[string]int {
		out := map[string]int{}
		err := ingesttest.Scan(t.Context(), lake, cut, "ledger.entries_changes", []string{"_committed_at"}, func(rec arrow.RecordBatch) error {
			for _, at := range rec.Column(0).(*array.Timestamp).TimestampValues() {
				out[time.UnixMicro(int64(at)).In(zone).Format(time.DateOnly)]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	now, err := lake.At(t.Context(), catalog.At{})
	if err != nil {
		t.Fatal(err)
	}
	all := dates(now) // events of the log of entries by date, at the end
	if len(all) < 4 {
		t.Fatalf("the bank's life has the dates %v", all)
	}
	for _, date := range slices.Sorted(maps.Keys(all)) {
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		cut, err := lake.At(t.Context(), catalog.At{BusinessDate: day})
		if err != nil {
			t.Fatal(err)
		}
		want := maps.Clone(all)
		maps.DeleteFunc(want, func(d string, _ int) bool { return d > date })
		if got := dates(cut); !maps.Equal(got, want) {
			t.Errorf("at the end of %s: events by date %v, want %v", date, got, want)
		}
	}
}

func TestDatesMayNotMatter(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 6, Accounts: 4, Days: 3})
	b.Send(-1)
	o := b.Options(inProcess)
	o.Undated = true
	rep, err := ingest.Run(t.Context(), o)
	if err != nil || rep.Epochs > 2 {
		t.Fatalf("%+v %v", rep, err)
	}
	tab, err := o.Lake.Table(t.Context(), "ledger.entries")
	if err != nil || tab.Summary()[catalog.KeyBusinessDate] != "" {
		t.Errorf("%v %v", tab.Summary(), err)
	}
}

// TestDeadLetters: what can't be decoded is kept with its place, the reason and the bytes as they came.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 2, Accounts: 4, Days: 1, Clean: true})
	b.Raw(ledgergen.Cards, []byte(`{"card_id":1}`), []byte(`{"before":null,"after":{"card_id":"seven"},"op":"c","source":{"ts_ms":1,"lsn":1}}`))
	b.Raw(ledgergen.Cards, nil, []byte("not json at all"))
	b.Send(-1)
	b.Sent[ledgergen.Malformed] = 2
	rep, err := ingest.Run(t.Context(), b.Options(inProcess))
	if err != nil || rep.Counts.Rejected != 2 {
		t.Fatalf("%+v %v", rep, err)
	}
	lake := b.Lake()
	b.Check(lake)
	got := deadLetters(t, lake)
	for text, reason := range map[string]string{"not json at all": "byte 0", `"card_id":"seven"`: "column card_id"} {
		i := slices.IndexFunc(got, func(s string) bool { return strings.Contains(s, text) })
		if i < 0 || !strings.Contains(got[i], reason) || !strings.HasPrefix(got[i], "bank.ledger.cards/") {
			t.Errorf("no letter with %q and %q in %q", text, reason, got)
		}
	}
}

// deadLetters are the quarantined messages as shard offset reason: value.
func deadLetters(t *testing.T, lake *catalog.Lake) (out []string) {
	t.Helper()
	cut, err := lake.At(t.Context(), catalog.At{})
	if err != nil {
		t.Fatal(err)
	}
	err = ingesttest.Scan(t.Context(), lake, cut, "ledger.dead_letters", []string{"shard", "offset", "reason", "value"}, func(rec arrow.RecordBatch) error {
		for i := range int(rec.NumRows()) {
			out = append(out, fmt.Sprintf("%s %s %s: %s", rec.Column(0).ValueStr(i), rec.Column(1).ValueStr(i), rec.Column(2).ValueStr(i), rec.Column(3).(*array.Binary).Value(i)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTooManyDeadLetters: over the limit the run stops, with everything up to there in the lake, and the count goes on over the processes of a run.
func TestTooManyDeadLetters(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 2, Accounts: 4, Days: 1, Clean: true})
	b.Raw(ledgergen.Cards, nil, []byte("x"))
	b.Raw(ledgergen.Cards, nil, []byte("y"))
	b.Send(-1)
	b.Sent[ledgergen.Malformed] = 2
	o := b.Options(inProcess)
	o.DeadLetterLimit = 3
	o.Before.Counts.Rejected = 2
	rep, err := ingest.Run(t.Context(), o)
	if !errors.Is(err, ingest.ErrDeadLetters) || !strings.Contains(err.Error(), "4, the limit is 3; look at ledger.dead_letters") || fault.Of(err).ExitCode() != 3 {
		t.Errorf("%+v %v", rep, err)
	}
	if n := len(deadLetters(t, b.Lake())); n != 2 {
		t.Errorf("%d letters", n)
	}
	o = b.Options(inProcess)
	if _, err := ingest.Run(t.Context(), o); err != nil { // the next run goes on
		t.Error(err)
	}
	b.Check(b.Lake())
}

// TestTwoAtOnce lets two ingests follow one stream: each epoch enters once, and both end well.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 8, Accounts: 6, Days: 2})
	b.Send(-1)
	var wg sync.WaitGroup
	var reports [2]ingest.Report
	for i := range reports {
		o := b.Options(inProcess)
		o.Limits.MaxEvents = 30
		wg.Go(func() {
			var err error
			if reports[i], err = ingest.Run(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := reports[0].Dropped + reports[1].Dropped; n == 0 {
		t.Errorf("no epoch was dropped: %+v", reports)
	}
	b.Check(b.Lake())
}

// TestAnEpochIsRebuilt: a compaction between an epoch's computing and its commit takes the files away that it deletes rows
// in, so it is computed again.
func TestAnEpochIsRebuilt(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 8, Accounts: 8, Days: 6, PerAccountDay: 1500, Clean: true})
	b.Send(20)
	if _, err := ingest.Run(t.Context(), b.Options(inProcess)); err != nil {
		t.Fatal(err)
	}
	err := b.Lake().UpdateTables(t.Context(), []string{"ledger.accounts"}, func(string, icetable.Metadata) ([]icetable.Update, []icetable.Requirement, error) {
		return []icetable.Update{icetable.NewSetPropertiesUpdate(map[string]string{mirror.PropDeleteMode: string(mirror.Position)})}, nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Send(30)
	o := b.Options(inProcess)
	o.Limits.MaxEvents = 40 // several files, with rows deleted by position
	if _, err := ingest.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if b.Send(-1) == 0 {
		t.Fatal("the bank is too small")
	}
	other := b.Lake()
	once := sync.Once{}
	b.Hook = func(stage string) {
		if strings.HasPrefix(stage, "staged") {
			once.Do(func() {
				quiet := maintenance.CompactOptions{Full: true, Logger: slog.New(slog.DiscardHandler)}
				if res, err := maintenance.Compact(context.Background(), other, "ledger.accounts", quiet); err != nil || res.Commits == 0 {
					t.Errorf("compaction: %+v %v", res, err)
				}
			})
		}
	}
	o = b.Options(inProcess)
	b.Hook = nil
	var log strings.Builder
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	rep, err := ingest.Run(t.Context(), o)
	if err != nil || rep.Epochs == 0 || !strings.Contains(log.String(), "epoch is rebuilt") {
		t.Fatalf("%+v %v\n%s", rep, err, log.String())
	}
	b.Check(b.Lake())
}

// TestStop: the end of the context lets the epoch under way finish, and is no error.
func TestStop(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 9, Accounts: 5, Days: 2})
	b.Send(-1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o := b.Options(inProcess)
	o.UntilCaughtUp, o.Limits.MaxEvents = false, 25
	alive := 0
	o.Alive = func() { alive++ }
	o.Progress = func(p ingest.Progress) {
		if p.Report.Epochs == 2 {
			stop()
		}
	}
	rep, err := ingest.Run(ctx, o)
	if err != nil || rep.Epochs < 2 || rep.Epochs > 3 || alive < 2 {
		t.Fatalf("%+v %v, %d signs of life", rep, err, alive)
	}
	pos, err := b.Lake().StreamPosition(t.Context(), "bank")
	if err != nil || pos.String() != rep.Position.String() {
		t.Errorf("the report says %v, the lake %v, %v", rep.Position, pos, err)
	}
	if _, err := ingest.Run(t.Context(), b.Options(inProcess)); err != nil {
		t.Fatal(err)
	}
	b.Check(b.Lake())
}

// TestRecycle ends the run between epochs; the next one goes on, and counts on.
func TestRecycle(t *testing.T) {
	t.Parallel()
	b := ingesttest.New(t, ledgergen.Config{Seed: 9, Accounts: 5, Days: 2})
	b.Send(-1)
	var rep ingest.Report
	for {
		o := b.Options(inProcess)
		o.Limits.MaxEvents, o.Before = 40, rep
		n := 0
		o.Recycle = func() bool { n++; return n == 2 }
		var err error
		before := rep.Epochs
		rep, err = ingest.Run(t.Context(), o)
		if err == nil {
			break
		}
		if !errors.Is(err, ingest.ErrRecycle) || rep.Epochs != before+2 {
			t.Fatalf("%+v after %d epochs: %v", rep, before, err)
		}
	}
	total := int64(0)
	for _, n := range b.Truth.Events {
		total += n
	}
	if rep.Counts.Events != total {
		t.Errorf("%+v, the source had %d events", rep, total)
	}
	b.Check(b.Lake())
}
