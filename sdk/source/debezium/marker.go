package debezium

import (
	"encoding/json"
	"fmt"
	"strings"
)

// TxMarker is a message of the transaction topic.
type TxMarker struct {
	// End is true for the END of a transaction, false for its BEGIN.
	End bool
	// ID equals Meta.Tx of the transaction's events.
	ID string
	// EventCount is the number of the transaction's events over all tables. Only an END has it.
	EventCount int64
	// Collections is EventCount by table, in the source's order. Only an END has it.
	Collections []CollectionCount
	// At is when Debezium sent the marker, in milliseconds since 1970 UTC; 0 where unknown.
	At int64
}

// CollectionCount is the number of events of one table in a transaction.
type CollectionCount struct {
	Collection string // such as inventory.public.orders, in the source's own form
	EventCount int64
}

// IsHeartbeat reports whether a topic holds Debezium's heartbeats, which tell
// progress where no event does: its name starts with the connectors' default prefix.
func IsHeartbeat(topic string) bool { return strings.HasPrefix(topic, "__debezium-heartbeat") }

// ParseTx reads a value of the transaction topic, with or without inline schema.
// Unlike events it goes through encoding/json: there are two to a transaction.
func ParseTx(value []byte) (TxMarker, error) {
	type payload struct {
		Status      string `json:"status"`
		ID          string `json:"id"`
		EventCount  *int64 `json:"event_count"`
		At          int64  `json:"ts_ms"`
		Collections []struct {
			Collection string `json:"data_collection"`
			EventCount int64  `json:"event_count"`
		} `json:"data_collections"`
	}
	var wrapped struct {
		Payload *payload `json:"payload"`
	}
	var p payload
	if err := json.Unmarshal(value, &wrapped); err != nil {
		return TxMarker{}, fmt.Errorf("decode transaction marker: %w", err)
	}
	if wrapped.Payload != nil {
		p = *wrapped.Payload
	} else if err := json.Unmarshal(value, &p); err != nil {
		return TxMarker{}, fmt.Errorf("decode transaction marker: %w", err)
	}
	m := TxMarker{ID: p.ID, At: p.At, End: p.Status == "END"}
	switch {
	case p.ID == "":
		return TxMarker{}, fmt.Errorf("decode transaction marker: no id")
	case !m.End && p.Status != "BEGIN":
		return TxMarker{}, fmt.Errorf("decode transaction marker %s: status %q is neither BEGIN nor END", p.ID, p.Status)
	case !m.End:
		return m, nil
	case p.EventCount == nil || *p.EventCount < 0:
		return TxMarker{}, fmt.Errorf("decode transaction marker %s: an END without event_count", p.ID)
	}
	m.EventCount = *p.EventCount
	var sum int64
	for _, c := range p.Collections {
		m.Collections = append(m.Collections, CollectionCount(c))
		sum += c.EventCount
	}
	if len(m.Collections) > 0 && sum != m.EventCount {
		return TxMarker{}, fmt.Errorf("decode transaction marker %s: event_count %d, but its tables have %d", p.ID, m.EventCount, sum)
	}
	return m, nil
}
