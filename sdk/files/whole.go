package files

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/millrace/millrace/sdk/storage"
)

// WholeSplits makes a split of each file that glob matches, in the language of storage.Glob, for formats that are read from their beginning.
func WholeSplits(ctx context.Context, store storage.Store, glob string) ([]Split, error) {
	infos, err := Match(ctx, store, glob)
	if err != nil {
		return nil, err
	}
	splits := make([]Split, len(infos))
	for i, info := range infos {
		splits[i] = Whole(info)
	}
	return splits, nil
}

// OpenWhole opens the object of a split as a stream of its bytes, decompressed by c or, where that is Auto, by the object's name. Close it; it may be
// closed more than once.
func OpenWhole(ctx context.Context, store storage.Store, split Split, c Compression) (io.ReadCloser, error) {
	object, err := OpenSplit(ctx, store, split)
	if err != nil {
		return nil, err
	}
	stream := Stream(ctx, object, 0)
	plain, err := Decompress(stream, c.Of(split.Name))
	if err != nil {
		return nil, errors.Join(err, stream.Close(), object.Close())
	}
	return &whole{plain, sync.OnceValue(func() error { return errors.Join(plain.Close(), stream.Close(), object.Close()) })}, nil
}

// whole is a stream that closes all that it is read through, once.
type whole struct {
	io.Reader
	close func() error
}

// Close frees what the stream holds.
func (w *whole) Close() error { return w.close() }
