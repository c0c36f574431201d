package kafkaio

import (
	"regexp"
	"testing"

	"github.com/millrace/millrace/sdk/source/debezium"
)

// TestTopics: which topics are followed, as which tables, and what they are called in markers.
func TestTopics(t *testing.T) {
	t.Parallel()
	byServer := Options{Server: "bank", TransactionTopic: "bank.transaction", HeartbeatTopic: "__debezium-heartbeat.bank"}
	narrow := byServer
	narrow.Match = regexp.MustCompile(`^bank\.ledger\.`)
	narrow.Configure = func(_, table string) (debezium.Config, bool) { return debezium.Config{}, table != "audit" }
	listed := Options{Topics: []Topic{{Name: "core.entries"}, {Name: "bank.ledger.accounts", Table: "acc", Collection: "ledger.accounts"}}}
	for i := range listed.Topics {
		listed.Topics[i].complete()
	}
	for _, c := range []struct {
		name, topic string
		o           Options
		table       string // "": not followed
	}{
		{"a table", "bank.ledger.entries", byServer, "entries"},
		{"another server's", "banking.ledger.entries", byServer, ""},
		{"the transaction topic", "bank.transaction", byServer, ""},
		{"more parts", "bank.ledger.entries.dlq", byServer, ""},
		{"heartbeats", "__debezium-heartbeat.bank", byServer, ""},
		{"matched", "bank.ledger.entries", narrow, "entries"},
		{"not matched", "bank.audit.log", narrow, ""},
		{"left out", "bank.ledger.audit", narrow, ""},
		{"listed", "core.entries", listed, "entries"},
		{"listed with a name", "bank.ledger.accounts", listed, "acc"},
		{"not listed", "bank.ledger.entries", listed, ""},
	} {
		got, ok := c.o.topic(c.topic)
		if ok != (c.table != "") || got.Table != c.table {
			t.Errorf("%s: topic %s is table %q, %v, want %q", c.name, c.topic, got.Table, ok, c.table)
		}
	}
	for _, c := range []struct {
		name, collection string
		o                Options
		want             string // "": not followed
	}{
		{"PostgreSQL's", "ledger.entries", byServer, "ledger.entries"},
		{"SQL Server's", "db.ledger.entries", byServer, "ledger.entries"},
		{"not followed", "audit.log", narrow, ""},
		{"listed", "ledger.accounts", listed, "ledger.accounts"},
		{"listed, with its database", "db.ledger.accounts", listed, "ledger.accounts"},
		{"not listed", "ledger.cards", listed, ""},
	} {
		if got, ok := c.o.collection(c.collection); ok != (c.want != "") || got != c.want {
			t.Errorf("%s: collection %s is %q, %v, want %q", c.name, c.collection, got, ok, c.want)
		}
	}
}

// FuzzSplitShard: whatever the name, a shard that is taken apart is put together again.
func FuzzSplitShard(f *testing.F) {
	for _, s := range []string{"", "a", "a/0", "a/b/12", "a/-1", "a/007", "/3", "a/99999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		topic, partition, ok := splitShard(name)
		if !ok {
			return
		}
		if again, p, ok := splitShard(shardName(topic, partition)); !ok || again != topic || p != partition {
			t.Errorf("%q became %q and %d, then %q and %d", name, topic, partition, again, p)
		}
	})
}
