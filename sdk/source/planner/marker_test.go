package planner

import (
	"reflect"
	"testing"

	"github.com/millrace/millrace/sdk/source/debezium"
)

var markerTexts = []string{
	`{"status":"BEGIN","id":"571:53195829","event_count":null,"data_collections":null,"ts_ms":1486500577125}`,
	`{"status":"END","id":"571:53195832","event_count":2,"data_collections":[{"data_collection":"s1.a","event_count":1},{"data_collection":"s2.a","event_count":1}],"ts_ms":1486500577691}`,
	`{"status":"END","id":"9","event_count":0,"data_collections":[],"ts_ms":0}`,
	`{"schema":{"type":"struct","name":"event"},"payload":{"status":"END","id":"571:53195832","event_count":1,"data_collections":[{"data_collection":"s1.a","event_count":1}],"ts_ms":1486500577691}}`,
}

// TestMarkerForms: Debezium's own forms take the short way, and mean the same there.
func TestMarkerForms(t *testing.T) {
	t.Parallel()
	var s markerScanner
	for _, text := range markerTexts {
		want, err := debezium.ParseTx([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s.learn([]byte(text))
		got, ok := s.marker([]byte(text))
		if !ok || !sameMarker(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", text, got, ok, want)
		}
	}
}

func sameMarker(a, b debezium.TxMarker) bool {
	if len(a.Collections) == 0 && len(b.Collections) == 0 {
		a.Collections, b.Collections = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// FuzzMarker: what the short way accepts, ParseTx accepts with the same meaning.
func FuzzMarker(f *testing.F) {
	for _, text := range append(markerTexts,
		`{"status":"END","id":"9","event_count":3,"data_collections":[{"data_collection":"a","event_count":1}],"ts_ms":0}`,
		`{"status":"BEGIN","id":"","event_count":null,"data_collections":null,"ts_ms":1}`,
		`{"status":"BEGIN","id":"\u0041","event_count":null,"data_collections":null,"ts_ms":1}`,
		`{"status":"END","id":"9","event_count":1,"data_collections":[,],"ts_ms":0}`,
		`{"status":"END","id":"9","event_count":01,"data_collections":[],"ts_ms":0}`,
	) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s markerScanner
		s.learn([]byte(markerTexts[3]))
		got, ok := s.marker(text)
		if !ok {
			return
		}
		want, err := debezium.ParseTx(text)
		if err != nil || !sameMarker(got, want) {
			t.Errorf("%q: %+v, but ParseTx says %+v, %v", text, got, want, err)
		}
	})
}
