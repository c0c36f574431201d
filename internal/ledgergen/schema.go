package ledgergen

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// column describes one column for both the Connect schema and Arrow.
type column struct {
	name     string
	connect  string // Connect type: int32, int64, string, or decimal
	semantic string // Debezium's logical name
	scale    int32
	optional bool
	arrow    arrow.DataType
}

var (
	micros = arrow.DataType(&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"})
	cents  = arrow.DataType(&arrow.Decimal128Type{Precision: 18, Scale: 2})
)

func integer(n string) column {
	return column{name: n, connect: "int64", arrow: arrow.PrimitiveTypes.Int64}
}
func str(n string) column { return column{name: n, connect: "string", arrow: arrow.BinaryTypes.String} }
func amount(n string) column {
	return column{name: n, connect: "decimal", scale: 2, arrow: cents}
}
func instant(n string) column {
	return column{name: n, connect: "int64", semantic: "io.debezium.time.MicroTimestamp", arrow: micros}
}
func date(n string) column {
	return column{name: n, connect: "int32", semantic: "io.debezium.time.Date", arrow: arrow.FixedWidthTypes.Date32}
}
func null(c column) column { c.optional = true; return c }

// columnsOf lists a table's columns in the order of its JSON.
func columnsOf(table string) []column {
	switch table {
	case Customers:
		return []column{integer("customer_id"), str("name"), str("segment"), str("city"), date("birth_date"), instant("created_at")}
	case Accounts:
		return []column{integer("account_id"), null(integer("customer_id")), str("type"), str("currency"), amount("balance"), str("status"), instant("opened_at"), instant("updated_at"), integer("version")}
	case Loans:
		return []column{integer("loan_id"), integer("account_id"), amount("principal"), amount("outstanding"),
			{name: "rate", connect: "decimal", scale: 6, arrow: &arrow.Decimal128Type{Precision: 9, Scale: 6}},
			{name: "term_months", connect: "int32", arrow: arrow.PrimitiveTypes.Int32}, date("granted_on"), str("status"), str("currency")}
	case Cards:
		return []column{integer("card_id"), integer("account_id"), str("type"), str("status"), str("last_digits"), date("issued_on")}
	case Transactions:
		return []column{integer("transaction_id"), str("kind"), str("channel"), str("reference"), str("description"), instant("booked_at"), date("value_date")}
	default:
		return []column{integer("entry_id"), integer("transaction_id"), integer("account_id"), amount("amount"), str("currency"), str("channel"), instant("booked_at"), date("value_date"), null(str("memo")), null(str("merchant_category"))}
	}
}

// Schema is a table's Arrow schema as the stream begins: entries lack the column that appears in mid-stream.
func Schema(table string) *arrow.Schema { return schemaOf(columnsOf(table), table == Entries) }

// FinalSchema is a table's Arrow schema when the stream ends.
func FinalSchema(table string) *arrow.Schema { return schemaOf(columnsOf(table), false) }

func schemaOf(cols []column, dropLast bool) *arrow.Schema {
	if dropLast {
		cols = cols[:len(cols)-1]
	}
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = arrow.Field{Name: c.name, Type: c.arrow, Nullable: c.optional}
	}
	return arrow.NewSchema(fields, nil)
}

// Key is the primary key column of a table.
func Key(table string) string { return keyColumn(table) }

func wrap(schema string, payload []byte) []byte {
	b := make([]byte, 0, len(schema)+len(payload)+24)
	b = append(b, `{"schema":`...)
	b = append(b, schema...)
	b = append(b, `,"payload":`...)
	b = append(b, payload...)
	return append(b, '}')
}

func keySchema(table string) string {
	return `{"type":"struct","fields":[{"type":"int64","optional":false,"field":"` + keyColumn(table) + `"}],"optional":false,"name":"bank.ledger.` + table + `.Key"}`
}

// valueSchema is the Connect schema of a table's envelope.
func (e *Encoder) valueSchema(ev Event) string {
	cols := columnsOf(ev.Table)
	if r, ok := ev.Row().(*Entry); ok && !r.HasCategory {
		cols = cols[:len(cols)-1]
	}
	name := e.cfg.Topic(ev.Table)
	var s strings.Builder
	s.WriteString(`{"type":"struct","fields":[`)
	for _, side := range []string{"before", "after"} {
		s.WriteString(`{"type":"struct","fields":[`)
		for i, c := range cols {
			if i > 0 {
				s.WriteByte(',')
			}
			c.writeConnect(&s)
		}
		s.WriteString(`],"optional":true,"name":"` + name + `.Value","field":"` + side + `"},`)
	}
	s.WriteString(sourceSchema)
	s.WriteString(`],"optional":false,"name":"` + name + `.Envelope","version":2}`)
	return s.String()
}

func (c column) writeConnect(s *strings.Builder) {
	opt := "false"
	if c.optional {
		opt = "true"
	}
	if c.connect == "decimal" {
		digits := string(rune('0' + c.scale))
		s.WriteString(`{"type":"bytes","optional":` + opt + `,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"` + digits + `","connect.decimal.precision":"18"},"field":"` + c.name + `"}`)
		return
	}
	s.WriteString(`{"type":"` + c.connect + `","optional":` + opt)
	if c.semantic != "" {
		s.WriteString(`,"name":"` + c.semantic + `","version":1`)
	}
	s.WriteString(`,"field":"` + c.name + `"}`)
}

const sourceSchema = `{"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},{"type":"string","optional":false,"field":"connector"},{"type":"string","optional":false,"field":"name"},{"type":"int64","optional":false,"field":"ts_ms"},{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"},{"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"},{"type":"string","optional":false,"field":"schema"},{"type":"string","optional":false,"field":"table"},{"type":"int64","optional":true,"field":"txId"},{"type":"int64","optional":true,"field":"lsn"},{"type":"int64","optional":true,"field":"xmin"}],"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"},{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,"field":"total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block","version":1,"field":"transaction"},{"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"},{"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"}`
