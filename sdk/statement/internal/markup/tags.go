package markup

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// beginTag reads <name …> or <name …/>.
func (s *Scanner) beginTag(tok Token) (Token, error) {
	n, err := s.tagEnd()
	if err != nil {
		return tok, err
	}
	s.fixed = append(s.fixed[:0], s.buf[s.pos+1:s.pos+n]...)
	body := s.fixed
	if empty := len(body) > 0 && body[len(body)-1] == '/'; empty {
		body, s.closes = body[:len(body)-1], true
	}
	i := bytes.IndexAny(body, " \t\r\n")
	name := body
	if i >= 0 {
		name, tok.Attrs = body[:i], body[i:]
	}
	if !isName(name) {
		return tok, s.fail("<%s is no tag", short(name))
	}
	tok.Kind, tok.Name = Begin, local(name)
	if !s.sgml {
		if err := s.push(name); err != nil {
			return tok, err
		}
	}
	s.began = true
	s.pass(n + 1)
	return tok, nil
}

// tagEnd finds the > that ends a tag, which may stand in a quoted value before.
func (s *Scanner) tagEnd() (int, error) {
	quote, i := byte(0), 1
	for {
		held := s.buf[s.pos:]
		for ; i < len(held); i++ {
			switch c := held[i]; {
			case i > s.max:
				return 0, s.fail("a text or a tag of more than %d bytes", s.max)
			case quote != 0:
				if c == quote {
					quote = 0
				}
			case c == '>':
				return i, nil
			case c == '<':
				return 0, s.fail("a < within a tag")
			case (c == '"' || c == '\'') && !s.sgml:
				quote = c
			}
		}
		if !s.more() {
			if s.err != nil {
				return 0, s.err
			}
			return 0, s.fail("the file ends within a tag")
		}
	}
}

// push opens an element.
func (s *Scanner) push(name []byte) error {
	switch {
	case len(s.ends) == 0 && s.began:
		return s.fail("a second element <%s> behind the first", short(name))
	case len(s.ends) >= maxDepth:
		return s.fail("elements nest deeper than %d", maxDepth)
	}
	s.ends = append(s.ends, len(s.open))
	s.open = append(s.open, name...)
	return nil
}

// endTag reads </name>.
func (s *Scanner) endTag(tok Token) (Token, error) {
	n, err := s.tagEnd()
	if err != nil {
		return tok, err
	}
	name := bytes.TrimRight(s.buf[s.pos+2:s.pos+n], " \t\r\n")
	tok.Kind = End
	if s.sgml {
		s.fixed = append(s.fixed[:0], name...)
		tok.Name = local(s.fixed)
		s.pass(n + 1)
		return tok, nil
	}
	if len(s.ends) == 0 {
		return tok, s.fail("</%s> ends nothing", short(name))
	}
	if open := s.open[s.ends[len(s.ends)-1]:]; !bytes.Equal(open, name) {
		return tok, s.fail("</%s> where </%s> should be", short(name), short(open))
	}
	s.pass(n + 1)
	return s.closed(tok)
}

// closed ends the innermost element.
func (s *Scanner) closed(tok Token) (Token, error) {
	if s.sgml {
		tok.Name = local(bytes.TrimRight(s.fixed, "/"))
		if i := bytes.IndexAny(tok.Name, " \t\r\n"); i >= 0 {
			tok.Name = tok.Name[:i]
		}
		return tok, nil
	}
	last := s.ends[len(s.ends)-1]
	s.fixed = append(s.fixed[:0], s.open[last:]...)
	tok.Name = local(s.fixed)
	s.open, s.ends = s.open[:last], s.ends[:len(s.ends)-1]
	return tok, nil
}

// content reads the text up to the next tag; false where there is none but blanks.
func (s *Scanner) content(tok *Token) (bool, error) {
	s.text = s.text[:0]
	placed := false
	for {
		n, err := s.find("<")
		if err != nil {
			return false, err
		}
		if n < 0 {
			n = len(s.buf) - s.pos
		}
		raw := s.buf[s.pos : s.pos+n]
		if lead := len(raw) - len(bytes.TrimLeft(raw, " \t\r\n")); !placed && lead < n {
			s.pass(lead)
			tok.Line, tok.Offset, placed = s.line, s.offset, true
			n, raw = n-lead, raw[lead:]
		}
		if err := s.characters(raw); err != nil {
			return false, err
		}
		s.pass(n)
		if !s.starts("<![CDATA[") {
			break
		}
		if !placed {
			tok.Line, tok.Offset, placed = s.line, s.offset, true
		}
		if err := s.cdata(); err != nil {
			return false, err
		}
	}
	tok.Text = bytes.TrimSpace(s.text)
	if len(tok.Text) > 0 && !s.sgml && len(s.ends) == 0 {
		return false, &Error{tok.Line, tok.Offset, "a text outside of any element"}
	}
	return len(tok.Text) > 0, nil
}

func (s *Scanner) cdata() error {
	s.pass(len("<![CDATA["))
	n, err := s.find("]]>")
	if err != nil {
		return err
	}
	if n < 0 {
		return s.fail("the file ends within CDATA")
	}
	if s.text, err = s.src.Charset().Append(s.text, s.buf[s.pos:s.pos+n]); err != nil {
		return s.fail("%v", err)
	}
	s.pass(n + 3)
	return s.room()
}

func (s *Scanner) room() error {
	if len(s.text) > s.max {
		return s.fail("a text or a tag of more than %d bytes", s.max)
	}
	return nil
}

// characters appends a text, its references replaced.
func (s *Scanner) characters(raw []byte) (err error) {
	for {
		i := bytes.IndexByte(raw, '&')
		if i < 0 {
			if s.text, err = s.src.Charset().Append(s.text, raw); err != nil {
				return s.fail("%v", err)
			}
			return s.room()
		}
		if s.text, err = s.src.Charset().Append(s.text, raw[:i]); err != nil {
			return s.fail("%v", err)
		}
		raw = raw[i:]
		end := bytes.IndexByte(raw[:min(len(raw), 12)], ';')
		ok := false
		if end > 0 {
			s.text, ok = reference(s.text, string(raw[1:end]))
		}
		switch {
		case ok:
			raw = raw[end+1:]
		case s.sgml:
			s.text = append(s.text, '&')
			raw = raw[1:]
		default:
			return s.fail("%q is no reference to a character", short(raw))
		}
	}
}

var references = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

// reference appends the character that a reference names.
func reference(dst []byte, name string) ([]byte, bool) {
	if r, ok := references[name]; ok {
		return utf8.AppendRune(dst, r), true
	}
	if name == "nbsp" {
		return append(dst, ' '), true
	}
	if len(name) < 2 || name[0] != '#' {
		return dst, false
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' || digits[0] == 'X' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n == 0 || n < 0x20 && n != '\t' && n != '\n' && n != '\r' || !utf8.ValidRune(rune(n)) {
		return dst, false
	}
	return utf8.AppendRune(dst, rune(n)), true
}

func isName(name []byte) bool {
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '.' && c != '-' && c != ':') {
			return false
		}
	}
	return len(name) > 0
}

// local is a name without its prefix.
func local(name []byte) []byte {
	if i := bytes.LastIndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}

func short(raw []byte) []byte { return bytes.ToValidUTF8(raw[:min(len(raw), 40)], nil) }
