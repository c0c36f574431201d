package files

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

type gotLine struct {
	Text   string
	Offset int64
	Long   bool
}

func allLines(t testing.TB, r io.Reader, at int64, max int) []gotLine {
	t.Helper()
	l := NewLines(r, at, max)
	var all []gotLine
	for {
		off := l.Offset()
		text, long, err := l.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, gotLine{string(text), off, long})
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	got := allLines(t, strings.NewReader("a\r\n\nlonger than five\nend"), 100, 6)
	want := []gotLine{{"a", 100, false}, {"", 103, false}, {"longer", 104, true}, {"end", 121, false}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	l := NewLines(iotest.ErrReader(errors.New("broken")), 0, 0)
	if _, _, err := l.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a broken stream: %v", err)
	}
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{"", "\n", "a\nb", "a\r\n\r\n", "0123456789\nx", "0123456\n", "012345\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 7
		got := allLines(t, bytes.NewReader(data), 0, most)
		if slow := allLines(t, iotest.OneByteReader(bytes.NewReader(data)), 0, most); !reflect.DeepEqual(got, slow) {
			t.Fatalf("at once %+v, byte by byte %+v", got, slow)
		}
		var want []gotLine
		off := int64(0)
		for line := range bytes.Lines(data) {
			text := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
			w := gotLine{string(text), off, len(line) > most}
			if w.Long {
				w.Text = w.Text[:min(len(w.Text), most)]
			}
			want = append(want, w)
			off += int64(len(line))
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}
