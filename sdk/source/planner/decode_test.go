package planner

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/millrace/millrace/sdk/source/cut"
	"github.com/millrace/millrace/sdk/source/debezium"
)

// TestKey: which place in commit order events of different connectors have.
func TestKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, source string
		want         cut.Key
	}{
		{"PostgreSQL", `"connector":"postgresql","sequence":"[\"100\",\"130\"]","lsn":130`, cut.Key{Commit: 100, LSN: 130, Order: 2}},
		{"PostgreSQL before any commit", `"connector":"postgresql","sequence":"[null,\"130\"]","lsn":130`, cut.Key{Commit: 1, LSN: 130, Order: 2}},
		{"PostgreSQL that does not tell commits", `"connector":"postgresql","lsn":130`, cut.Key{}},
		{"MySQL", `"connector":"mysql","file":"bin.000003","pos":77`, cut.Key{LSN: 3<<40 | 77, Order: 2}},
		{"MariaDB", `"connector":"mariadb","file":"bin.000003","pos":77`, cut.Key{LSN: 3<<40 | 77, Order: 2}},
		{"another, whose LSNs may not follow commits", `"connector":"oracle","scn":"130"`, cut.Key{}},
		{"a sequence that is no list of numbers", `"connector":"postgresql","sequence":"[\"x\"]","lsn":130`, cut.Key{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, err := newShardDecoder(debezium.Config{Table: "t"})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 { // the first event teaches what the others use
				value := fmt.Sprintf(`{"before":null,"after":{"id":1,"pad":"%0*d"},"source":{"ts_ms":5,%s},"op":"c","transaction":{"id":"7","total_order":2,"data_collection_order":1}}`, 1+100*i, 0, c.source)
				m, err := d.decode(&Record{Offset: int64(i), Value: []byte(value)})
				if err != nil || m.err != nil {
					t.Fatal(err, m.err)
				}
				if m.ev.Key != c.want {
					t.Errorf("event %d: key %+v, want %+v", i, m.ev.Key, c.want)
				}
			}
		})
	}
}

// TestMalformedKey: a malformed first message does not decide how the shard's log is ordered.
func TestMalformedKey(t *testing.T) {
	t.Parallel()
	d, err := newShardDecoder(debezium.Config{Table: "t", Key: []string{"id"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range []string{
		`{"op":"c","source":{"lsn":1,"ts_ms":1}}`,
		`{"after":{"id":1},"source":{"connector":"postgresql","sequence":"[\"5\",\"6\"]","lsn":6},"op":"c"}`,
	} {
		m, err := d.decode(&Record{Offset: int64(i), Value: []byte(value)})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && (m.err == nil || m.ev.Key != cut.Key{}) || i == 1 && m.ev.Key.Commit != 5 {
			t.Errorf("message %d: %+v", i, m)
		}
	}
}

// FuzzPreviousCommit: whatever the message, and whatever the one before it was, the number is that of
// the JSON text, if that has one sequence.
func FuzzPreviousCommit(f *testing.F) {
	f.Add(`{"source":{"sequence":"[\"12\",\"13\"]","lsn":13}}`, `{"source":{"sequence":"[\"1200000\",\"13\"]","lsn":13},"transaction":null}`)
	f.Add(`{"source":{"sequence":"[null,\"13\"]"}}`, `{"after":{"sequence":"[\"9\"]"},"source":{"sequence":"[\"12\",\"13\"]"}}`)
	f.Add(`{}`, `{"source":{"sequence":"[\"99999999999999999999\",\"1\"]"}}`)
	f.Fuzz(func(t *testing.T, first, second string) {
		d := &shardDecoder{log: orderSequence}
		d.previousCommit([]byte(first))
		got, ok := d.previousCommit([]byte(second))
		fresh := &shardDecoder{log: orderSequence}
		if want, wantOK := fresh.previousCommit([]byte(second)); strings.Count(second, string(sequenceName)) <= 1 && (got != want || ok != wantOK) {
			t.Fatalf("%q after %q: %d, %v; alone %d, %v", second, first, got, ok, want, wantOK)
		}
		var msg struct {
			Source struct {
				Sequence string `json:"sequence"`
			} `json:"source"`
		}
		var pair []*string
		if !ok || strings.Count(second, "sequence") != 1 || json.Unmarshal([]byte(second), &msg) != nil ||
			json.Unmarshal([]byte(msg.Source.Sequence), &pair) != nil || len(pair) == 0 {
			return // the text says nothing else
		}
		want := "1" // before any commit
		if pair[0] != nil {
			want = strings.TrimLeft(*pair[0], "0")
		}
		if strconv.FormatInt(got, 10) != want && !(got == 0 && want == "") {
			t.Fatalf("%q: %d, the text says %s", second, got, want)
		}
	})
}

// TestHeartbeatTime: the stream's time stamp counts, else the value's.
func TestHeartbeatTime(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int64{
		`{"ts_ms":5}`:                         5000,
		`{"schema":{},"payload":{"ts_ms":7}}`: 7000,
		`broken`:                              0,
	} {
		if got := (&Record{Value: []byte(value)}).sent(); got != want {
			t.Errorf("%s: %d, want %d", value, got, want)
		}
	}
	if got := (&Record{At: 3, Value: []byte(`{"ts_ms":5}`)}).sent(); got != 3 {
		t.Errorf("with a time stamp: %d, want 3", got)
	}
}
