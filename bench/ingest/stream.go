package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// streamTable ingests a backlog of a whole bank, all tables with history and mirror, and compares them with the generator's.
func streamTable(ctx context.Context, f flags) error {
	if f.only == "" {
		f.only = "backlog"
	}
	w := work{Do: "backlog", Events: f.events, Accounts: f.accounts}
	b, err := startBroker(ctx, w)
	if err != nil {
		return err
	}
	defer b.stop()
	fmt.Printf("\nstream: %d events (and %d markers) of %d bytes on average in Kafka, %d tables, best of %d\n",
		b.Count, b.Marks, b.Bytes/(b.Count+b.Marks), len(b.Events), f.rounds)
	return measureStream(ctx, f, b, work{Do: "stream", Out: filepath.Join(f.dir, "out-stream"), Broker: b.Addr, Accounts: f.accounts, Events: f.events},
		work{Do: "compare", Accounts: f.accounts, Events: f.events})
}

// measureStream runs an ingest of what a broker holds, holds the first lake against the generator, and prints a row a run.
func measureStream(ctx context.Context, f flags, b *broker, w, compare work) error {
	var best result
	for round := range f.rounds {
		if f.profile != "" {
			w.Profile = fmt.Sprintf("%s.%d", f.profile, round)
		}
		if err := errors.Join(os.RemoveAll(w.Out), os.MkdirAll(w.Out, 0o755)); err != nil {
			return err
		}
		before, err := b.cpu()
		if err != nil {
			return err
		}
		r, err := runGo(ctx, w)
		if err != nil {
			return err
		}
		after, err := b.cpu()
		if err != nil {
			return err
		}
		m := float64(b.Count) / 1e6
		fmt.Printf("  %.2f M events/s  %.2f s  %.2f CPU s  %.2f CPU s a million (%.2f M events/s on 2 free cores)  %d MB peak  %s; the broker took %.2f CPU s\n",
			m/r.Seconds, r.Seconds, r.CPU, r.CPU/m, 2*m/r.CPU, r.PeakKB>>10, r.Note, after-before)
		if round == 0 {
			compare.Out = w.Out
			if _, err := runGo(ctx, compare); err != nil {
				return fmt.Errorf("compare with the generator: %w", err)
			}
		}
		best = better(best, r)
	}
	m := float64(b.Count) / 1e6
	fmt.Printf("  best: %.2f M events/s  %.2f CPU s a million  %d MB peak; what the lake holds equals the generator's\n", m/best.Seconds, best.CPU/m, best.PeakKB>>10)
	return nil
}

// bankTables are the tables as the demo's project has them.
func bankTables() (out []ingest.Table) {
	for _, name := range ledgergen.TableNames() {
		t := ingest.Table{Name: name, Schema: ledgergen.Schema(name), Key: []string{ledgergen.Key(name)}, Mirror: true, History: true}
		switch name {
		case ledgergen.Entries:
			t.AppendOnly, t.BucketBy, t.Buckets, t.SortBy = true, "account_id", 4, []string{"account_id", "booked_at"}
		case ledgergen.Transactions:
			t.AppendOnly = true
		}
		out = append(out, t)
	}
	return out
}

// openStream follows the bank's topics.
func openStream(ctx context.Context, w work) (*kafkaio.Source, error) {
	cfg := bankOf(w)
	o := kafkaio.Options{Brokers: []string{w.Broker}, Stream: "bench", TransactionTopic: cfg.TransactionTopic(), Logger: quiet}
	for _, t := range ledgergen.TableNames() {
		o.Topics = append(o.Topics, kafkaio.Topic{Name: cfg.Topic(t), Table: t, Collection: "ledger." + t,
			Config: debezium.Config{Schema: ledgergen.Schema(t), Key: []string{ledgergen.Key(t)}, Decimals: debezium.DecimalBase64}})
	}
	return kafkaio.Open(ctx, o)
}

// ingestStream brings what the broker holds into a lake.
func ingestStream(ctx context.Context, w work) (result, error) {
	rep, err := follow(ctx, w, ingest.Options{UntilCaughtUp: true, Limits: projectLimits})
	return result{Events: rep.Counts.Events, Note: fmt.Sprintf("%d epochs", rep.Epochs)}, err
}

// follow runs the ingest of the bank with the given options.
func follow(ctx context.Context, w work, o ingest.Options) (rep ingest.Report, err error) {
	lake, err := openLake(ctx, w.Out)
	if err != nil {
		return rep, err
	}
	defer lake.Close()
	src, err := openStream(ctx, w)
	if err != nil {
		return rep, err
	}
	defer src.Close()
	o.Lake, o.Source, o.Run, o.Logger, o.Tables = lake, src, inProcess, quiet, bankTables()
	return ingest.Run(ctx, o)
}

// compareStream holds every row of every mirror, and every log's length, against the generator.
func compareStream(ctx context.Context, w work) (result, error) {
	truth := ledgergen.NewTruth()
	if err := lifeOf(w, func(tx ledgergen.Tx) error { truth.Apply(tx); return nil }); err != nil {
		return result{}, err
	}
	lake, err := openLake(ctx, w.Out)
	if err != nil {
		return result{}, err
	}
	defer lake.Close()
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		return result{}, err
	}
	for name, want := range truth.Tables {
		log, err := lake.Table(ctx, "ledger."+name+"_changes")
		if err != nil {
			return result{}, err
		}
		if log.Rows() != truth.Events[name] {
			return result{}, fmt.Errorf("%s: %d rows, %d events", log.Name(), log.Rows(), truth.Events[name])
		}
		if err := compareMirror(ctx, lake, cut, "ledger."+name, want); err != nil {
			return result{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return result{}, nil
}

// compareMirror takes each row of a table out of what is wanted; nothing may be left.
func compareMirror(ctx context.Context, lake *catalog.Lake, cut *catalog.Cut, table string, want map[int64]ledgergen.Row) error {
	plan, err := cut.PlanScan(ctx, table, catalog.ScanOptions{})
	if err != nil {
		return err
	}
	for _, sp := range plan.Splits {
		in, err := lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{})
		if err != nil {
			return err
		}
		err = catalog.EachBatch(ctx, in, func(rec arrow.RecordBatch) error {
			ids, ok := rec.Column(0).(*array.Int64)
			if !ok {
				return fmt.Errorf("the key is %s", rec.Column(0).DataType())
			}
			for i := range ids.Len() {
				row, ok := want[ids.Value(i)]
				if !ok {
					return fmt.Errorf("row %d is not the source's, or there twice", ids.Value(i))
				}
				delete(want, ids.Value(i))
				if err := compareRow(rec, i, ledgergen.Values(row)); err != nil {
					return fmt.Errorf("row %d: %w", ids.Value(i), err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(want) > 0 {
		return fmt.Errorf("%d rows are missing", len(want))
	}
	return nil
}

func compareRow(rec arrow.RecordBatch, i int, want []any) error {
	for c, v := range want {
		if c >= int(rec.NumCols()) && v == nil {
			continue // a column that the stream has not brought yet
		}
		var have any
		switch a := rec.Column(c).(type) {
		case *array.Int64:
			have = a.Value(i)
		case *array.Int32:
			have = int64(a.Value(i))
		case *array.Date32:
			have = int64(a.Value(i))
		case *array.Timestamp:
			have = int64(a.Value(i))
		case *array.Decimal128:
			have = int64(a.Value(i).LowBits())
		case *array.String:
			have = a.Value(i)
		}
		if rec.Column(c).IsNull(i) {
			have = nil
		}
		if have != v {
			return fmt.Errorf("column %s holds %v, the source %v", rec.ColumnName(c), have, v)
		}
	}
	return nil
}
