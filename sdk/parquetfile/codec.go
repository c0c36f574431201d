package parquetfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// Codec is how a writer compresses pages.
type Codec int

// The codecs of a writer. A page that does not shrink by a tenth is stored as it is, whatever the codec.
const (
	Zstd   Codec = iota // the default: zstd at its fastest level
	Snappy              // for readers that know no zstd
	Uncompressed
	// ZstdSmall is zstd that codes single bytes too where nothing repeats. It halves texts like hexadecimal keys, which Zstd leaves
	// as they are, and costs about 1 ms a MiB of them in writing and in reading. For files that are kept long or read from afar.
	ZstdSmall
)

func (c Codec) format() format.CompressionCodec {
	switch c {
	case Snappy:
		return format.Snappy
	case Uncompressed:
		return format.Uncompressed
	}
	return format.Zstd
}

// The zstd coder and decoder are stateless for whole-buffer calls and safe for concurrent use; both keep large tables, so
// the process has one of each.
var (
	zstdEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	})
	zstdSmallEncoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20), zstd.WithAllLitEntropyCompression(true))
	})
	zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.IgnoreChecksum(true), zstd.WithDecoderMaxMemory(maxPageBytes))
	})
)

// compress appends src in compressed form to dst[:0].
func (c Codec) compress(dst, src []byte) ([]byte, error) {
	if c == Snappy {
		return s2.EncodeSnappy(dst[:cap(dst)], src), nil
	}
	encoder := zstdEncoder
	if c == ZstdSmall {
		encoder = zstdSmallEncoder
	}
	z, err := encoder()
	if err != nil {
		return nil, fmt.Errorf("making the zstd encoder: %w", err)
	}
	return z.EncodeAll(src, dst[:0]), nil
}

// maxPageBytes is the largest page that is decompressed.
const maxPageBytes = 1 << 30

// decompress gives the size bytes that src stands for, in dst's memory if it is large enough.
func decompress(codec format.CompressionCodec, dst, src []byte, size int) ([]byte, error) {
	if size > maxPageBytes {
		return nil, fmt.Errorf("a page of %d bytes: %w", size, ErrUnsupported)
	}
	var out []byte
	var err error
	switch codec {
	case format.Uncompressed:
		out = src
	case format.Zstd:
		var z *zstd.Decoder
		if z, err = zstdDecoder(); err == nil {
			out, err = z.DecodeAll(src, sized(dst, size, len(src)))
		}
	case format.Snappy:
		var n int
		if n, err = s2.DecodedLen(src); err == nil && n == size {
			out, err = s2.Decode(dst[:cap(dst)], src)
		}
	case format.Gzip:
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(src)); err == nil {
			out, err = readUpTo(z, dst, size)
		}
	case format.Brotli:
		out, err = readUpTo(brotli.NewReader(bytes.NewReader(src)), dst, size)
	case format.Lz4Raw:
		out, err = decodeLz4(dst, src, size)
	case format.Lz4:
		if out, err = decodeHadoopLz4(src, size); err != nil { // some writers left the framing out
			out, err = decodeLz4(dst, src, size)
		}
	default:
		return nil, fmt.Errorf("compression %s: %w", codec, ErrUnsupported)
	}
	if err != nil {
		return nil, fmt.Errorf("decompressing %s: %w: %w", codec, err, ErrCorrupt)
	}
	if len(out) != size {
		return nil, fmt.Errorf("decompressing %s: %d bytes where the header says %d: %w", codec, len(out), size, ErrCorrupt)
	}
	return out, nil
}

// sized gives an empty slice with room for size bytes, or for as many as so few compressed bytes may become at first.
func sized(dst []byte, size, compressed int) []byte {
	if cap(dst) >= size {
		return dst[:0]
	}
	return make([]byte, 0, min(size, compressed*256+4096)+32)
}

// readUpTo reads r to its end, but not beyond size+1 bytes.
func readUpTo(r io.Reader, dst []byte, size int) ([]byte, error) {
	buf := bytes.NewBuffer(dst[:0])
	_, err := buf.ReadFrom(io.LimitReader(r, int64(size)+1))
	return buf.Bytes(), err
}

func decodeLz4(dst, src []byte, size int) ([]byte, error) {
	if size > 255*len(src) {
		return nil, errShortLz4
	}
	if cap(dst) < size {
		dst = make([]byte, size)
	}
	n, err := lz4.UncompressBlock(src, dst[:size])
	return dst[:max(0, n)], err
}

var errShortLz4 = errors.New("too few bytes")

// decodeHadoopLz4 reads the framing of Hadoop's codec: blocks, each with its sizes, big-endian, before it.
func decodeHadoopLz4(src []byte, size int) ([]byte, error) {
	var out []byte
	for len(src) >= 8 {
		plain, packed := int(binary.BigEndian.Uint32(src)), int(binary.BigEndian.Uint32(src[4:]))
		src = src[8:]
		if packed > len(src) || len(out)+plain > size {
			return nil, errShortLz4
		}
		b, err := decodeLz4(nil, src[:packed], plain)
		if err != nil {
			return nil, err
		}
		out, src = append(out, b...), src[packed:]
	}
	if len(src) != 0 || len(out) != size {
		return nil, errShortLz4
	}
	return out, nil
}
