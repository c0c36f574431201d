package fileio_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/millrace/millrace/connectors/fileio"
	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// drop is a handler that keeps nothing.
type drop struct{}

func (drop) Batch(_ context.Context, b *source.Batch) error { b.Release(); return nil }
func (drop) Reject(context.Context, source.Rejected) error  { return nil }

// BenchmarkPlanAndRead reads the entries of a generated bank from files in memory,
// without and with the transactions' files. The figure is for each event.
func BenchmarkPlanAndRead(b *testing.B) {
	cfg := ledgergen.Config{Seed: 1, Accounts: 2000, Days: 90, Clean: true}
	bank, err := ledgergen.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	enc, err := ledgergen.NewEncoder(cfg)
	if err != nil {
		b.Fatal(err)
	}
	store := storagetest.NewMemory("bench", time.Now)
	files := map[string][]byte{}
	events, size, n := int64(0), int64(0), 0
	flush := func() {
		for topic, text := range files {
			if err := store.Put(b.Context(), fmt.Sprintf("%s/%05d.ndjson", topic, n), text, storage.PutOptions{}); err != nil {
				b.Fatal(err)
			}
			delete(files, topic)
			n++
		}
	}
	for tx := range bank.Transactions() {
		for m := range enc.Messages(tx) {
			if m.Value == nil {
				continue
			}
			if m.Kind == ledgergen.Data && m.Topic == bank.Config().Topic(ledgergen.Entries) {
				events++
				size += int64(len(m.Value))
			}
			files[m.Topic] = append(append(files[m.Topic], m.Value...), '\n')
		}
		if tx.ID%20_000 == 0 {
			flush()
		}
	}
	flush()
	for _, all := range []bool{false, true} {
		b.Run(fmt.Sprintf("all tables and markers=%v", all), func(b *testing.B) {
			o := fileio.Options{Stream: "bank", Tables: []fileio.Table{{Name: "entries", Prefix: bank.Config().Topic(ledgergen.Entries) + "/"}}}
			if all {
				o.Tables, o.Transactions = nil, bank.Config().TransactionTopic()+"/"
				for _, table := range ledgergen.TableNames() {
					o.Tables = append(o.Tables, fileio.Table{Name: table, Prefix: bank.Config().Topic(table) + "/"})
				}
			} else {
				// What is last stays open without markers: the benchmark ends before it.
				events -= 1000
			}
			b.ReportAllocs()
			total := int64(0)
			for b.Loop() {
				src, err := fileio.Open(b.Context(), store, o)
				if err != nil {
					b.Fatal(err)
				}
				var pos change.Position
				for n := int64(0); n < events; {
					e, err := src.Plan(b.Context(), pos, source.Limits{MaxEvents: 200_000, MaxWait: 10 * time.Millisecond})
					if err != nil {
						b.Fatal(err)
					}
					for _, s := range e.Splits {
						if err := src.Read(b.Context(), s, drop{}); err != nil {
							b.Fatal(err)
						}
					}
					if err := src.Confirm(b.Context(), e.To); err != nil {
						b.Fatal(err)
					}
					pos = e.To
					n += e.Counts.Events
					total += e.Counts.Events
				}
				src.Close()
			}
			b.ReportMetric(float64(total)/b.Elapsed().Seconds()/1e6, "Mevents/s")
		})
	}
	b.ReportMetric(float64(size)/float64(events), "B/event")
}
