package jsonio

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// Infer guesses the schema of the files that glob matches from their first
// records, by the rules of files.Guess; a string is a text, or a date or a time.
// Columns are in the order in which their keys first come, and may all hold
// nulls. Records that are bad are passed over: they are rejected when they are
// read, as are later records with other keys, or with values that the guess cannot hold.
func Infer(ctx context.Context, store storage.Store, glob string, opts Options) (*arrow.Schema, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	guesser, err := files.NewGuesser(opts.text())
	if err != nil {
		return nil, err
	}
	infos, err := files.Match(ctx, store, glob)
	if err != nil {
		return nil, err
	}
	in := inference{guesser: guesser, flatten: opts.Flatten, left: opts.SampleRows, index: map[string]int{}}
	if in.left == 0 {
		in.left = files.DefaultSampleRows
	}
	for _, info := range infos {
		if in.left == 0 {
			break
		}
		if err := in.sample(ctx, store, info, opts); err != nil {
			return nil, fmt.Errorf("infer the schema of %s in %s: %w", info.Name, store.URL(), err)
		}
	}
	return in.schema(), nil
}

type inference struct {
	guesser *files.Guesser
	flatten bool
	left    int // records to look at; negative for all
	dec     decoder
	names   []string
	index   map[string]int
	guesses []files.Guess
}

func (in *inference) sample(ctx context.Context, store storage.Store, info storage.Info, opts Options) error {
	src, recs, err := open(ctx, store, files.Whole(info), opts)
	if err != nil {
		return err
	}
	defer src.close()
	for ; in.left != 0; in.left-- {
		rec, err := recs.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.bad != "" || in.dec.record(rec.raw, func(member) error { return nil }) != nil {
			continue
		}
		if err := in.dec.record(rec.raw, in.member); err != nil {
			return err
		}
	}
	return nil
}

func (in *inference) member(m member) error {
	if in.flatten && m.token == tObject {
		return in.dec.nested(m, in.member)
	}
	i, ok := in.index[string(m.key)]
	if !ok {
		i = len(in.names)
		in.index[string(m.key)] = i
		in.names = append(in.names, string(m.key))
		in.guesses = append(in.guesses, files.Guess{})
	}
	g := &in.guesses[i]
	switch m.token {
	case tNull:
	case tTrue, tFalse:
		in.guesser.AddBool(g)
	case tNumber:
		if !in.guesser.AddNumber(g, m.raw) {
			in.guesser.AddOther(g) // beyond any decimal
		}
	case tString:
		text, err := in.dec.unescape(m.raw)
		if err != nil {
			return err
		}
		in.guesser.AddPlainText(g, text)
	default:
		in.guesser.AddOther(g)
	}
	return nil
}

func (in *inference) schema() *arrow.Schema {
	fields := make([]arrow.Field, len(in.names))
	for i, name := range in.names {
		fields[i] = in.guesses[i].Field(name)
	}
	return arrow.NewSchema(fields, nil)
}
