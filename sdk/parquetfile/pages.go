package parquetfile

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/parquet-go/parquet-go/format"
)

// pageReader walks the pages of one column's chunks, one row group after the other.
type pageReader struct {
	leaf  *leaf
	src   chunkSource
	codec format.CompressionCodec
	left  int64 // values of the chunk that its pages have not given yet

	// The data page that is open.
	values int    // levels left in it
	defs   []byte // decoded levels of nested columns, whole page
	reps   []byte
	bits   bitLevels // of flat nullable columns
	vals   pageValues

	dict  texts
	fixed []byte  // dictionary of fixed-size values
	has   bool    // the chunk has a dictionary
	out   *[]byte // decompressed page, from pageBuffers
}

// pageBuffers keeps the memory of decompressed pages from reader to reader. Batches never refer to it.
var pageBuffers = sync.Pool{New: func() any { return new([]byte) }}

// close gives the page's memory back. No page is open after it.
func (p *pageReader) close() {
	if p.out != nil {
		pageBuffers.Put(p.out)
		p.out, p.left, p.values = nil, 0, 0
	}
}

// startChunk begins a row group's chunk.
func (p *pageReader) startChunk(m *format.ColumnMetaData, src chunkSource) {
	p.src, p.codec, p.left, p.values, p.has = src, m.Codec, m.NumValues, 0, false
}

// nextPage opens the next data page; io.EOF after the chunk's last.
func (p *pageReader) nextPage() error {
	for {
		if p.left == 0 {
			return io.EOF
		}
		var h pageHeader
		body, err := p.read(&h)
		if err != nil {
			return err
		}
		switch h.kind {
		case format.DictionaryPage:
			if p.has {
				return fmt.Errorf("a second dictionary page: %w", ErrCorrupt)
			}
			//lint:ignore SA1019 old writers still name the encoding so
			if h.encoding != format.Plain && h.encoding != format.PlainDictionary {
				return fmt.Errorf("a dictionary in encoding %s: %w", h.encoding, ErrUnsupported)
			}
			if body, err = p.inflate(body, h.plain); err != nil {
				return err
			}
			if p.fixed, err = readDictionary(p.leaf, body, h.values, &p.dict, p.fixed); err != nil {
				return fmt.Errorf("dictionary page: %w", err)
			}
			p.has = true
		case format.DataPage:
			if h.values > 0 {
				return p.openV1(&h, body)
			}
		case format.DataPageV2:
			if h.values > 0 {
				return p.openV2(&h, body)
			}
		case format.IndexPage:
		default:
			return fmt.Errorf("a page of type %d: %w", h.kind, ErrUnsupported)
		}
	}
}

// header parses the next page's header and says how long it is.
func (p *pageReader) header(h *pageHeader) (int, error) {
	for want := 512; ; want *= 16 {
		b, err := p.src.peek(want)
		if err != nil {
			return 0, err
		}
		n, err := readPageHeader(b, h)
		if err == nil {
			return n, nil
		}
		if len(b) < want {
			if len(b) == 0 {
				return 0, fmt.Errorf("the column chunk ends with %d values missing: %w", p.left, ErrCorrupt)
			}
			return 0, err
		}
	}
}

// read takes the next page's header and its stored body.
func (p *pageReader) read(h *pageHeader) ([]byte, error) {
	n, err := p.header(h)
	if err != nil {
		return nil, err
	}
	b, err := p.src.peek(n + h.packed)
	if err != nil {
		return nil, err
	}
	if len(b) < n+h.packed {
		return nil, fmt.Errorf("a page of %d bytes goes beyond its column chunk: %w", h.packed, ErrCorrupt)
	}
	body := b[n : n+h.packed]
	p.src.skip(n + h.packed)
	if h.hasCRC && crc32.ChecksumIEEE(body) != h.crc {
		return nil, fmt.Errorf("a page's checksum does not match its bytes: %w", ErrCorrupt)
	}
	return body, nil
}

func (p *pageReader) inflate(body []byte, size int) ([]byte, error) {
	if p.codec == format.Uncompressed {
		if len(body) != size {
			return nil, fmt.Errorf("an uncompressed page of %d bytes is stored in %d: %w", size, len(body), ErrCorrupt)
		}
		return body, nil
	}
	if size == 0 {
		return nil, nil
	}
	if p.out == nil {
		p.out = pageBuffers.Get().(*[]byte)
	}
	out, err := decompress(p.codec, *p.out, body, size)
	if err != nil {
		return nil, err
	}
	*p.out = out
	return out, nil
}

func (p *pageReader) openV1(h *pageHeader, body []byte) error {
	b, err := p.inflate(body, h.plain)
	if err != nil {
		return err
	}
	var reps, defs []byte
	if p.leaf.maxRep > 0 {
		if reps, b, err = levelsV1(b, h.repEnc); err != nil {
			return err
		}
	}
	if p.leaf.maxDef > 0 {
		if defs, b, err = levelsV1(b, h.defEnc); err != nil {
			return err
		}
	}
	return p.open(h, reps, defs, b)
}

// levelsV1 cuts levels with their length off the front of a page.
func levelsV1(b []byte, enc format.Encoding) (levels, rest []byte, err error) {
	if enc != format.RLE {
		return nil, nil, fmt.Errorf("levels in encoding %s: %w", enc, ErrUnsupported)
	}
	if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, nil, errShort
	}
	n := binary.LittleEndian.Uint32(b)
	return b[4 : 4+n], b[4+n:], nil
}

func (p *pageReader) openV2(h *pageHeader, body []byte) error {
	levels := h.repLen + h.defLen
	if levels > len(body) || levels > h.plain {
		return fmt.Errorf("a page's levels are longer than it is: %w", ErrCorrupt)
	}
	b := body[levels:]
	if !h.uncompressedBody {
		var err error
		if b, err = p.inflate(b, h.plain-levels); err != nil {
			return err
		}
	}
	return p.open(h, body[:h.repLen], body[h.repLen:levels], b)
}

// open begins a data page with its encoded levels and values.
func (p *pageReader) open(h *pageHeader, reps, defs, b []byte) error {
	if int64(h.values) > p.left {
		return fmt.Errorf("the column chunk's pages have more values than its footer says: %w", ErrCorrupt)
	}
	p.left -= int64(h.values)
	p.values = h.values
	if p.leaf.flat() {
		p.bits = bitLevels{src: defs}
	} else if err := p.decodeNested(h.values, reps, defs); err != nil {
		return err
	}
	if err := p.vals.reset(p.leaf, h.encoding, b); err != nil {
		return err
	}
	if p.vals.indexed() && !p.has {
		return fmt.Errorf("a page refers to a dictionary that is not there: %w", ErrCorrupt)
	}
	return nil
}

// maxNestedPage bounds the levels of a nested column's page, which are decoded at once.
const maxNestedPage = 1 << 26

func (p *pageReader) decodeNested(n int, reps, defs []byte) (err error) {
	if n > maxNestedPage {
		return fmt.Errorf("a page of %d nested values: %w", n, ErrUnsupported)
	}
	p.reps, p.defs = p.reps[:0], p.defs[:0]
	if p.leaf.maxRep > 0 {
		if p.reps, err = decodeLevels(p.reps, reps, n, p.leaf.maxRep); err != nil {
			return err
		}
	}
	if p.leaf.maxDef > 0 {
		p.defs, err = decodeLevels(p.defs, defs, n, p.leaf.maxDef)
	}
	return err
}

// chunkSource gives the stored bytes of one column chunk.
type chunkSource interface {
	// peek gives at least n of the chunk's next bytes, fewer only at its end. They are good until the next peek or skip
	// of a windowed source, and for the row group of one in memory.
	peek(n int) ([]byte, error)
	skip(n int)
}

// memoryChunk is a chunk that was read as a whole.
type memoryChunk struct{ b []byte }

func (c *memoryChunk) peek(int) ([]byte, error) { return c.b, nil }
func (c *memoryChunk) skip(n int)               { c.b = c.b[n:] }

// windowedChunk reads a chunk in pieces.
type windowedChunk struct {
	r        io.ReaderAt
	off, end int64 // not read yet
	window   int
	buf      []byte
	skipped  int // of buf
}

func (c *windowedChunk) peek(n int) ([]byte, error) {
	if have := len(c.buf) - c.skipped; have >= n || c.off == c.end {
		return c.buf[c.skipped:], nil
	}
	have := copy(c.buf, c.buf[c.skipped:])
	c.skipped = 0
	want := int(min(int64(max(n-have, c.window)), c.end-c.off))
	if cap(c.buf) < have+want {
		c.buf = append(make([]byte, 0, have+want+64), c.buf[:have]...)
	}
	c.buf = c.buf[:have+want]
	if err := readFull(c.r, c.buf[have:], c.off); err != nil {
		return nil, err
	}
	c.off += int64(want)
	return c.buf, nil
}

func (c *windowedChunk) skip(n int) { c.skipped += n }
