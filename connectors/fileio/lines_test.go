package fileio

import (
	"bytes"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/storage"
	"github.com/millrace/millrace/sdk/storage/storagetest"
)

// FuzzLines: whatever the bytes, the chunk size, and the byte from which a file is read again, the
// lines are those that a plain split of the text gives, at their places.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nbb\n\nccc"), uint8(3), uint8(2))
	f.Add([]byte("\r\n \n\x00\n"), uint8(1), uint8(0))
	f.Add([]byte(""), uint8(1), uint8(9))
	f.Fuzz(func(t *testing.T, text []byte, size, from uint8) {
		store := storagetest.NewMemory("m", time.Now)
		if err := store.Put(t.Context(), "f.ndjson", text, storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		type at struct {
			offset int64
			line   string
		}
		var want, got []at
		rest := text
		for pos := 0; pos < len(text); {
			line, after, _ := bytes.Cut(rest, []byte("\n"))
			if pos >= int(from) && len(bytes.TrimSpace(line)) > 0 {
				want = append(want, at{offset(5, int64(pos)), string(bytes.TrimRight(line, "\r"))})
			}
			rest = after
			pos += len(line) + 1
		}
		l, err := openLines(t.Context(), store, "f.ndjson", 5, int64(from))
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		for !l.done() {
			records, err := l.chunk(1+int(size), true)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				got = append(got, at{r.Offset, string(r.Value)})
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%q from %d: %v, want %v", text, from, got, want)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%q from %d: %v, want %v", text, from, got, want)
			}
		}
	})
}

// FuzzParseAnchor: no text makes it panic, and what it takes it gives back.
func FuzzParseAnchor(f *testing.F) {
	for _, s := range []string{"", "0 0 a", "12 1795560392274466 in/a b.ndjson", "-1 0 a", "1 x a", "99999999999 1 a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAnchor(s)
		if err != nil {
			return
		}
		if back, err := parseAnchor(a.String()); err != nil || back != a {
			t.Errorf("%q became %v, then %v, %v", s, a, back, err)
		}
	})
}
