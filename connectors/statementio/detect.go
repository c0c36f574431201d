package statementio

import (
	"bytes"

	"github.com/millrace/millrace/sdk/statement"
)

// Detect tells a file's format by its first bytes, in any encoding; "" where they are of none that is known.
func Detect(head []byte) statement.Format {
	head = bytes.ReplaceAll(head, []byte{0}, nil) // UTF-16, of which only the ASCII characters matter here
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		head = bytes.TrimPrefix(head, []byte(mark))
	}
	head = bytes.TrimLeft(head, " \t\r\n\x01")
	switch {
	case len(head) == 0:
		return ""
	case head[0] == '<':
		return markup(head)
	case bytes.HasPrefix(head, []byte("OFXHEADER")):
		return statement.OFX
	case bytes.HasPrefix(head, []byte("01,")):
		return statement.BAI2
	case len(head) >= 37 && bytes.HasPrefix(head, []byte("101")) && string(head[34:37]) == "094", bytes.HasPrefix(head, []byte("101 ")):
		return statement.NACHA
	case bytes.HasPrefix(head, []byte("{1:")), bytes.HasPrefix(head, []byte("{2:")), bytes.HasPrefix(head, []byte("{4:")),
		bytes.HasPrefix(head, []byte(":20:")), bytes.Contains(head, []byte("\n:20:")), bytes.Contains(head, []byte("\r:20:")):
		return statement.MT940
	}
	return ""
}

// markup tells XML and SGML apart by the elements at their beginning.
func markup(head []byte) statement.Format {
	upper := bytes.ToUpper(head)
	switch {
	case bytes.Contains(upper, []byte("<?OFX")), bytes.Contains(upper, []byte("<OFX>")), bytes.Contains(upper, []byte("<OFX ")):
		return statement.OFX
	case bytes.Contains(head, []byte("camt.05")), bytes.Contains(head, []byte("BkToCstmr")), bytes.Contains(head, []byte("Document")):
		return statement.CAMT
	}
	return ""
}
