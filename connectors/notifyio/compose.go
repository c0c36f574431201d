package notifyio

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"time"
)

// compose writes a message as RFC 5322 has it, with text and HTML beside each other. Line breaks in a subject become blanks: no text of a
// run can add a header.
func (m *Mailer) compose(msg Message) ([]byte, error) {
	var b bytes.Buffer
	var to []string
	for _, t := range m.to {
		to = append(to, t.String())
	}
	subject := strings.Join(strings.Fields(m.config.Subject+" "+msg.Subject), " ")
	id := sha256.Sum256([]byte(msg.ID + "\x00" + m.from.Address))
	_, domain, _ := strings.Cut(m.from.Address, "@")
	for _, h := range [][2]string{
		{"From", m.from.String()}, {"To", strings.Join(to, ",\r\n ")}, {"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Date", m.clock().UTC().Format(time.RFC1123Z)}, {"Message-ID", "<" + hex.EncodeToString(id[:16]) + "@" + domain + ">"},
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	parts := multipart.NewWriter(&b)
	if err := parts.SetBoundary(hex.EncodeToString(id[:])); err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "Content-Type: multipart/alternative; boundary=%s\r\n\r\n", parts.Boundary())
	for _, p := range [][2]string{{"text/plain", msg.Text}, {"text/html", msg.HTML}} {
		if p[1] == "" && p[0] == "text/html" {
			continue
		}
		w, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {p[0] + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}})
		if err != nil {
			return nil, err
		}
		q := quotedprintable.NewWriter(w)
		if _, err := q.Write([]byte(p[1])); err != nil {
			return nil, err
		}
		if err := q.Close(); err != nil {
			return nil, err
		}
	}
	if err := parts.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
