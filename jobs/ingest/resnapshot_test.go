package ingest_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/jobs/ingest/ingesttest"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/source"
)

// lost is a bank of whose stream some transactions were deleted before they were read.
func lost(t *testing.T) *ingesttest.Bank {
	t.Helper()
	b := ingesttest.New(t, ledgergen.Config{Seed: 4, Accounts: 10, Days: 8, PerAccountDay: 1500, Clean: true})
	b.Send(40)
	if _, err := ingest.Run(t.Context(), b.Options(inProcess)); err != nil {
		t.Fatal(err)
	}
	b.Check(b.Lake())
	if b.Send(15) != 15 {
		t.Fatal("the bank is too small")
	}
	b.Expire()
	_, err := ingest.Run(t.Context(), b.Options(inProcess))
	if !errors.Is(err, source.ErrGap) || !strings.Contains(err.Error(), "millrace resnapshot --from") {
		t.Fatalf("over a gap: %v", err)
	}
	return b
}

// staging are the options of a resnapshot from a time on.
func staging(t *testing.T, b *ingesttest.Bank, from time.Time) (ingest.Options, ingest.ResnapshotOptions) {
	t.Helper()
	o := b.Options(inProcess)
	at, err := o.Lake.StreamPosition(t.Context(), "bank")
	if err != nil {
		t.Fatal(err)
	}
	so := b.SourceOptions()
	so.Stream, so.StartAt = ingest.StagingStream("bank", at), from
	src, err := kafkaio.Open(t.Context(), so)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	o.Source = src
	return o, ingest.ResnapshotOptions{Stream: "bank"}
}

// began is when the new snapshot began, by Kafka's time stamps.
var began = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// TestResnapshot brings a lake back to its source after a gap: rows that vanished in between are gone, later events apply, the
// logs have each event once, and ingest goes on from there.
func TestResnapshot(t *testing.T) {
	t.Parallel()
	b := lost(t)
	lake := b.Lake()
	before := logRows(t, lake)
	o, r := staging(t, b, began)
	if _, err := ingest.Resnapshot(t.Context(), o, r); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "no row of a new snapshot of customers, accounts") {
		t.Fatalf("without a snapshot: %v", err)
	}
	reads := b.Snapshot(began)
	eventsThen := b.Truth.Events[ledgergen.Entries]
	b.Send(10)
	o, r = staging(t, b, began)
	for _, name := range ledgergen.TableNames() {
		if len(b.Truth.Tables[name]) == 0 {
			r.Empty = append(r.Empty, name)
		}
	}
	rep, err := ingest.Resnapshot(t.Context(), o, r)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, n := range rep.Reads {
		total += n
	}
	if total != int64(reads) || rep.Since.IsZero() || rep.Rows[ledgergen.Accounts] != int64(len(b.Truth.Tables[ledgergen.Accounts])) {
		t.Errorf("report: %+v; %d rows were read", rep, reads)
	}
	b.CheckMirrors(lake)
	want := before + rep.Reads[ledgergen.Entries] + b.Truth.Events[ledgergen.Entries] - eventsThen
	if got := logRows(t, lake); got != want {
		t.Errorf("the log of entries has %d events, want %d", got, want)
	}
	entries, err := lake.Table(t.Context(), "ledger.entries")
	if err != nil || entries.Summary()[ingest.SummaryResnapshot] == "" {
		t.Errorf("the snapshot says nothing of the gap: %v %v", entries.Summary(), err)
	}
	checkControls(t, lake, b)
	names, err := lake.Tables(t.Context())
	if err != nil || strings.Contains(strings.Join(names, " "), "_resnapshot") {
		t.Errorf("staged tables are left: %v %v", names, err)
	}
	b.Send(-1)
	if rep, err := ingest.Run(t.Context(), b.Options(inProcess)); err != nil || rep.Counts.Events == 0 {
		t.Fatalf("going on: %+v %v", rep, err)
	}
	b.CheckMirrors(b.Lake())
}

// checkControls holds the control totals of the last commit against the source's balances.
func checkControls(t *testing.T, lake *catalog.Lake, b *ingesttest.Bank) {
	t.Helper()
	cuts, err := lake.Cuts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{}
	for _, row := range b.Truth.Tables[ledgergen.Accounts] {
		a := row.(*ledgergen.Account)
		want["balance[currency="+a.Currency+"]"] += a.Balance
	}
	last := cuts[len(cuts)-1].Tables
	have := last["ledger.accounts"].Totals.Control
	for name, sum := range want {
		balances, err := money.New(sum, 2)
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := have[name]; !ok || d.String() != balances.String() {
			t.Errorf("control total %s of the mirror is %v, the source's balances are %s", name, d, balances)
		}
	}
	log := last["ledger.accounts_changes"].Totals
	if len(want) == 0 || len(log.Control) == 0 || log.Inserts+log.Updates+log.Deletes != log.Rows {
		t.Errorf("the log's totals: %+v", log)
	}
	for name := range log.Control {
		if strings.HasPrefix(name, "_") {
			t.Errorf("the log has a control total of the rows before: %s", name)
		}
	}
}

func logRows(t *testing.T, lake *catalog.Lake) int64 {
	t.Helper()
	tab, err := lake.Table(t.Context(), "ledger.entries_changes")
	if err != nil {
		t.Fatal(err)
	}
	return tab.Rows()
}

// TestResnapshotKilledAnywhere ends it at steps of its commits: the lake is the state before or the new one, and running it again completes it.
func TestResnapshotKilledAnywhere(t *testing.T) {
	t.Parallel()
	b := lost(t)
	b.Snapshot(began)
	var empty []string
	for _, name := range ledgergen.TableNames() {
		if len(b.Truth.Tables[name]) == 0 {
			empty = append(empty, name)
		}
	}
	was, err := b.Lake().StreamPosition(t.Context(), "bank")
	if err != nil {
		t.Fatal(err)
	}
	kills := 0
	every := 9
	if testing.Short() {
		every = 60
	}
	for at := 1; ; at += every {
		var n atomic.Int64 // tables are staged side by side
		ctx, kill := context.WithCancel(t.Context())
		b.Hook = func(string) {
			if n.Add(1) == int64(at) {
				kill()
			}
		}
		o, r := staging(t, b, began)
		o.Grace = time.Nanosecond
		r.Empty = empty
		_, err := ingest.Resnapshot(ctx, o, r)
		kill()
		b.Hook = nil
		lake := b.Lake()
		now, perr := lake.StreamPosition(t.Context(), "bank")
		if perr != nil {
			t.Fatal(perr)
		}
		if now.String() != was.String() { // the commit is in
			b.CheckMirrors(lake)
			break
		}
		if err == nil {
			t.Fatal("it ended well and changed nothing")
		}
		if kills++; kills > 60 {
			t.Fatalf("it never comes to an end: %v", err)
		}
	}
	if kills == 0 {
		t.Error("nothing was interrupted")
	}
}
