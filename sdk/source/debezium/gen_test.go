package debezium

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
)

// style is how a generated connector writes its events.
type style struct {
	mysql   bool
	schemas bool // inline schemas, decimals as base64
	updates int  // of 100 events
	deletes int
}

// gen makes events of about 600 bytes (with inline schemas, 6 KB) of a ledger's entries, four to a transaction.
type gen struct {
	style
	r  *rand.Rand
	n  int64
	at int64 // microseconds
}

func newGen(st style) *gen {
	return &gen{style: st, r: rand.New(rand.NewPCG(1, 2)), at: 1700000000000000}
}

// genSchema declares the columns of the generated events.
func genSchema() *arrow.Schema {
	text := func(n string) arrow.Field { return arrow.Field{Name: n, Type: arrow.BinaryTypes.String} }
	num := func(n string) arrow.Field { return arrow.Field{Name: n, Type: arrow.PrimitiveTypes.Int64} }
	return arrow.NewSchema([]arrow.Field{
		num("entry_id"), num("transaction_id"), num("account_id"),
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 18, Scale: 2}},
		text("currency"),
		{Name: "booked_at", Type: timestampUS},
		{Name: "value_date", Type: arrow.FixedWidthTypes.Date32},
		text("channel"), text("memo"),
	}, nil)
}

var (
	currencies = []string{"EUR", "USD", "CHF", "CNY"}
	channels   = []string{"card", "transfer", "atm", "fee"}
)

func (g *gen) amount(cents int64) string {
	if g.schemas {
		return base64.StdEncoding.EncodeToString(twosComplement(big.NewInt(cents)))
	}
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

// twosComplement is Java's BigInteger.toByteArray.
func twosComplement(x *big.Int) []byte {
	size := x.BitLen()/8 + 1
	if x.Sign() < 0 {
		size = new(big.Int).Not(x).BitLen()/8 + 1
		x = new(big.Int).Add(x, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	return x.FillBytes(make([]byte, size))
}

func (g *gen) image(id int64, memo string) string {
	return fmt.Sprintf(`{"entry_id":%d,"transaction_id":%d,"account_id":%d,"amount":"%s","currency":"%s","booked_at":%d,"value_date":%d,"channel":"%s","memo":"%s"}`,
		id, id/4, g.r.IntN(200000), g.amount(int64(g.r.IntN(20000000)-10000000)), currencies[g.r.IntN(4)], g.at, g.at/dayMicros, channels[g.r.IntN(4)], memo)
}

func (g *gen) source() string {
	tx := g.n / 4
	if g.mysql {
		return fmt.Sprintf(`{"version":"3.3.0.Final","connector":"mysql","name":"bank","ts_ms":%d,"snapshot":"false","db":"ledger","sequence":null,"ts_us":%d,"ts_ns":%d,"table":"entries","server_id":223344,"gtid":"3E11FA47-71CA-11E1-9E33-C80AA9429562:%d","file":"mysql-bin.000003","pos":%d,"row":0,"thread":7,"query":null}`,
			g.at/1000, g.at, g.at*1000, tx, 300+200*g.n)
	}
	return fmt.Sprintf(`{"version":"3.3.0.Final","connector":"postgresql","name":"bank","ts_ms":%d,"snapshot":"false","db":"bank","sequence":"[\"%d\",\"%d\"]","ts_us":%d,"ts_ns":%d,"schema":"ledger","table":"entries","txId":%d,"lsn":%d,"xmin":null}`,
		g.at/1000, 24000000+100*g.n-80, 24000000+100*g.n, g.at, g.at*1000, 500+tx, 24000000+100*g.n)
}

// next returns the message key and value of the next event; they are valid for ever.
func (g *gen) next() (key, value []byte) {
	g.n++
	g.at += int64(g.r.IntN(1000))
	id := g.n
	op, before, after := "c", "null", ""
	switch k := g.r.IntN(100); {
	case k < g.updates:
		op, before, after = "u", g.image(id, "card purchase"), g.image(id, "card purchase, corrected")
	case k < g.updates+g.deletes:
		op, before, after = "d", g.image(id, "card purchase"), "null"
	default:
		after = g.image(id, "card purchase "+strconv.Itoa(g.r.IntN(1000)))
	}
	load := fmt.Sprintf(`{"before":%s,"after":%s,"source":%s,"transaction":{"id":"%d:%d","total_order":%d,"data_collection_order":%d},"op":"%s","ts_ms":%d}`,
		before, after, g.source(), 500+g.n/4, 24000000+400*(g.n/4), g.n%4+1, g.n%4+1, op, g.at/1000+50)
	key = []byte(fmt.Sprintf(`{"entry_id":%d}`, id))
	if !g.schemas {
		return key, []byte(load)
	}
	return key, []byte(`{"schema":` + genInline + `,"payload":` + load + `}`)
}

// genInline is the inline schema of the generated events, as Kafka Connect writes it.
var genInline = func() string {
	field := func(typ, name, semantic string, opt bool, more string) string {
		s := fmt.Sprintf(`{"type":"%s","optional":%v`, typ, opt)
		if semantic != "" {
			s += fmt.Sprintf(`,"name":"%s","version":1`, semantic)
		}
		return s + more + `,"field":"` + name + `"}`
	}
	row := field("int64", "entry_id", "", false, "") + "," + field("int64", "transaction_id", "", false, "") + "," + field("int64", "account_id", "", false, "") + "," +
		field("bytes", "amount", connectDecimal, false, `,"parameters":{"scale":"2","connect.decimal.precision":"18"}`) + "," + field("string", "currency", "", false, "") + "," +
		field("int64", "booked_at", "io.debezium.time.MicroTimestamp", false, "") + "," + field("int32", "value_date", "io.debezium.time.Date", false, "") + "," +
		field("string", "channel", "", false, "") + "," + field("string", "memo", "", false, "")
	image := func(name string) string {
		return `{"type":"struct","fields":[` + row + `],"optional":true,"name":"bank.ledger.entries.Value","field":"` + name + `"}`
	}
	src := ""
	for i, n := range []string{"version", "connector", "name", "ts_ms", "snapshot", "db", "sequence", "ts_us", "ts_ns", "schema", "table", "txId", "lsn", "xmin"} {
		if i > 0 {
			src += ","
		}
		typ := "string"
		if i > 6 && i != 9 && i != 10 || i == 3 {
			typ = "int64"
		}
		src += field(typ, n, "", i > 4, "")
	}
	return `{"type":"struct","fields":[` + image("before") + "," + image("after") + `,{"type":"struct","fields":[` + src + `],"optional":false,"name":"io.debezium.connector.postgresql.Source","field":"source"},` +
		`{"type":"struct","fields":[` + field("string", "id", "", false, "") + "," + field("int64", "total_order", "", false, "") + "," + field("int64", "data_collection_order", "", false, "") + `],"optional":true,"name":"event.block","version":1,"field":"transaction"},` +
		field("string", "op", "", false, "") + "," + field("int64", "ts_ms", "", true, "") + `],"optional":false,"name":"bank.ledger.entries.Envelope","version":2}`
}()
