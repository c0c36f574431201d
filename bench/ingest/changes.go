package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/sdk/source/debezium"
)

const (
	entriesTopic   = "bank.ledger.entries"
	heartbeatTopic = "__debezium-heartbeat.bank"
)

// changesTable ingests the events of the table of files, one in twenty an update and one in twenty a delete, from Kafka into
// history and mirror, and compares both with the generator's sums.
func changesTable(ctx context.Context, f flags) error {
	b, err := startBroker(ctx, work{Do: "changes", Events: f.events})
	if err != nil {
		return err
	}
	defer b.stop()
	fmt.Printf("\nchanges: %d events of %d bytes in Kafka, one table, %d rows at the end, best of %d\n", b.Count, b.Bytes/b.Count, b.Truth.Rows, f.rounds)
	return measureStream(ctx, f, b, work{Do: "ingest changes", Out: filepath.Join(f.dir, "out-changes"), Broker: b.Addr},
		work{Do: "compare changes", Events: b.Count, Truth: b.Truth})
}

// holdChanges is the work of a broker that holds the table's events.
func holdChanges(ctx context.Context, w work) error {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, entriesTopic), kfake.SeedTopics(1, heartbeatTopic))
	if err != nil {
		return err
	}
	defer k.Close()
	p, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	defer p.Close()
	e := newEvents(false)
	e.changes = true
	for e.n < w.Events && ctx.Err() == nil {
		at := time.UnixMicro(firstBooking + e.n/2*1500)
		value := append([]byte{}, e.event()...)
		key := fmt.Appendf(nil, `{"entry_id":%d}`, e.id)
		partition := int32(e.id % partitions)
		p.Produce(ctx, &kgo.Record{Topic: entriesTopic, Partition: partition, Key: key, Value: value, Timestamp: at}, nil)
		if e.deleted {
			p.Produce(ctx, &kgo.Record{Topic: entriesTopic, Partition: partition, Key: key, Timestamp: at}, nil)
		}
	}
	beat := firstBooking/1000 + e.n*15/10 + 1000
	p.Produce(ctx, &kgo.Record{Topic: heartbeatTopic, Value: fmt.Appendf(nil, `{"ts_ms":%d}`, beat), Timestamp: time.UnixMilli(beat)}, nil)
	if err := errors.Join(ctx.Err(), p.Flush(ctx)); err != nil {
		return err
	}
	sums := e.sums()
	h := hello{Addr: k.ListenAddrs()[0], Count: e.n, Bytes: sums.Bytes, Truth: sums}
	if err := json.NewEncoder(os.Stdout).Encode(h); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent closes it
	return err
}

// ingestChanges brings what the broker holds into a lake.
func ingestChanges(ctx context.Context, w work) (r result, err error) {
	lake, err := openLake(ctx, w.Out)
	if err != nil {
		return r, err
	}
	defer lake.Close()
	src, err := kafkaio.Open(ctx, kafkaio.Options{Brokers: []string{w.Broker}, Stream: "bench", HeartbeatTopic: heartbeatTopic, Logger: quiet,
		Topics: []kafkaio.Topic{{Name: entriesTopic, Table: "entries", Config: debezium.Config{Schema: entrySchema, Key: []string{"entry_id"}}}}})
	if err != nil {
		return r, err
	}
	defer src.Close()
	rep, err := ingest.Run(ctx, ingest.Options{Lake: lake, Source: src, Run: inProcess, UntilCaughtUp: true, Logger: quiet, Limits: projectLimits,
		Tables: []ingest.Table{{Name: "entries", Schema: entrySchema, Key: []string{"entry_id"}, Mirror: true, History: true}}})
	return result{Events: rep.Counts.Events, Note: fmt.Sprintf("%d epochs", rep.Epochs)}, err
}

// compareChanges adds up the mirror's rows and counts the log's.
func compareChanges(ctx context.Context, w work) (r result, err error) {
	lake, err := openLake(ctx, w.Out)
	if err != nil {
		return r, err
	}
	defer lake.Close()
	log, err := lake.Table(ctx, "ledger.entries_changes")
	if err != nil {
		return r, err
	}
	if log.Rows() != w.Events {
		return r, fmt.Errorf("the log has %d rows of %d events", log.Rows(), w.Events)
	}
	cut, err := lake.At(ctx, catalog.At{})
	if err != nil {
		return r, err
	}
	plan, err := cut.PlanScan(ctx, "ledger.entries", catalog.ScanOptions{})
	if err != nil {
		return r, err
	}
	have := newEvents(false)
	for _, sp := range plan.Splits {
		in, err := lake.OpenSplit(ctx, plan.Schema, sp, catalog.ReadOptions{})
		if err != nil {
			return r, err
		}
		if err := catalog.EachBatch(ctx, in, func(rec arrow.RecordBatch) error { return have.add(rec) }); err != nil {
			return r, err
		}
	}
	got, want := have.sums(), w.Truth
	want.TxBytes, want.LSN, want.Bytes, got.LSN = 0, "", 0, ""
	if got != want {
		return r, fmt.Errorf("the mirror adds up to %+v, the events to %+v", got, want)
	}
	return r, nil
}

// add counts rows of the table as a reader has them.
func (e *events) add(rec arrow.RecordBatch) error {
	var ints [3]*array.Int64
	for i := range ints {
		c, ok := rec.Column(i).(*array.Int64)
		if !ok {
			return fmt.Errorf("column %s is %s", rec.ColumnName(i), rec.Column(i).DataType())
		}
		ints[i] = c
	}
	amount, balance := rec.Column(3).(*array.Decimal128), rec.Column(4).(*array.Decimal128)
	bookedAt, day := rec.Column(9).(*array.Timestamp), rec.Column(10).(*array.Date32)
	for i := range int(rec.NumRows()) {
		r := entry{id: ints[0].Value(i), account: ints[2].Value(i), bookedAt: int64(bookedAt.Value(i)), day: int64(day.Value(i)),
			amount: cents64(amount.Value(i)), balance: cents64(balance.Value(i))}
		for c := 5; c <= 8; c++ {
			if rec.Column(c).IsValid(i) {
				r.texts += int64(len(rec.Column(c).ValueStr(i)))
				if c == 8 {
					r.memos++
				}
			}
		}
		e.count(&r, 1)
	}
	return nil
}

func cents64(d decimal128.Num) int64 { return int64(d.LowBits()) }
