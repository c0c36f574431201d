package mt940

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/sdk/statement"
)

// fullSubfield is how many characters a subfield of a :86: holds; text that fills it goes on in the next.
const fullSubfield = 27

// inform adds what a :86: says to an entry.
func inform(e *statement.Entry, value []byte) {
	if sep, at := separator(value); sep != 0 {
		if at == 3 {
			e.Code += "/" + string(value[:3])
		}
		subfields(e, bytes.ReplaceAll(value[at:], []byte("\n"), nil), sep)
		return
	}
	if len(value) > 0 && value[0] == '/' {
		joined := string(bytes.ReplaceAll(value, []byte("\n"), nil))
		if slashed(e, joined) {
			return
		}
	}
	var text strings.Builder
	for line := range bytes.SplitSeq(value, []byte("\n")) {
		appendText(&text, string(bytes.TrimSpace(line)))
	}
	addText(&e.Remittance, text.String())
}

// separator is the character before the subfields of a structured :86:, and where the first stands; 0 for other forms.
func separator(value []byte) (sep byte, at int) {
	if len(value) >= 3 && digits(value[:3]) {
		at = 3
	}
	if len(value) < at+3 || !digits(value[at+1:at+3]) {
		return 0, 0
	}
	switch c := value[at]; {
	case c == '/' && at == 0, c == ' ', c == '\n', c == ',', c == '.', c == '-', c == ':', c == '+':
		return 0, 0
	case digit(c), c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= 0x80, c < ' ':
		return 0, 0
	default:
		return c, at
	}
}

// subfields reads ?00 to ?63. text begins with a separator.
func subfields(e *statement.Entry, text []byte, sep byte) {
	var remittance, name words
	for len(text) >= 3 {
		code := number(text[1:3])
		end := 3
		for end < len(text) && (text[end] != sep || end+2 >= len(text) || !digits(text[end+1:end+3])) {
			end++
		}
		value := string(text[3:end])
		text = text[end:]
		switch {
		case code == 0:
			addText(&e.Info, strings.TrimSpace(value))
		case code >= 20 && code <= 29, code >= 60 && code <= 63:
			remittance.add(value)
		case code == 31:
			e.CounterpartyAccount = strings.ReplaceAll(value, " ", "")
		case code == 32, code == 33:
			name.add(value)
		}
	}
	e.Counterparty = strings.TrimSpace(name.String())
	sepa(e, remittance.String())
}

// words joins subfields.
type words struct {
	strings.Builder
	open bool // the last one was not full
}

func (w *words) add(text string) {
	if w.open && w.Len() > 0 && text != "" {
		w.WriteByte(' ')
	}
	w.WriteString(text)
	w.open = utf8.RuneCountInString(text) < fullSubfield
}

// sepaWords begin the parts of a remittance.
var sepaWords = []string{"EREF+", "KREF+", "MREF+", "CRED+", "DEBT+", "COAM+", "OAMT+", "SVWZ+", "ABWA+", "ABWE+", "PURP+"}

// sepa tells the SEPA words of a remittance apart from the text.
func sepa(e *statement.Entry, text string) {
	free, word := "", ""
	for text != "" {
		next, at := nextWord(text)
		part := text
		if at >= 0 {
			part, text = text[:at], text[at+len(next):]
		} else {
			text = ""
		}
		sepaPart(e, word, strings.TrimSpace(part), &free)
		word = next
	}
	addText(&e.Remittance, free)
}

// nextWord finds the first SEPA word that begins a text or follows a blank.
func nextWord(text string) (word string, at int) {
	at = -1
	for _, w := range sepaWords {
		from := 0
		for {
			i := strings.Index(text[from:], w)
			if i < 0 || at >= 0 && from+i > at {
				break
			}
			if i += from; i == 0 || text[i-1] == ' ' {
				word, at = w, i
				break
			}
			from = i + 1
		}
	}
	return word, at
}

func sepaPart(e *statement.Entry, word, part string, free *string) {
	switch word {
	case "EREF+":
		e.EndToEndID = reference([]byte(part))
	case "KREF+":
		if e.CustomerRef == "" {
			e.CustomerRef = reference([]byte(part))
		}
	case "MREF+":
		e.MandateID = reference([]byte(part))
	case "", "SVWZ+":
		addText(free, part)
	}
}

// slashWords begin the parts of a :86: between slashes.
var slashWords = map[string]bool{
	"ACCW": true, "ADDR": true, "BENM": true, "BIC": true, "BUSP": true, "CHGS": true, "CNTP": true, "CSID": true, "EREF": true,
	"EXCH": true, "IBAN": true, "ID": true, "ISDT": true, "MARF": true, "NAME": true, "NRTX": true, "OAMT": true, "OCMT": true, "ORDP": true, "PREF": true,
	"PURP": true, "REMI": true, "RTRN": true, "RTYP": true, "SVCL": true, "TRCD": true, "TRTP": true, "ULTB": true, "ULTC": true, "ULTD": true,
}

// slashed reads /WORD/value/WORD/value; false if the text does not begin with a word.
func slashed(e *statement.Entry, text string) bool {
	word, rest, ok := slashWord(text)
	if !ok {
		return false
	}
	for ok {
		end := 0
		next, after, found := "", "", false
		for end < len(rest) {
			if rest[end] == '/' {
				if next, after, found = slashWord(rest[end:]); found {
					break
				}
			}
			end++
		}
		slashPart(e, word, rest[:end])
		word, rest, ok = next, after, found
	}
	return true
}

func slashWord(text string) (word, rest string, ok bool) {
	if len(text) < 4 || text[0] != '/' {
		return "", "", false
	}
	word, _, ok = strings.Cut(text[1:min(len(text), 6)], "/")
	if !ok || !slashWords[word] {
		return "", "", false
	}
	return word, text[len(word)+2:], true
}

func slashPart(e *statement.Entry, word, part string) {
	plain := strings.TrimSpace(strings.Trim(part, "/"))
	switch word {
	case "EREF":
		e.EndToEndID = reference([]byte(plain))
	case "MARF":
		e.MandateID = reference([]byte(plain))
	case "NAME":
		e.Counterparty = plain
	case "IBAN":
		e.CounterpartyAccount = strings.ReplaceAll(plain, " ", "")
	case "TRTP":
		addText(&e.Info, plain)
	case "CNTP":
		parts := strings.Split(part, "/")
		e.CounterpartyAccount = strings.ReplaceAll(parts[0], " ", "")
		if len(parts) > 2 {
			e.Counterparty = strings.TrimSpace(parts[2])
		}
	case "REMI":
		plain = strings.TrimPrefix(plain, "USTD//")
		if kind, ref, ok := strings.Cut(strings.TrimPrefix(plain, "STRD/"), "/"); ok && strings.HasPrefix(plain, "STRD/") && kind != "" {
			plain = ref
		}
		addText(&e.Remittance, plain)
	}
}

// addText appends a text, a blank before it.
func addText(to *string, text string) {
	switch {
	case text == "":
	case *to == "":
		*to = text
	default:
		*to += " " + text
	}
}

func appendText(b *strings.Builder, text string) {
	if text == "" {
		return
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(text)
}
