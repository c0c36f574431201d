package ledgergen_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/internal/ledgergen"
	"github.com/millrace/millrace/sdk/change"
)

func bank(t testing.TB, cfg ledgergen.Config) (*ledgergen.Bank, *ledgergen.Encoder) {
	t.Helper()
	b, err := ledgergen.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ledgergen.NewEncoder(b.Config())
	if err != nil {
		t.Fatal(err)
	}
	return b, e
}

func TestBooksCloseAfterEveryTransaction(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		b, _ := bank(t, ledgergen.Config{Seed: seed, Accounts: 40, Days: 12})
		truth := ledgergen.NewTruth()
		ops := map[change.Op]int{}
		for tx := range b.Transactions() {
			truth.Apply(tx)
			if err := truth.Check(); err != nil {
				t.Fatalf("seed %d, transaction %d: %v", seed, tx.ID, err)
			}
			byTx := map[string]int64{}
			for _, ev := range tx.Events {
				ops[ev.Op]++
				if n, ok := ev.After.(*ledgergen.Entry); ok {
					byTx[fmt.Sprint(n.TransactionID, n.Currency)] += n.Amount
				}
			}
			for k, v := range byTx {
				if v != 0 {
					t.Fatalf("entries of transaction %s sum to %d", k, v)
				}
			}
		}
		if ops[change.Create] == 0 || ops[change.Update] == 0 || ops[change.Delete] == 0 {
			t.Fatalf("seed %d: operations %v: one is missing", seed, ops)
		}
	}
}

func digest(t *testing.T, cfg ledgergen.Config) (string, map[ledgergen.MessageKind]int) {
	b, e := bank(t, cfg)
	h := sha256.New()
	kinds := map[ledgergen.MessageKind]int{}
	for tx := range b.Transactions() {
		for m := range e.Messages(tx) {
			kinds[m.Kind]++
			fmt.Fprintf(h, "%s %s %s\n", m.Topic, m.Key, m.Value)
			if m.Value != nil && m.Kind != ledgergen.Malformed && !json.Valid(m.Value) {
				t.Fatalf("not JSON: %s", m.Value)
			}
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)), kinds
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	cfg := ledgergen.Config{Seed: 7, Accounts: 200, Days: 20}
	a, kinds := digest(t, cfg)
	b, _ := digest(t, cfg)
	if a != b {
		t.Fatal("two runs of one seed differ")
	}
	cfg.Seed = 8
	if c, _ := digest(t, cfg); c == a {
		t.Fatal("two seeds give the same bytes")
	}
	for _, k := range []ledgergen.MessageKind{ledgergen.Tombstone, ledgergen.Heartbeat, ledgergen.Duplicate, ledgergen.Malformed} {
		if kinds[k] == 0 {
			t.Errorf("no message of kind %d in %v", k, kinds)
		}
	}
}

func TestInlineSchemaWraps(t *testing.T) {
	t.Parallel()
	b, e := bank(t, ledgergen.Config{Accounts: 3, Days: 2, InlineSchema: true, Clean: true})
	for tx := range b.Transactions() {
		for m := range e.Messages(tx) {
			if m.Kind != ledgergen.Data {
				continue
			}
			var v struct {
				Schema  struct{ Fields []struct{ Field string } }
				Payload struct{ Op string }
			}
			if err := json.Unmarshal(m.Value, &v); err != nil || v.Payload.Op == "" || len(v.Schema.Fields) == 0 {
				t.Fatalf("%v in %s", err, m.Value)
			}
		}
	}
}

func TestStatementCountsWhatItPlants(t *testing.T) {
	t.Parallel()
	b, _ := bank(t, ledgergen.Config{Accounts: 500, Days: 20})
	truth := ledgergen.NewTruth()
	for tx := range b.Transactions() {
		truth.Apply(tx)
	}
	var out bytes.Buffer
	p, err := ledgergen.WriteStatement(&out, truth, 1)
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n") - 1; lines != p.Lines {
		t.Fatalf("%d lines, %d counted", lines, p.Lines)
	}
	if p.Amount == 0 || p.Duplicate == 0 || p.MissingInLedger == 0 || p.MissingOnPaper == 0 || p.Timing == 0 || p.Tolerated == 0 {
		t.Fatalf("a class is missing: %+v", p)
	}
}

func TestBadConfigIsAUsersMistake(t *testing.T) {
	t.Parallel()
	if _, err := ledgergen.New(ledgergen.Config{Accounts: 1}); err == nil {
		t.Fatal("a bank of one account was accepted")
	}
}

func BenchmarkMessages(b *testing.B) {
	bk, e := bank(b, ledgergen.Config{Accounts: 1000, Days: 100000})
	var bytes, n int64
	for tx := range bk.Transactions() {
		for m := range e.Messages(tx) {
			bytes += int64(len(m.Value))
			n++
		}
		if !b.Loop() {
			break
		}
	}
	b.ReportMetric(float64(bytes)/float64(n), "bytes/message")
}
