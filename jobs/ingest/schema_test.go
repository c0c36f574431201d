package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/connectors/localio"
	"github.com/millrace/millrace/jobs/ingest"
	"github.com/millrace/millrace/jobs/ingest/ingesttest"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/source/debezium"
	"github.com/millrace/millrace/sdk/storage"
)

// items is a stream of one table, without a transaction topic: id bigint, price decimal(9,2), name text null.
type items struct {
	t     *testing.T
	o     ingest.Options
	kafka *kgo.Client
	sent  int
}

func newItems(t *testing.T, evolve debezium.Evolve) *items {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "shop.items"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s := &items{t: t}
	if s.kafka, err = kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("shop.items")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kafka.Close)
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "price", Type: &arrow.Decimal128Type{Precision: 9, Scale: 2}},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	quiet := slog.New(slog.DiscardHandler)
	src, err := kafkaio.Open(t.Context(), kafkaio.Options{Brokers: cluster.ListenAddrs(), Stream: "shop", Logger: quiet, Topics: []kafkaio.Topic{
		{Name: "shop.items", Table: "items", Config: debezium.Config{Schema: schema, Key: []string{"id"}, Evolve: evolve}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	dir := t.TempDir()
	lake, err := catalog.Open(t.Context(), catalog.Config{Catalog: "sqlite://" + dir + "/catalog.db", Warehouse: "file://" + dir + "/w",
		Storage: storage.Resolver{"file": localio.Opener(localio.Options{})}.Open, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lake.Close() })
	s.o = ingest.Options{Lake: lake, Source: src, Run: inProcess, Namespace: "shop", UntilCaughtUp: true, Logger: quiet,
		Limits: source.Limits{MaxWait: 20 * time.Millisecond},
		Tables: []ingest.Table{{Name: "items", Schema: schema, Key: []string{"id"}, Mirror: true, History: true}}}
	return s
}

// send sends rows as creates; each is the inside of a JSON object.
func (s *items) send(rows ...string) {
	s.t.Helper()
	for _, r := range rows {
		s.sent++
		value := fmt.Sprintf(`{"before":null,"after":{%s},"source":{"ts_ms":%d,"lsn":%d},"op":"c","ts_ms":%[2]d}`, r, s.sent, s.sent)
		if err := s.kafka.ProduceSync(context.Background(), kgo.StringRecord(value)).FirstErr(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// rows are the mirror's rows, as text in the order of ids.
func (s *items) rows() string {
	s.t.Helper()
	tab, err := s.o.Lake.Table(s.t.Context(), "shop.items")
	if err != nil {
		s.t.Fatal(err)
	}
	schema, err := tab.Schema()
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, f := range schema.Fields() {
		names = append(names, f.Name)
	}
	cut, err := s.o.Lake.At(s.t.Context(), catalog.At{})
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[string]string{}
	err = ingesttest.Scan(s.t.Context(), s.o.Lake, cut, "shop.items", names, func(rec arrow.RecordBatch) error {
		for i := range int(rec.NumRows()) {
			var line []string
			for c := range names {
				line = append(line, names[c]+"="+rec.Column(c).ValueStr(i))
			}
			found[rec.Column(0).ValueStr(i)] = strings.Join(line, " ")
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for i := range 10 {
		if l := found[fmt.Sprint(i)]; l != "" {
			out = append(out, l)
		}
	}
	return strings.Join(out, "; ")
}

// TestSchemaPolicies changes the source's schema in mid-stream: what the table holds then, or what the message says. What came before is
// in the lake in any case.
func TestSchemaPolicies(t *testing.T) {
	t.Parallel()
	const first = `"id":1,"price":"1.00","name":"a"`
	for _, c := range []struct {
		name   string
		evolve debezium.Evolve
		then   string
		rows   string   // the mirror's rows at the end
		says   []string // of the error; nil: there is none
	}{
		{"added, evolve", debezium.EvolveAdd, `"id":2,"price":"2.00","name":"b","colour":"red"`, "id=1 price=1 name=a colour=(null); id=2 price=2 name=b colour=red", nil},
		{"added, ignore", debezium.EvolveIgnore, `"id":2,"price":"2.00","name":"b","colour":"red"`, "id=1 price=1 name=a; id=2 price=2 name=b", nil},
		{"added, fail", debezium.EvolveFail, `"id":2,"price":"2.00","name":"b","colour":"red"`, "id=1 price=1 name=a", []string{"table items", "colour", "utf8"}},
		{"nullable dropped, evolve", debezium.EvolveAdd, `"id":2,"price":"2.00"`, "id=1 price=1 name=a; id=2 price=2 name=(null)", nil},
		{"nullable dropped, ignore", debezium.EvolveIgnore, `"id":2,"price":"2.00"`, "id=1 price=1 name=a; id=2 price=2 name=(null)", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newItems(t, c.evolve)
			s.send(first, c.then)
			rep, err := ingest.Run(t.Context(), s.o)
			if c.says == nil && err != nil {
				t.Fatalf("%+v %v", rep, err)
			}
			if c.says != nil && !errors.Is(err, debezium.ErrSchemaChange) {
				t.Fatalf("%+v %v, want a change of the schema", rep, err)
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if got := s.rows(); got != c.rows {
				t.Errorf("rows\n%s, want\n%s", got, c.rows)
			}
		})
	}
}

// TestTypeChange: values of another type than the column's are told with the column; with inline schemas, with both types.
func TestTypeChange(t *testing.T) {
	t.Parallel()
	for _, evolve := range []debezium.Evolve{debezium.EvolveAdd, debezium.EvolveIgnore, debezium.EvolveFail} {
		t.Run(fmt.Sprint("policy ", evolve), func(t *testing.T) {
			t.Parallel()
			s := newItems(t, evolve)
			s.send(`"id":1,"price":"1.00","name":"a"`)
			s.inline(2, `{"type":"boolean","optional":false,"field":"price"}`, `true`)
			_, err := ingest.Run(t.Context(), s.o)
			if !errors.Is(err, debezium.ErrSchemaChange) || !strings.Contains(err.Error(), "table items: the source's schema changed: column price was decimal(9, 2) and is now bool") {
				t.Errorf("error %v, want column, old and new type", err)
			}
			if got, want := s.rows(), "id=1 price=1 name=a"; got != want {
				t.Errorf("rows %s, want %s", got, want)
			}
		})
	}
}

// inline sends a row with Debezium's inline schema, in which price has the given one.
func (s *items) inline(id int, priceSchema, price string) {
	s.t.Helper()
	s.sent++
	row := `"type":"struct","optional":true,"fields":[{"type":"int64","optional":false,"field":"id"},` + priceSchema + `,{"type":"string","optional":true,"field":"name"}]`
	value := fmt.Sprintf(`{"schema":{"type":"struct","fields":[{%s,"field":"before"},{%[1]s,"field":"after"},{"type":"struct","optional":false,"field":"source","fields":[{"type":"int64","field":"ts_ms","optional":false},{"type":"int64","field":"lsn","optional":true}]},`+
		`{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"}],"optional":false,"name":"shop.items.Envelope"},`+
		`"payload":{"before":null,"after":{"id":%d,"price":%s,"name":"x"},"source":{"ts_ms":%d,"lsn":%d},"op":"c","ts_ms":%[4]d}}`, row, id, price, s.sent, s.sent)
	if err := s.kafka.ProduceSync(context.Background(), kgo.StringRecord(value)).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}
