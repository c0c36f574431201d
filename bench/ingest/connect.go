package main

import "strings"

// connectSchema is the schema that Kafka Connect's JsonConverter sends with each message of the table by default.
func connectSchema() string {
	var row strings.Builder
	for i, f := range entrySchema.Fields() {
		if i > 0 {
			row.WriteByte(',')
		}
		kind, more := "string", ""
		switch f.Type.String() {
		case "int64":
			kind = "int64"
		case "timestamp[us, tz=UTC]":
			kind, more = "int64", `"name":"io.debezium.time.MicroTimestamp","version":1,`
		case "date32":
			kind, more = "int32", `"name":"io.debezium.time.Date","version":1,`
		}
		optional := "false"
		if f.Nullable {
			optional = "true"
		}
		row.WriteString(`{"type":"` + kind + `","optional":` + optional + `,` + more + `"field":"` + f.Name + `"}`)
	}
	var all strings.Builder
	all.WriteString(`{"type":"struct","fields":[`)
	for _, side := range []string{"before", "after"} {
		all.WriteString(`{"type":"struct","fields":[` + row.String() + `],"optional":true,"name":"bank.ledger.entries.Value","field":"` + side + `"},`)
	}
	all.WriteString(sourceSchema)
	all.WriteString(`],"optional":false,"name":"bank.ledger.entries.Envelope","version":2}`)
	return all.String()
}

const sourceSchema = `{"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},{"type":"string","optional":false,"field":"connector"},` +
	`{"type":"string","optional":false,"field":"name"},{"type":"int64","optional":false,"field":"ts_ms"},` +
	`{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"},` +
	`{"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},{"type":"int64","optional":true,"field":"ts_us"},` +
	`{"type":"string","optional":false,"field":"schema"},{"type":"string","optional":false,"field":"table"},{"type":"int64","optional":true,"field":"txId"},` +
	`{"type":"int64","optional":true,"field":"lsn"},{"type":"int64","optional":true,"field":"xmin"}],"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"},` +
	`{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,"field":"total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block","version":1,"field":"transaction"},` +
	`{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"}`
