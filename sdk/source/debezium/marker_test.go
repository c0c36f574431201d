package debezium

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseTx(t *testing.T) {
	t.Parallel()
	const end = `{"status":"END","id":"571:53195832","event_count":3,"data_collections":[{"data_collection":"s1.a","event_count":1},{"data_collection":"s2.a","event_count":2}],"ts_ms":1486500577691}`
	want := TxMarker{End: true, ID: "571:53195832", EventCount: 3, At: 1486500577691, Collections: []CollectionCount{{"s1.a", 1}, {"s2.a", 2}}}
	for _, c := range []struct {
		value string
		want  TxMarker
		err   string
	}{
		{end, want, ""},
		{`{"schema":{"type":"struct"},"payload":` + end + `}`, want, ""},
		{`{"status":"BEGIN","id":"7","event_count":null,"data_collections":null}`, TxMarker{ID: "7"}, ""},
		{`{"status":"END","id":"7","event_count":0}`, TxMarker{End: true, ID: "7"}, ""},
		{`{"status":"END","id":"7"}`, TxMarker{}, "without event_count"},
		{`{"status":"END","id":"7","event_count":-1}`, TxMarker{}, "without event_count"},
		{`{"status":"OTHER","id":"7"}`, TxMarker{}, `"OTHER" is neither BEGIN nor END`},
		{`{"status":"END","event_count":0}`, TxMarker{}, "no id"},
		{`{"status":"END","id":"7","event_count":3,"data_collections":[{"data_collection":"a","event_count":1}]}`, TxMarker{}, "event_count 3, but its tables have 1"},
		{`{"status":`, TxMarker{}, "decode transaction marker"},
		{`null`, TxMarker{}, "no id"},
	} {
		got, err := ParseTx([]byte(c.value))
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v %v, want %+v %q", c.value, got, err, c.want, c.err)
		}
	}
}

func TestIsHeartbeat(t *testing.T) {
	t.Parallel()
	for topic, want := range map[string]bool{"__debezium-heartbeat.bank": true, "bank.ledger.entries": false, "bank.transaction": false} {
		if IsHeartbeat(topic) != want {
			t.Error(topic)
		}
	}
}

func FuzzParseTx(f *testing.F) {
	f.Add([]byte(`{"status":"END","id":"7","event_count":1,"data_collections":[{"data_collection":"a","event_count":1}]}`))
	f.Add([]byte(`{"payload":{"status":"BEGIN","id":"7"}}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		m, err := ParseTx(value)
		if err == nil && (m.ID == "" || !m.End && (m.EventCount != 0 || m.Collections != nil) || m.EventCount < 0) {
			t.Errorf("%q: %+v", value, m)
		}
	})
}
