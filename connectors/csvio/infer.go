package csvio

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
// records, by the rules of files.Guess. All columns may hold nulls. Columns that
// only some files have are in it too. Records that are bad are passed over: they are rejected
// when they are read. A value beyond the sample that the guess cannot hold is rejected then as well.
func Infer(ctx context.Context, store storage.Store, glob string, opts Options) (*arrow.Schema, error) {
	d, err := opts.dialect()
	if err != nil {
		return nil, err
	}
	guesser, err := files.NewGuesser(opts.Text)
	if err != nil {
		return nil, err
	}
	infos, err := files.Match(ctx, store, glob)
	if err != nil {
		return nil, err
	}
	in := inference{guesser: guesser, left: opts.SampleRows, index: map[string]int{}}
	if in.left == 0 {
		in.left = files.DefaultSampleRows
	}
	for _, info := range infos {
		if in.left == 0 {
			break
		}
		if err := in.sample(ctx, store, info, d, opts); err != nil {
			return nil, fmt.Errorf("infer the schema of %s in %s: %w", info.Name, store.URL(), err)
		}
	}
	return in.schema(), nil
}

type inference struct {
	guesser *files.Guesser
	left    int // records to look at; negative for all
	names   []string
	index   map[string]int
	guesses []files.Guess
}

// column is the place of a column by its name, new or not.
func (in *inference) column(name string) int {
	i, ok := in.index[name]
	if !ok {
		i = len(in.names)
		in.index[name] = i
		in.names = append(in.names, name)
		in.guesses = append(in.guesses, files.Guess{})
	}
	return i
}

func (in *inference) sample(ctx context.Context, store storage.Store, info storage.Info, d dialect, opts Options) error {
	src, err := open(ctx, store, files.Whole(info), opts)
	if err != nil {
		return err
	}
	defer src.close()
	r, err := src.from(ctx, 0)
	if err != nil {
		return err
	}
	s := newScanner(r, d, 0)
	names, _, err := s.header(opts)
	if err != nil {
		return err
	}
	var places []int
	for _, name := range names {
		places = append(places, in.column(name))
	}
	return in.records(s, places, opts.NoHeader)
}

func (in *inference) records(s *scanner, places []int, unnamed bool) error {
	var out []field
	var scratch []byte
	for ; in.left != 0; in.left-- {
		rec, err := s.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.bad != "" {
			continue
		}
		if out, scratch, err = s.fields(rec.raw, out[:0], scratch[:0]); err != nil {
			continue
		}
		for unnamed && len(places) < len(out) {
			places = append(places, in.column(fmt.Sprintf("c%d", len(places)+1)))
		}
		if len(out) != len(places) {
			continue
		}
		for i, f := range out {
			if !s.nulls[string(f.text)] {
				in.guesser.AddText(&in.guesses[places[i]], f.text)
			}
		}
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
