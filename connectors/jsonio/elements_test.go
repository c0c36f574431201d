package jsonio

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/millrace/millrace/sdk/files"
)

// allElements are the texts of an array's elements.
func allElements(data []byte) ([][]byte, error) {
	e := &elements{in: bufio.NewReader(bytes.NewReader(data)), max: 1 << 20}
	var all [][]byte
	for {
		rec, err := e.next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, bytes.Clone(rec.raw))
	}
}

func TestElements(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`[]`, ` [ ] `, `[{"a":[1,{"b":"]"}]},{}]`, "[\n{\"a\":\"\\\"\"}\n,\n1 , true,null,\"x\"]\n"} {
		checkElements(t, []byte(text))
	}
	for _, text := range []string{`[`, `[1`, `[1,`, `[1 2]`, `[}]`, `[{}]]`, `[{"a":1]`} {
		if all, err := allElements([]byte(text)); !errors.Is(err, files.ErrCorrupt) {
			t.Errorf("%s: %q, %v, want ErrCorrupt", text, all, err)
		}
	}
}
