package killsuite

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/maintenance"
	"github.com/millrace/millrace/connectors/fileio"
	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/connectors/s3io"
	"github.com/millrace/millrace/internal/faults"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/runners/embedded"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
	"github.com/millrace/millrace/sdk/storage"
)

// stream is the name of the one stream of a world.
const stream = "bank"

// job is what a life does.
type job struct {
	Compact            bool // compact the lake's tables over and over instead of ingesting
	Catalog, Warehouse string
	S3                 string   // the endpoint; "": folders only
	Secret             string   // of the S3 service
	Brokers            []string // the stream is in Kafka
	Events             string   // the stream is in files below this URL
	Bank               ledgergen.Config
	MaxEvents          int64
	MaxWait            time.Duration
	Acts               []act
	Report             []string // points that are told to the host
	UntilCaughtUp      bool
	FullAfter          int // the storage is full after so many writes; 0: never
}

// said is one line that a life writes to its host.
type said struct {
	At      string `json:"at,omitempty"` // a point that is reported, or at which the life stops
	N       int    `json:"n,omitempty"`
	Idle    bool   `json:"idle,omitempty"` // planning found nothing
	Epoch   string `json:"epoch,omitempty"`
	Cut     int64  `json:"cut,omitempty"`
	Dropped int64  `json:"dropped,omitempty"`
	Done    bool   `json:"done,omitempty"`
	// Compacted says that a table's compaction is over, which made so many commits.
	Compacted bool `json:"compacted,omitempty"`
	Commits   int  `json:"commits,omitempty"`

	Report *ingest.Report `json:"report,omitempty"`
}

// runWorker is the process of a life.
func runWorker(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	// A life must not outlive its host, whose end of this pipe is closed by its death.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	ctx, stop := embedded.UntilSignal(context.Background())
	defer stop()
	p := newPoints(&j, os.Stdout)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	p.reach("open")
	lake, err := catalog.Open(ctx, catalog.Config{Catalog: j.Catalog, Warehouse: j.Warehouse, Storage: j.stores(p), Hook: p.reach, Logger: log})
	if err != nil {
		return err
	}
	defer lake.Close()
	if j.Compact {
		return compact(ctx, lake, p, log)
	}
	src, err := j.source(ctx, log)
	if err != nil {
		return err
	}
	defer src.Close()
	p.reach("opened")
	rep, err := ingest.Run(ctx, ingest.Options{
		Lake: lake, Source: watched{src, p}, Tables: tables(), Logger: log, UntilCaughtUp: j.UntilCaughtUp,
		Limits: source.Limits{MaxEvents: j.MaxEvents, MaxWait: j.MaxWait},
		Run: func(ctx context.Context, build func(beam.Scope) error) error {
			p.reach("pipeline")
			if _, err := embedded.Run(ctx, build, embedded.Options{Log: log}); err != nil {
				return err
			}
			p.reach("pipeline done")
			return nil
		},
		Progress: func(g ingest.Progress) {
			p.say(said{Epoch: g.Epoch.ID, Cut: g.Cut, Dropped: g.Report.Dropped})
		},
	})
	if err != nil {
		return err
	}
	p.say(said{Done: true, Dropped: rep.Dropped, Report: &rep})
	return nil
}

// compact compacts all tables in turn until ctx ends.
func compact(ctx context.Context, lake *catalog.Lake, p *points, log *slog.Logger) error {
	for ctx.Err() == nil {
		names, err := lake.Tables(ctx)
		if err != nil {
			return unlessEnded(ctx, err)
		}
		for _, name := range names {
			res, err := maintenance.Compact(ctx, lake, name, maintenance.CompactOptions{MinFiles: 2, Full: true, Workers: 1, Logger: log})
			if err != nil {
				return unlessEnded(ctx, err)
			}
			p.say(said{Compacted: true, Commits: res.Commits})
		}
	}
	return nil
}

// unlessEnded is nil where an error is only that of the end that was asked for.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// tables are the bank's tables, as the demo follows them.
func tables() []ingest.Table {
	var out []ingest.Table
	for _, name := range ledgergen.TableNames() {
		t := ingest.Table{Name: name, Schema: ledgergen.Schema(name), Key: []string{ledgergen.Key(name)}, Mirror: true, History: true}
		switch name {
		case ledgergen.Entries:
			t.AppendOnly, t.BucketBy, t.Buckets, t.SortBy = true, "account_id", 2, []string{"account_id", "booked_at"}
		case ledgergen.Transactions:
			t.AppendOnly = true
		}
		out = append(out, t)
	}
	return out
}

// source opens the stream.
func (j *job) source(ctx context.Context, log *slog.Logger) (source.Source, error) {
	decoder := func(name string) debezium.Config {
		return debezium.Config{Schema: ledgergen.Schema(name), Key: []string{ledgergen.Key(name)}, Decimals: debezium.DecimalBase64, Evolve: debezium.EvolveAdd}
	}
	if len(j.Brokers) > 0 {
		o := kafkaio.Options{Brokers: j.Brokers, Stream: stream, TransactionTopic: j.Bank.TransactionTopic(), HeartbeatTopic: j.Bank.HeartbeatTopic(),
			Grace: grace, Logger: log}
		for _, name := range ledgergen.TableNames() {
			o.Topics = append(o.Topics, kafkaio.Topic{Name: j.Bank.Topic(name), Table: name, Config: decoder(name)})
		}
		return kafkaio.Open(ctx, o)
	}
	store, err := j.stores(nil)(ctx, j.Events)
	if err != nil {
		return nil, err
	}
	o := fileio.Options{Stream: stream, Transactions: "transactions/", Heartbeats: "heartbeats/", Poll: 20 * time.Millisecond, Grace: grace, Logger: log}
	for _, name := range ledgergen.TableNames() {
		o.Tables = append(o.Tables, fileio.Table{Name: name, Prefix: "table-" + name + "/", Config: decoder(name)})
	}
	return fileio.Open(ctx, store, o)
}

// grace is how long a malformed event at a shard's end waits to be attributed.
const grace = 50 * time.Millisecond

// tryTimeout is how long a request to S3 may be silent. It is far above what an honest
// request takes, since a try that is given up in vain costs only time.
const tryTimeout = 1500 * time.Millisecond

// stores opens storage whose operations on the lake are points, if p is not nil.
func (j *job) stores(p *points) storage.Opener {
	r := storage.Resolver{"file": localio.Opener(localio.Options{})}
	if j.S3 != "" {
		r["s3"] = s3io.Opener(s3io.Options{Endpoint: j.S3, TryTimeout: tryTimeout,
			Credentials: s3io.Credentials{Source: s3io.FromStatic, AccessKey: accessKey, SecretKey: j.Secret}})
	}
	return func(ctx context.Context, location string) (storage.Store, error) {
		s, err := r.Open(ctx, location)
		if err != nil || p == nil {
			return s, err
		}
		return p.watchStore(s, j.FullAfter), nil
	}
}

// watchStore makes points of a store's writes and deletions: "put data", "put meta", "close data" and so on before each, and with " done" after it.
func (p *points) watchStore(s storage.Store, fullAfter int) storage.Store {
	rule := func(op faults.Op, done bool) faults.StoreRule {
		return faults.StoreRule{Op: op, Executed: done, Pass: true, Do: func(op faults.Op, name string) {
			point := string(op) + " meta"
			if strings.Contains(name, "/data/") {
				point = string(op) + " data"
			}
			if done {
				point += " done"
			}
			p.reach(point)
		}}
	}
	s = faults.Wrap(s, 0, rule(faults.OpPut, true), rule(faults.OpClose, true), rule(faults.OpDelete, true))
	s = faults.Wrap(s, 0, rule(faults.OpPut, false), rule(faults.OpCreate, false), rule(faults.OpWrite, false), rule(faults.OpClose, false), rule(faults.OpDelete, false))
	if fullAfter == 0 {
		return s
	}
	full := fmt.Errorf("the storage is full: %w", storage.ErrNoSpace)
	var rules []faults.StoreRule
	for _, op := range []faults.Op{faults.OpPut, faults.OpWrite, faults.OpClose} {
		rules = append(rules, faults.StoreRule{Op: op, When: faults.When{Skip: fullAfter}, Err: full})
	}
	return faults.Wrap(s, 0, rules...)
}

// watched makes points of a source's calls.
type watched struct {
	source.Source
	p *points
}

func (w watched) Plan(ctx context.Context, from change.Position, lim source.Limits) (source.Epoch, error) {
	w.p.reach("plan")
	ep, err := w.Source.Plan(ctx, from, lim)
	switch {
	case err != nil:
	case ep.Empty():
		w.p.say(said{Idle: true})
	default:
		w.p.reach("planned")
	}
	return ep, err
}

func (w watched) Read(ctx context.Context, s source.Split, h source.Handler) error {
	w.p.reach("read")
	if err := w.Source.Read(ctx, s, reading{h, w.p}); err != nil {
		return err
	}
	w.p.reach("read done")
	return nil
}

func (w watched) Confirm(ctx context.Context, pos change.Position) error {
	w.p.reach("confirm")
	return w.Source.Confirm(ctx, pos)
}

// reading makes a point of each batch.
type reading struct {
	source.Handler
	p *points
}

func (r reading) Batch(ctx context.Context, b *source.Batch) error {
	r.p.reach("batch")
	return r.Handler.Batch(ctx, b)
}
