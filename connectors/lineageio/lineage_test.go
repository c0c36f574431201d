package lineageio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/sdk/fault"
)

const runID = "0196a1b2-0000-7000-8000-000000000001"

var noon = time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)

func events() []Event {
	rows, size := int64(7), int64(140)
	in := Dataset{Namespace: "file", Name: "bank.csv", Fields: []Field{{"amount", "decimal"}, {Name: "ref"}}, Rows: &rows, Bytes: &size,
		Assertions: []Assertion{{"readable", true, ""}, {"positive", false, "amount"}}}
	out := Dataset{Namespace: "file", Name: "night/breaks.csv", Rows: &rows}
	return []Event{
		{Moment: Start, Time: noon, RunID: runID, Job: "cards", Inputs: []Dataset{{Namespace: "file", Name: "bank.csv"}}},
		{Moment: Complete, Time: noon, RunID: runID, Job: "cards", Namespace: "books", Nominal: noon, Outcome: map[string]string{"verdict": "fail"}, Inputs: []Dataset{in}, Outputs: []Dataset{out}},
		{Moment: Fail, Time: noon, RunID: runID, Job: "cards", Error: "bank.csv:3: no amount"},
	}
}

func TestEventsKeepTheSpecification(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/openlineage-2-0-2.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	v := validator{defs: schema["$defs"].(map[string]any)}
	for _, e := range events() {
		line, err := e.JSON("millrace")
		if err != nil || bytes.ContainsRune(line, '\n') {
			t.Fatalf("%s, %v", line, err)
		}
		var event map[string]any
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range v.check("", schema, event) {
			t.Errorf("%s: %s", e.Moment, wrong)
		}
		// The validator is not blind.
		delete(event["run"].(map[string]any), "runId")
		event["eventTime"] = "noon"
		if wrong := v.check("", schema, event); len(wrong) != 2 {
			t.Errorf("a broken event passes: %q", wrong)
		}
	}
}

// validator checks the part of JSON Schema that the specification's text needs.
type validator struct{ defs map[string]any }

func (v validator) check(path string, schema map[string]any, value any) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, path+": "+fmt.Sprintf(format, args...)) }
	if ref, ok := schema["$ref"].(string); ok {
		wrong = append(wrong, v.check(path, v.defs[ref].(map[string]any), value)...)
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, value) {
		say("%v is none of %v", value, enum)
	}
	kinds := map[string]bool{"string": is[string](value), "object": is[map[string]any](value), "array": is[[]any](value), "boolean": is[bool](value)}
	if n, ok := value.(float64); ok {
		kinds["integer"] = n == float64(int64(n))
	}
	if kind, ok := schema["type"].(string); ok && !kinds[kind] {
		say("%v is no %s", value, kind)
		return wrong
	}
	if format, ok := schema["format"].(string); ok {
		text, err := value.(string), error(nil)
		switch format {
		case "date-time":
			_, err = time.Parse(time.RFC3339Nano, text)
		case "uri":
			var u *url.URL
			if u, err = url.Parse(text); err == nil && !u.IsAbs() {
				err = errors.New("not absolute")
			}
		case "uuid":
			_, err = uuid.Parse(text)
		}
		if err != nil {
			say("%q is no %s: %v", text, format, err)
		}
	}
	required, _ := schema["required"].([]any)
	properties, _ := schema["properties"].(map[string]any)
	switch value := value.(type) {
	case map[string]any:
		for _, r := range required {
			if _, ok := value[r.(string)]; !ok {
				say("lacks %s", r)
			}
		}
		for name, x := range value {
			if s, ok := properties[name].(map[string]any); ok {
				wrong = append(wrong, v.check(path+"."+name, s, x)...)
			} else if s, ok := schema["additionalProperties"].(map[string]any); ok {
				wrong = append(wrong, v.check(path+"."+name, s, x)...)
			}
		}
	case []any:
		if s, ok := schema["items"].(map[string]any); ok {
			for i, x := range value {
				wrong = append(wrong, v.check(fmt.Sprintf("%s[%d]", path, i), s, x)...)
			}
		}
	}
	return wrong
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

func TestEmitByHTTP(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/base/api/v1/lineage" || r.Header.Get("Authorization") != "Bearer k3y" || !json.Valid(body) {
			t.Errorf("%s %s %v", r.URL, body, err)
		}
		if n.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer server.Close()
	e, err := New(Config{URL: server.URL + "/base", APIKey: "k3y"})
	if err != nil {
		t.Fatal(err)
	}
	e.pause = time.Millisecond
	if err := e.Emit(t.Context(), events()[1]); err != nil || n.Load() != 2 {
		t.Fatalf("%d attempts, %v", n.Load(), err)
	}
}

func TestEmitFailures(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]fault.Kind{401: fault.Fault, 302: fault.Fault, 503: fault.Retryable} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		e, err := New(Config{URL: server.URL, APIKey: "k3y"})
		if err != nil {
			t.Fatal(err)
		}
		e.pause = time.Millisecond
		err = e.Emit(t.Context(), events()[0])
		if err == nil || fault.Of(err) != kind || !strings.Contains(err.Error(), fmt.Sprint("answered ", status)) || strings.Contains(err.Error(), "k3y") {
			t.Errorf("%d: %v", status, err)
		}
		server.Close()
		if err := e.Emit(t.Context(), events()[0]); !fault.IsRetryable(err) {
			t.Errorf("a dead port: %v", err)
		}
	}
	for _, c := range []Config{{}, {URL: "http://h", File: "f"}, {URL: "h:5000"}} {
		if _, err := New(c); fault.Of(err) != fault.Usage || err == nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestFromEnv(t *testing.T) {
	t.Parallel()
	env := map[string]string{"OPENLINEAGE_URL": "http://marquez:5000", "OPENLINEAGE_NAMESPACE": "books", "OPENLINEAGE_API_KEY": "k"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	c := FromEnv(lookup)
	if c == nil || c.URL != "http://marquez:5000" || c.Namespace != "books" || c.APIKey != "k" || c.Endpoint != "api/v1/lineage" {
		t.Errorf("%+v", c)
	}
	env["OPENLINEAGE_DISABLED"] = "TRUE"
	if FromEnv(lookup) != nil || FromEnv(func(string) (string, bool) { return "", false }) != nil {
		t.Error("lineage that is off is sent")
	}
}

func TestEmitToAFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "lineage.ndjson")
	e, err := New(Config{File: file})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events() {
		if err := e.Emit(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if lines := strings.Split(strings.TrimSpace(string(data)), "\n"); err != nil || len(lines) != 3 || !strings.Contains(lines[2], `"eventType":"FAIL"`) {
		t.Errorf("%s, %v", data, err)
	}
}

func Example() {
	rows := int64(3)
	e := Event{Moment: Complete, Time: noon, RunID: runID, Job: "cards", Outputs: []Dataset{{Namespace: "file", Name: "breaks.csv", Rows: &rows}}}
	line, err := e.JSON("books")
	fmt.Println(len(line) > 0, err)
	// Output: true <nil>
}
