package parquetfile

import (
	"cmp"
	"context"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Limits of reads. A request to object storage costs about as much as a few hundred KiB of transfer.
const (
	joinGap   = 256 << 10 // unwanted bytes between two chunks that are read along
	readLimit = 8 << 20   // most bytes of one read; more are read in parallel
	readsOpen = 4         // reads of one row group at a time
)

// byteRange is a piece of the file.
type byteRange struct{ off, size int64 }

// fetched is the stored bytes of a row group's wanted chunks.
type fetched struct {
	chunks [][]byte // in the order that was asked for; nil if they are to be read in windows
	err    error
}

// fetcher reads row groups ahead of their decoding: while one is decoded the next is under way.
type fetcher struct {
	r      io.ReaderAt
	ctx    context.Context
	cancel context.CancelFunc
	ahead  chan fetched // nil if nothing is under way
	bufs   [2]*[]byte   // from chunkBuffers
	turn   int
}

func newFetcher(ctx context.Context, r io.ReaderAt) *fetcher {
	f := &fetcher{r: r}
	f.ctx, f.cancel = context.WithCancel(ctx)
	return f
}

// start begins to read ranges. The memory of the row group before the last is used again.
func (f *fetcher) start(ranges []byteRange) {
	ch := make(chan fetched, 1)
	f.ahead = ch
	f.turn ^= 1
	if f.bufs[f.turn] == nil {
		f.bufs[f.turn] = chunkBuffers.Get().(*[]byte)
	}
	buf := f.bufs[f.turn]
	go func() {
		out, err := readRanges(f.ctx, f.r, ranges, buf)
		ch <- fetched{out, err}
	}()
}

// wait gives what was started.
func (f *fetcher) wait() fetched {
	got := <-f.ahead
	f.ahead = nil
	return got
}

// chunkBuffers keeps the memory of row groups from reader to reader. Batches never refer to it.
var chunkBuffers = sync.Pool{New: func() any { return new([]byte) }}

// close stops reading, waits for what is under way and gives the buffers back.
func (f *fetcher) close() {
	f.cancel()
	if f.ahead != nil {
		<-f.ahead
		f.ahead = nil
	}
	for i, b := range f.bufs {
		if b != nil {
			chunkBuffers.Put(b)
			f.bufs[i] = nil
		}
	}
}

// readRanges reads pieces of a file in few large reads, into buf if it is large enough.
func readRanges(ctx context.Context, r io.ReaderAt, ranges []byteRange, buf *[]byte) ([][]byte, error) {
	spans := joinRanges(ranges)
	total := int64(0)
	for _, s := range spans {
		total += s.size
	}
	if int64(cap(*buf)) < total {
		*buf = make([]byte, total, total+total/8+64) // a little more, for the unpacker that reads beyond its input
	}
	mem := (*buf)[:total]
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readsOpen)
	at := int64(0)
	where := make([]int64, len(spans)) // of each span in mem
	for i, s := range spans {
		where[i] = at
		for from := int64(0); from < s.size; from += readLimit {
			n := min(readLimit, s.size-from)
			dst, off := mem[at+from:at+from+n], s.off+from
			g.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return readFull(r, dst, off)
			})
		}
		at += s.size
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := make([][]byte, len(ranges))
	for i, rg := range ranges {
		for k, s := range spans {
			if rg.off >= s.off && rg.off+rg.size <= s.off+s.size {
				from := where[k] + rg.off - s.off
				out[i] = mem[from : from+rg.size]
			}
		}
	}
	return out, nil
}

// joinRanges makes reads of ranges, joining those with little between them.
func joinRanges(ranges []byteRange) []byteRange {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b byteRange) int { return cmp.Compare(a.off, b.off) })
	var out []byteRange
	for _, r := range sorted {
		if n := len(out); n > 0 && r.off <= out[n-1].off+out[n-1].size+joinGap {
			last := &out[n-1]
			last.size = max(last.size, r.off+r.size-last.off)
			continue
		}
		out = append(out, r)
	}
	return out
}
