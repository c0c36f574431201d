package book

import (
	"io"

	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/text"
)

// Open checks the options, begins the book of a file and opens its characters. Its errors are those of every NewDecoder: a fault.Usage for options that
// cannot be, and an error of r.
func Open(format statement.Format, r io.Reader, opts statement.Options) (*Book, *text.Source, error) {
	if err := opts.Validate(); err != nil {
		return nil, nil, err
	}
	b := New(format, opts)
	src, err := text.Open(r, string(opts.Encoding))
	if err != nil {
		return nil, nil, b.Failed(Place{Line: 1}, err)
	}
	return b, src, nil
}

// Entries steps through a file until an entry is filled. The first error is the last word: it comes again on every call.
type Entries struct{ err error }

// Next calls step until it is done, which is when it has filled e.
func (n *Entries) Next(e *statement.Entry, step func(*statement.Entry) (done bool, err error)) error {
	for n.err == nil {
		var done bool
		if done, n.err = step(e); done && n.err == nil {
			return nil
		}
	}
	return n.err
}
