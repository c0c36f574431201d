package debezium_test

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/source/debezium"
)

// Two events of one table become one batch of columns.
func ExampleDecoder() {
	d, err := debezium.New(debezium.Config{
		Table: "entries",
		Key:   []string{"entry_id"},
		Schema: arrow.NewSchema([]arrow.Field{
			{Name: "entry_id", Type: arrow.PrimitiveTypes.Int64},
			{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
		}, nil),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for offset, value := range []string{
		`{"before":null,"after":{"entry_id":1,"amount":"-25.10"},"source":{"lsn":80},"transaction":{"id":"571:80","total_order":1,"data_collection_order":1},"op":"c"}`,
		`{"before":null,"after":{"entry_id":2,"amount":"25.10"},"source":{"lsn":84},"transaction":{"id":"571:80","total_order":2,"data_collection_order":2},"op":"c"}`,
	} {
		if _, err := d.Append(int64(offset), nil, []byte(value)); err != nil {
			fmt.Println(err)
		}
	}
	batches, err := d.Flush("ledger-0")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, b := range batches {
		fmt.Println(b.Table, b.Rows(), b.Tx, b.LSN)
		fmt.Println(b.Row.Column(1))
		b.Release()
	}
	// Output:
	// entries 2 [571:80 571:80] [80 84]
	// [-25.1 25.1]
}

// A message that cannot be decoded says why, and still which transaction it is of.
func ExampleDecodeError() {
	d, err := debezium.New(debezium.Config{Schema: arrow.NewSchema([]arrow.Field{
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
	}, nil)})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := d.Append(0, nil, []byte(`{"after":{"amount":"12.345"},"transaction":{"id":"571:80","total_order":1},"op":"c"}`))
	var refused *debezium.DecodeError
	if errors.As(err, &refused) {
		fmt.Println(refused.Column, refused.Byte, refused.Msg)
	}
	fmt.Println(m.Tx, d.Rows())
	// Output:
	// amount 19 more digits than the column's scale
	// 571:80 0
}

// The transaction topic tells how many events a transaction has, by table.
func ExampleParseTx() {
	m, err := debezium.ParseTx([]byte(`{"status":"END","id":"571:80","event_count":2,"data_collections":[{"data_collection":"ledger.entries","event_count":2}]}`))
	fmt.Println(m.ID, m.End, m.EventCount, m.Collections, err)
	// Output:
	// 571:80 true 2 [{ledger.entries 2}] <nil>
}
