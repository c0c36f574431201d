package ofx

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/millrace/millrace/sdk/statement/internal/text"
)

// maxHeader is how many bytes may stand before the first tag.
const maxHeader = 8 << 10

// header is what stands before the OFX element of version 1.x: KEY:VALUE lines, of which some senders leave out the breaks.
type header struct {
	version, charset, encoding string
}

// readHeader looks at the bytes before the first tag, without taking them.
func readHeader(in *bufio.Reader) (header, []byte, error) {
	var h header
	head, err := in.Peek(maxHeader)
	if err != nil && !errors.Is(err, io.EOF) {
		return h, nil, err
	}
	i := bytes.IndexByte(head, '<')
	if i < 0 {
		i = len(head)
	}
	lines := strings.NewReplacer("\r", "\n").Replace(string(head[:i]))
	h = parseHeader(lines)
	if j := bytes.Index(head[i:], []byte("<?OFX ")); j >= 0 {
		pi, _, _ := bytes.Cut(head[i+j:], []byte("?>"))
		_, rest, _ := bytes.Cut(pi, []byte(" VERSION="))
		if len(rest) > 2 {
			value, _, _ := bytes.Cut(rest[1:], rest[:1])
			h.version = string(value)
		}
	}
	return h, head[:i], nil
}

var headerKeys = []string{"OFXHEADER:", "DATA:", "VERSION:", "SECURITY:", "ENCODING:", "CHARSET:", "COMPRESSION:", "OLDFILEUID:", "NEWFILEUID:"}

// parseHeader finds the values of the keys that matter.
func parseHeader(text string) (h header) {
	value := func(key string) string {
		i := strings.Index(text, key)
		if i < 0 {
			return ""
		}
		rest := text[i+len(key):]
		for _, other := range headerKeys {
			if j := strings.Index(rest, other); j >= 0 {
				rest = rest[:j]
			}
		}
		line, _, _ := strings.Cut(strings.TrimLeft(rest, " "), "\n")
		return strings.TrimSpace(line)
	}
	return header{value("VERSION:"), value("CHARSET:"), value("ENCODING:")}
}

// of is the charset of a file with this header.
func (h header) of() text.Charset {
	if h.encoding == "UTF-8" || h.encoding == "UNICODE" {
		return text.Guess
	}
	c, _ := text.CharsetOf(h.charset)
	return c
}
