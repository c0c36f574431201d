package jsonio

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkRecord compares what we make of a record with encoding/json.
func checkRecord(t *testing.T, data []byte) {
	t.Helper()
	var d decoder
	got := map[string]string{}
	order := 0
	err := d.record(data, func(m member) error {
		order++
		value := string(m.raw)
		if m.token == tString {
			text, err := d.unescape(m.raw)
			if err != nil {
				return err
			}
			value = string(text)
		}
		got[string(m.key)] = value
		return nil
	})
	var want map[string]json.RawMessage
	stdErr := json.Unmarshal(data, &want)
	if err == nil && stdErr != nil {
		t.Fatalf("%q is read as %v; encoding/json says %v", data, got, stdErr)
	}
	if err != nil {
		if stdErr == nil && want != nil && utf8.Valid(data) && !strings.Contains(err.Error(), "surrogate") && !strings.Contains(err.Error(), "deeper") {
			t.Fatalf("%q: %v; encoding/json reads it", data, err)
		}
		return
	}
	if len(got) != len(want) {
		t.Fatalf("%q: %d keys %v, want %d", data, len(got), got, len(want))
	}
	for key, raw := range want {
		expect := string(raw)
		var text string
		if raw[0] == '"' {
			if err := json.Unmarshal(raw, &text); err != nil {
				t.Fatal(err)
			}
			expect = text
		}
		if got[key] != expect {
			t.Fatalf("%q: %q is %q, want %q", data, key, got[key], expect)
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1,"b":-0.5e+10,"c":"x","d":true,"e":null,"f":[1,{"g":[]}],"h":{"i":"j"}}`, ` { "a" : "\u00e9\ud83d\ude00\n\"\\\/" } `,
		`{"a":"\ud800"}`, `{"a":01}`, `{"a":1.}`, `{"a":+1}`, `{"a":"x`, `{"a":1}x`, `{"a":1,}`, `{,}`, `[]`, `null`, `{"\u0061":1}`, "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}", `{"a":"\`, `{"a":tru}`,
		strings.Repeat(`{"a":`, 600) + "1" + strings.Repeat("}", 600),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(checkRecord)
}

// FuzzFile reads any bytes as a file, whole: nothing panics and every byte sequence ends.
func FuzzElements(f *testing.F) {
	for _, seed := range []string{`[]`, `[{"a":1},{"a":"]}"}]`, `[1, "x,]" ,true]`, `[{]`, `[,]`, `[{} {}]`, `[{}`, `[{}]x`, `["\"`, `[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkElements(t, append([]byte("["), data...))
	})
}

func checkElements(t *testing.T, data []byte) {
	t.Helper()
	got, err := allElements(data)
	var want []json.RawMessage
	if stdErr := json.Unmarshal(data, &want); stdErr != nil {
		return // we may tell elements apart and find them bad later
	}
	if err != nil {
		t.Fatalf("%q: %v; encoding/json reads it", data, err)
	}
	if len(got) != len(want) {
		t.Fatalf("%q: %d elements %q, want %d", data, len(got), got, len(want))
	}
	for i := range got {
		if !bytes.Equal(bytes.TrimSpace(got[i]), want[i]) {
			t.Fatalf("%q: element %d is %q, want %q", data, i, got[i], want[i])
		}
	}
}
