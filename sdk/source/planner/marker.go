package planner

import (
	"bytes"
	"encoding/json"

	"github.com/millrace/millrace/sdk/source/debezium"
)

// markerScanner reads the markers of the transaction topic in the form in which
// Debezium writes them, without an allocation for most. What has any other form is left to
// debezium.ParseTx. There are two markers to a transaction, so they cost as much as its events.
type markerScanner struct {
	last        string // the id of the marker before: BEGIN and END follow each other
	collections []debezium.CollectionCount
	names       map[string]string
	schema      []byte // what comes before the payload
}

// marker is ok only where debezium.ParseTx says the same. Its Collections are valid until the next call.
func (s *markerScanner) marker(b []byte) (m debezium.TxMarker, ok bool) {
	if n := len(s.schema); n > 0 && bytes.HasPrefix(b, s.schema) && b[len(b)-1] == '}' {
		b = b[n : len(b)-1]
	}
	p := scan{b: b}
	p.lit(`{"status":"`)
	switch {
	case p.has(`BEGIN`):
	case p.has(`END`):
		m.End = true
	default:
		return m, false
	}
	p.lit(`","id":"`)
	m.ID = s.id(p.text())
	p.lit(`","event_count":`)
	if m.End {
		m.EventCount = p.number()
		p.lit(`,"data_collections":[`)
		m.Collections = s.list(&p)
	} else {
		p.lit(`null,"data_collections":null`)
	}
	p.lit(`,"ts_ms":`)
	m.At = p.number()
	p.lit(`}`)
	if p.bad || len(p.b) > 0 || m.ID == "" {
		return m, false
	}
	if m.End {
		var sum int64
		for _, c := range m.Collections {
			sum += c.EventCount
		}
		ok = len(m.Collections) == 0 || sum == m.EventCount
		return m, ok
	}
	return m, true
}

// learn notes the inline schema of a marker that debezium.ParseTx has read: the
// same bytes before another payload mean the same.
func (s *markerScanner) learn(b []byte) {
	const payload = `,"payload":`
	if at := bytes.Index(b, []byte(payload+`{"status":"`)); at > 0 && json.Valid(append(bytes.Clone(b[:at]), '}')) {
		s.schema = bytes.Clone(b[:at+len(payload)])
	}
}

// list reads the collections up to and with the closing bracket.
func (s *markerScanner) list(p *scan) []debezium.CollectionCount {
	s.collections = s.collections[:0]
	for first := true; !p.bad && !p.has(`]`); first = false {
		if !first {
			p.lit(`,`)
		}
		p.lit(`{"data_collection":"`)
		name := s.name(p.text())
		p.lit(`","event_count":`)
		n := p.number()
		p.lit(`}`)
		s.collections = append(s.collections, debezium.CollectionCount{Collection: name, EventCount: n})
	}
	return s.collections
}

// id makes an id a string, once for BEGIN and END.
func (s *markerScanner) id(b []byte) string {
	if string(b) != s.last {
		s.last = string(b)
	}
	return s.last
}

// name makes a collection's name a string, once for all.
func (s *markerScanner) name(b []byte) string {
	if n, ok := s.names[string(b)]; ok {
		return n
	}
	if s.names == nil || len(s.names) > 10_000 {
		s.names = map[string]string{}
	}
	s.names[string(b)] = string(b)
	return s.names[string(b)]
}

// scan is a cursor over a text of a known form. Once something differs it is bad.
type scan struct {
	b   []byte
	bad bool
}

// has skips a text if it comes next.
func (p *scan) has(text string) bool {
	if len(p.b) < len(text) || string(p.b[:len(text)]) != text {
		return false
	}
	p.b = p.b[len(text):]
	return true
}

// lit skips a text that must come next.
func (p *scan) lit(text string) { p.bad = !p.has(text) || p.bad }

// text is what comes before the next quote, if it is plain ASCII without escapes.
func (p *scan) text() []byte {
	for i, c := range p.b {
		if c == '"' {
			t := p.b[:i]
			p.b = p.b[i:]
			return t
		}
		if c < 0x20 || c >= 0x7f || c == '\\' {
			break
		}
	}
	p.bad = true
	return nil
}

// number reads up to 18 digits without a leading zero.
func (p *scan) number() (n int64) {
	i := 0
	for i < len(p.b) && i < 19 && p.b[i]-'0' <= 9 {
		n = n*10 + int64(p.b[i]-'0')
		i++
	}
	if i == 0 || i == 19 || p.b[0] == '0' && i > 1 {
		p.bad = true
		return 0
	}
	p.b = p.b[i:]
	return n
}
