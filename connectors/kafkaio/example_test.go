package kafkaio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/millrace/millrace/connectors/kafkaio"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/source"
)

// printer shows what a split holds.
type printer struct{}

func (printer) Batch(_ context.Context, b *source.Batch) error {
	defer b.Release()
	for i := range b.Rows() {
		fmt.Println(b.Table, b.Ops[i], "transaction", b.Tx[i], b.Row.Column(0).ValueStr(i))
	}
	return nil
}

func (printer) Reject(_ context.Context, r source.Rejected) error {
	fmt.Println("rejected:", r.Reason)
	return nil
}

// A transfer's two entries come as one epoch; the transfer after it, whose END has not been sent, does not come yet.
func Example() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "bank.ledger.entries", "bank.transaction"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	entry := func(id int, tx string, n int) *kgo.Record {
		return &kgo.Record{Topic: "bank.ledger.entries", Value: fmt.Appendf(nil, `{"before":null,"after":{"entry_id":%d},`+
			`"source":{"connector":"postgresql","lsn":%d,"ts_ms":1},"transaction":{"id":"%s","total_order":%d,"data_collection_order":%d},"op":"c"}`, id, id, tx, n, n)}
	}
	marker := func(text string) *kgo.Record { return &kgo.Record{Topic: "bank.transaction", Value: []byte(text)} }
	connector, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer connector.Close()
	if err := connector.ProduceSync(ctx,
		marker(`{"status":"BEGIN","id":"571:100","event_count":null,"data_collections":null,"ts_ms":1}`),
		entry(1, "571:100", 1), entry(2, "571:100", 2),
		marker(`{"status":"END","id":"571:100","event_count":2,"data_collections":[{"data_collection":"ledger.entries","event_count":2}],"ts_ms":1}`),
		marker(`{"status":"BEGIN","id":"572:110","event_count":null,"data_collections":null,"ts_ms":2}`),
		entry(3, "572:110", 1),
	).FirstErr(); err != nil {
		fmt.Println(err)
		return
	}

	src, err := kafkaio.Open(ctx, kafkaio.Options{Brokers: cluster.ListenAddrs(), Server: "bank", TransactionTopic: "bank.transaction"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer src.Close()
	epoch, err := src.Plan(ctx, change.Position{}, source.Limits{MaxWait: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, split := range epoch.Splits {
		if err := src.Read(ctx, split, printer{}); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("next:", epoch.To.Next["bank.ledger.entries/0"])
	// Output:
	// entries c transaction 571:100 1
	// entries c transaction 571:100 2
	// next: 2
}
