package demo

import (
	"fmt"
	"strings"

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
`, endpoint, broker, cfg.Server, cfg.TransactionTopic(), cfg.HeartbeatTopic())
	b.WriteString(ledgergen.ProjectTables(map[string][]string{
		ledgergen.Entries:      {"append_only: true", "buckets: 4", "bucket_by: account_id", "sort_by: [account_id, booked_at]"},
		ledgergen.Transactions: {"append_only: true"},
	}))
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
