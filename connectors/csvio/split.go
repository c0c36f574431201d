package csvio

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// Splits cuts the files that glob matches, in the language of storage.Glob. See
// the package's comment on how: a file that is larger than a split is read once
// here, unless its records are lines.
func Splits(ctx context.Context, store storage.Store, glob string, opts Options) ([]files.Split, error) {
	d, err := opts.dialect()
	if err != nil {
		return nil, err
	}
	infos, err := files.Match(ctx, store, glob)
	if err != nil {
		return nil, err
	}
	var splits []files.Split
	for _, info := range infos {
		if opts.Compression.Of(info.Name) != files.None {
			splits = append(splits, files.Whole(info))
			continue
		}
		ranges := files.ByteRanges(info, opts.SplitBytes)
		if !d.oneLine && len(ranges) > 1 {
			if ranges, err = align(ctx, store, ranges, d, opts); err != nil {
				return nil, err
			}
		}
		splits = append(splits, ranges...)
	}
	return splits, nil
}

// align moves the borders of an object's splits to where the next record begins.
func align(ctx context.Context, store storage.Store, ranges []files.Split, d dialect, opts Options) ([]files.Split, error) {
	r, err := files.OpenSplit(ctx, store, ranges[0])
	if err != nil {
		return nil, err
	}
	defer r.Close()
	src := files.Stream(ctx, r, 0)
	defer src.Close()
	s := newScanner(src, d, 0)
	if err := errors.Join(s.dropMark(), s.preamble(opts)); err != nil {
		return nil, planError(store, ranges[0], err)
	}
	aligned := ranges[:0:0]
	from := int64(0)
	for _, want := range ranges {
		// Consume the records that begin before the border; the next begins at it or after.
		for s.off < want.To {
			if _, err := s.one(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, planError(store, want, err)
			}
		}
		piece := want
		piece.From, piece.To = from, min(s.off, want.Size)
		if want.To == want.Size {
			piece.To = want.Size
		}
		if piece.To > piece.From || len(aligned) == 0 {
			aligned = append(aligned, piece)
		}
		from = piece.To
	}
	return aligned, nil
}

func planError(store storage.Store, split files.Split, err error) error {
	return fmt.Errorf("plan %s in %s: %w", split.Name, store.URL(), err)
}

// preamble passes over the skipped lines.
func (s *scanner) preamble(opts Options) error {
	for range opts.SkipLines {
		n, err := s.line()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n < 0:
			if _, err := s.tooLong(); err != nil {
				return err
			}
		default:
			s.take(n, 1)
		}
	}
	return nil
}

// seekLine moves a scanner that begins at the byte before a split to the first line that begins in it.
func (s *scanner) seekLine() error {
	n, err := s.line()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	case n < 0:
		_, err := s.tooLong()
		return err
	}
	s.take(n, 1)
	return nil
}
