package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/s3io"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/internal/project"
	"github.com/millrace/millrace/internal/s3gateway/gatewaytest"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/jobs/verify"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/storage"
)

// landing writes a bank's messages as files into a bucket, one of each family per so many transactions.
type landing struct {
	store   storage.Store
	pending map[string]*bytes.Buffer
	files   int
}

func (l *landing) add(m ledgergen.Message) {
	family := m.Topic[strings.LastIndexByte(m.Topic, '.')+1:]
	if strings.HasPrefix(m.Topic, "__") {
		family = "heartbeat"
	}
	b := l.pending[family]
	if b == nil {
		b = new(bytes.Buffer)
		l.pending[family] = b
	}
	if m.Value == nil {
		b.WriteString("null")
	}
	b.Write(bytes.ReplaceAll(m.Value, []byte("\n"), []byte(" ")))
	b.WriteByte('\n')
}

func (l *landing) flush(ctx context.Context) error {
	l.files++
	for family, b := range l.pending {
		if b.Len() == 0 {
			continue
		}
		if err := l.store.Put(ctx, fmt.Sprintf("day-%04d/%s/part.ndjson", l.files, family), bytes.Clone(b.Bytes()), storage.PutOptions{}); err != nil {
			return err
		}
		b.Reset()
	}
	return nil
}

// projectOf is a project over files in the bucket, in folders by day.
func projectOf(t *testing.T, endpoint string) *project.File {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `name: landing
lake:
  catalog: sqlite://%s/catalog.db
  warehouse: file://%[1]s/warehouse
  s3: {endpoint: %q, access_key: %s, secret_key: %s} # of the landing zone
source:
  files: {location: "s3://landing/core", pattern: "day-*/{table}/*.ndjson", transactions: "day-*/transaction/*", heartbeats: "day-*/heartbeat/*", schema: ledger, poll: 10ms}
ingest:
  epoch: {max_wait: 200ms, max_events: 300}
`, t.TempDir(), endpoint, gatewaytest.AccessKey, gatewaytest.SecretKey)
	b.WriteString(ledgergen.ProjectTables(nil))
	f, err := project.Parse("landing.yaml", []byte(b.String()), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFilesArriveWhileTheyAreFollowed has a bank's life arrive in a bucket as
// files, follows it from a project file, and proves every cut of what came of it.
func TestFilesArriveWhileTheyAreFollowed(t *testing.T) {
	t.Parallel()
	gw := gatewaytest.Start(t, "landing")
	f := projectOf(t, gw.Endpoint())
	store, err := s3io.Open(t.Context(), "s3://landing/core", s3io.Options{Endpoint: gw.Endpoint(), Credentials: s3io.Credentials{AccessKey: gatewaytest.AccessKey, SecretKey: gatewaytest.SecretKey}})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	bank, err := ledgergen.New(ledgergen.Config{Seed: 11, Accounts: 40, Days: 6})
	if err != nil {
		t.Fatal(err)
	}
	enc, err := ledgergen.NewEncoder(bank.Config())
	if err != nil {
		t.Fatal(err)
	}
	in, truth := &landing{store: store, pending: map[string]*bytes.Buffer{}}, ledgergen.NewTruth()
	written := make(chan error, 1)
	go func() {
		n := 0
		for tx := range bank.Transactions() {
			truth.Apply(tx)
			for m := range enc.Messages(tx) {
				in.add(m)
			}
			if n++; n%20 == 0 {
				if err := in.flush(t.Context()); err != nil {
					written <- err
					return
				}
			}
		}
		written <- in.flush(t.Context())
	}()

	follow(t, f, false) // ends in mid-stream, after its first epoch
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	rep, lake := follow(t, f, true)
	defer lake.Close()
	var events int64
	for _, n := range truth.Events {
		events += n
	}
	if proof, err := verify.Cuts(t.Context(), lake, "ledger"); err != nil || proof.Cuts < 2 || len(proof.Findings) > 0 ||
		proof.Accounts != len(truth.Tables[ledgergen.Accounts]) || proof.Entries != int64(len(truth.Tables[ledgergen.Entries])) {
		t.Errorf("%v: %+v; want %d accounts and %d entries", err, proof, len(truth.Tables[ledgergen.Accounts]), len(truth.Tables[ledgergen.Entries]))
	}
	if in.files < 3 || rep.Counts.Events > events {
		t.Errorf("%d files, %d events in the second run, %d in all", in.files, rep.Counts.Events, events)
	}
	for table, rows := range truth.Tables {
		if got := rowsOf(t, lake, "ledger."+table); got != int64(len(rows)) {
			t.Errorf("%s: %d rows, want %d", table, got, len(rows))
		}
	}
}

// follow runs the project's ingest: to the stream's end, or until its first epoch is in the lake.
func follow(t *testing.T, f *project.File, toEnd bool) (ingest.Report, *catalog.Lake) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o, err := ingest.FromProject(ctx, f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Source.Close()
	o.UntilCaughtUp = toEnd
	o.Run = func(ctx context.Context, build func(beam.Scope) error) error {
		oneAtATime.Lock() // prism shares state between the pipelines of a process
		defer oneAtATime.Unlock()
		_, err := embedded.Run(ctx, build, embedded.Options{Name: "ingest", Log: slog.New(slog.DiscardHandler)})
		return err
	}
	if !toEnd {
		o.Progress = func(ingest.Progress) { stop() }
	}
	rep, err := ingest.Run(ctx, o)
	if err != nil || rep.Epochs == 0 {
		t.Fatalf("%v: %+v", err, rep)
	}
	if !toEnd {
		if err := o.Lake.Close(); err != nil {
			t.Error(err)
		}
	}
	return rep, o.Lake
}

// rowsOf counts a table's rows, deletes applied.
func rowsOf(t *testing.T, lake *catalog.Lake, table string) (n int64) {
	t.Helper()
	cut, err := lake.At(t.Context(), catalog.At{})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := cut.PlanScan(t.Context(), table, catalog.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, split := range plan.Splits {
		in, err := lake.OpenSplit(t.Context(), plan.Schema, split, catalog.ReadOptions{})
		if err == nil {
			err = catalog.EachBatch(t.Context(), in, func(rec arrow.RecordBatch) error { n += rec.NumRows(); return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}
