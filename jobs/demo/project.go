package demo

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/internal/ledgergen"
)

// projectFile is the project that the demo's ingest runs with.
func projectFile(broker, endpoint string, cfg ledgergen.Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# The project that the demo's ingest ran with. Its Kafka ended with the demo.
name: demo
lake:
  catalog: sqlite://catalog.db
  warehouse: s3://lake/warehouse
  s3: {endpoint: %q, access_key: "${MILLRACE_S3_ACCESS_KEY}", secret_key: "${MILLRACE_S3_SECRET_KEY}"}
source:
  kafka:
    brokers: [%q]
    prefix: %s
    schema: ledger
    transaction_topic: %s
    heartbeat_topic: %s
ingest:
  epoch: {max_wait: 500ms}
  tables:
`, endpoint, broker, cfg.Server, cfg.TransactionTopic(), cfg.HeartbeatTopic())
	for _, t := range ledgergen.TableNames() {
		fmt.Fprintf(&b, "    %s:\n      key: [%s]\n      columns:\n", t, ledgergen.Key(t))
		for _, f := range ledgergen.Schema(t).Fields() {
			null := ""
			if f.Nullable {
				null = " null"
			}
			fmt.Fprintf(&b, "        - %s %s%s\n", f.Name, typeText(f.Type), null)
		}
		switch t {
		case ledgergen.Entries:
			b.WriteString("      append_only: true\n      buckets: 4\n      bucket_by: account_id\n      sort_by: [account_id, booked_at]\n")
		case ledgergen.Transactions:
			b.WriteString("      append_only: true\n")
		}
	}
	b.WriteString(nightly)
	return b.String()
}

// nightly are the sections of the verbs that a night runs.
const nightly = `reconcile:
  statement: # card payments against what the card scheme says
    file: ` + statementName + `
    table: ledger.entries
    lookup: {table: ledger.transactions, on: [transaction_id], columns: [reference]}
    where: channel = 'card' and amount < 0
    key: [reference]
    date: value_date
    columns: {value_date: settled_on} # as the file names it
    tolerance: "0.01"
    days: 3
    show: [account_id, booked_at]
    show_file: [account_id]
  balances: {stated: {}} # accounts' balances against their entries, by day
  source: true # the stream, read again, against the lake
`

func typeText(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.Decimal128Type:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case *arrow.TimestampType:
		return "timestamp"
	}
	switch t.ID() {
	case arrow.DATE32:
		return "date"
	case arrow.INT64:
		return "bigint"
	case arrow.INT32:
		return "int"
	}
	return "text"
}
