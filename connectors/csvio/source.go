package csvio

import (
	"context"
	"errors"
	"io"

	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/storage"
)

// source is a split's object and the streams that are open on it.
type source struct {
	object     storage.Reader
	kind       files.Compression
	compressed bool
	open       []io.Closer
}

func open(ctx context.Context, store storage.Store, split files.Split, opts Options) (*source, error) {
	object, err := files.OpenSplit(ctx, store, split)
	if err != nil {
		return nil, err
	}
	kind := opts.Compression.Of(split.Name)
	return &source{object: object, kind: kind, compressed: kind != files.None}, nil
}

// from opens a stream of decompressed bytes at an offset, which is 0 in compressed files, and ends the one before.
func (s *source) from(ctx context.Context, off int64) (io.Reader, error) {
	if err := s.closeStreams(); err != nil {
		return nil, err
	}
	raw := files.Stream(ctx, s.object, off)
	s.open = append(s.open, raw)
	if !s.compressed || s.object.Size() == 0 {
		return raw, nil
	}
	plain, err := files.Decompress(raw, s.kind)
	if err != nil {
		return nil, err
	}
	s.open = append(s.open, plain)
	return plain, nil
}

func (s *source) closeStreams() error {
	var err error
	for i := len(s.open) - 1; i >= 0; i-- {
		err = errors.Join(err, s.open[i].Close())
	}
	s.open = nil
	return err
}

func (s *source) close() error { return errors.Join(s.closeStreams(), s.object.Close()) }
