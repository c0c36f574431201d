package parquetfile

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// flushPage encodes the page that is being filled and adds it to the chunk. An empty page is none.
func (c *columnWriter) flushPage() error {
	if c.levels == 0 {
		return nil
	}
	if c.leaf.phys == format.ByteArray && c.mode == textUndecided && len(c.offs) > 0 {
		c.decideText()
	}
	repLen, defLen, err := c.encodeLevels()
	if err != nil {
		return err
	}
	enc, err := c.encodeValues()
	if err != nil {
		return fmt.Errorf("encoding column %s: %w", c.leaf.name(), err)
	}
	if err := c.addDataPage(enc, repLen, defLen); err != nil {
		return err
	}
	if c.mode == textDict && c.dict.full() {
		c.mode = textPlain
	}
	c.resetPage()
	return nil
}

// encodeLevels puts the repetition and definition levels into scratch; the values follow them there.
func (c *columnWriter) encodeLevels() (repLen, defLen int, err error) {
	c.scratch = c.scratch[:0]
	if c.leaf.maxRep > 0 {
		if c.scratch, err = appendLevels(c.scratch, c.reps, c.leaf.maxRep); err != nil {
			return 0, 0, err
		}
		repLen = len(c.scratch)
	}
	switch {
	case c.leaf.maxDef == 0:
	case c.leaf.flat():
		c.scratch = appendBitLevels(c.scratch, c.valid.b, c.levels)
	default:
		c.scratch, err = appendLevels(c.scratch, c.defs, c.leaf.maxDef)
	}
	return repLen, len(c.scratch) - repLen, err
}

// encodeValues appends the page's values to scratch and says in which encoding.
func (c *columnWriter) encodeValues() (format.Encoding, error) {
	switch c.leaf.phys {
	case format.Boolean:
		c.scratch = append(c.scratch, c.bools.b...)
	case format.Int32:
		lo, hi := minMax(c.i32)
		if len(c.i32) > 0 {
			if c.class == classUint {
				lo32, hi32 := minMax(as[uint32](c.i32))
				c.stats.addInt(int64(lo32), int64(hi32), true)
			} else {
				c.stats.addInt(int64(lo), int64(hi), false)
			}
		}
		if c.want != Plain && deltaPays(c.i32, 32) {
			e := delta.BinaryPackedEncoding{}
			return format.DeltaBinaryPacked, c.tail(func(dst []byte) ([]byte, error) { return e.EncodeInt32(dst, c.i32) })
		}
		c.scratch = append(c.scratch, raw(c.i32)...)
	case format.Int64:
		if len(c.i64) > 0 {
			if c.class == classUint {
				lo, hi := minMax(as[uint64](c.i64))
				c.stats.addInt(int64(lo), int64(hi), true)
			} else {
				lo, hi := minMax(c.i64)
				c.stats.addInt(lo, hi, false)
			}
		}
		if c.want != Plain && deltaPays(c.i64, 64) {
			e := delta.BinaryPackedEncoding{}
			return format.DeltaBinaryPacked, c.tail(func(dst []byte) ([]byte, error) { return e.EncodeInt64(dst, c.i64) })
		}
		c.scratch = append(c.scratch, raw(c.i64)...)
	case format.ByteArray:
		return c.encodeText()
	default:
		c.scratch = append(c.scratch, c.data...)
	}
	if c.leaf.phys == format.Boolean && c.bools.n > 0 {
		set := countBits(c.bools.b, 0, c.bools.n)
		c.stats.addInt(b2i(set == c.bools.n), b2i(set > 0), false)
	}
	return format.Plain, nil
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// tail lets an encoder that overwrites its destination write behind the levels in scratch.
func (c *columnWriter) tail(encode func(dst []byte) ([]byte, error)) error {
	out, err := encode(c.packed[:0])
	c.packed = out
	c.scratch = append(c.scratch, out...)
	return err
}

func (c *columnWriter) encodeText() (format.Encoding, error) {
	if c.mode == textDict {
		e := rle.DictionaryEncoding{}
		return format.RLEDictionary, c.tail(func(dst []byte) ([]byte, error) { return e.EncodeInt32(dst, c.i32) })
	}
	c.textBounds()
	if c.want == Plain || c.want == Dictionary {
		start := uint32(0)
		for _, end := range c.offs {
			c.scratch = binary.LittleEndian.AppendUint32(c.scratch, end-start)
			c.scratch = append(c.scratch, c.data[start:end]...)
			start = end
		}
		return format.Plain, nil
	}
	c.i32 = c.i32[:0]
	start := uint32(0)
	for _, end := range c.offs {
		c.i32 = append(c.i32, int32(end-start))
		start = end
	}
	e := delta.BinaryPackedEncoding{}
	err := c.tail(func(dst []byte) ([]byte, error) { return e.EncodeInt32(dst, c.i32) })
	c.scratch = append(c.scratch, c.data...)
	return format.DeltaLengthByteArray, err
}

func minMax[T int32 | uint32 | int64 | uint64](v []T) (lo, hi T) {
	if len(v) == 0 {
		return 0, 0
	}
	lo, hi = v[0], v[0]
	for _, x := range v {
		lo, hi = min(lo, x), max(hi, x)
	}
	return lo, hi
}

// deltaPays estimates from a few blocks whether packed differences take at most three quarters of the plain bits.
func deltaPays[T int32 | int64](v []T, width int) bool {
	const block, samples = 128, 8
	if len(v) < 2 {
		return false
	}
	total, n := 0, 0
	step := max(block, len(v)/samples)
	for at := 1; at < len(v); at += step {
		b := v[at:min(at+block, len(v))]
		lo, hi := int64(0), int64(0)
		for i, x := range b {
			d := int64(x - v[at+i-1])
			if i == 0 {
				lo, hi = d, d
			}
			lo, hi = min(lo, d), max(hi, d)
		}
		total += bits.Len64(uint64(hi) - uint64(lo))
		n++
	}
	return 4*total <= 3*n*width
}

// page is one whose values are encoded.
type page struct {
	data                []byte // levels and values
	enc                 format.Encoding
	repLen, defLen      int
	levels, nulls, rows int
}

// addDataPage appends the page in scratch to the chunk: at once, or beside what comes next.
func (c *columnWriter) addDataPage(enc format.Encoding, repLen, defLen int) error {
	p := page{c.scratch, enc, repLen, defLen, c.levels, c.nulls, c.rows}
	if !c.beside {
		err := c.finishPage(&p)
		c.finished = len(c.pages)
		return err
	}
	if err := c.wait(); err != nil {
		return err
	}
	c.scratch, c.spare = c.spare, c.scratch
	c.finished += len(p.data)
	pending := make(chan error, 1)
	c.pending = pending
	go func() { pending <- c.finishPage(&p) }()
	return nil
}

// wait lets the page that is being finished beside come to its end.
func (c *columnWriter) wait() error {
	if c.pending == nil {
		return nil
	}
	err := <-c.pending
	c.pending, c.finished = nil, len(c.pages)
	return err
}

// finishPage compresses what follows a page's levels, where that pays, and appends the page to the chunk.
func (c *columnWriter) finishPage(p *page) error {
	levels := p.repLen + p.defLen
	body, zipped, err := c.squeeze(p.data[levels:])
	if err != nil {
		return fmt.Errorf("compressing column %s: %w", c.leaf.name(), err)
	}
	crc := crc32.Update(crc32.ChecksumIEEE(p.data[:levels]), crc32.IEEETable, body)
	h := format.PageHeader{
		Type:                 format.DataPageV2,
		UncompressedPageSize: int32(len(p.data)),
		CompressedPageSize:   int32(levels + len(body)),
		CRC:                  int32(crc),
	}
	h.DataPageHeaderV2.Set(format.DataPageHeaderV2{
		NumValues: int32(p.levels), NumNulls: int32(p.nulls), NumRows: int32(p.rows), Encoding: p.enc,
		DefinitionLevelsByteLength: int32(p.defLen), RepetitionLevelsByteLength: int32(p.repLen),
		IsCompressed: thrift.New(zipped),
	})
	head, err := thrift.Marshal(new(thrift.CompactProtocol), &h)
	if err != nil {
		return fmt.Errorf("encoding a page header of column %s: %w", c.leaf.name(), err)
	}
	k := &c.chunk
	c.pages = append(append(append(c.pages, head...), p.data[:levels]...), body...)
	k.plainBytes += int64(len(head) + len(p.data))
	k.levels += int64(p.levels)
	k.nulls += int64(p.nulls)
	k.encodings[p.enc] = true
	k.dataPages[p.enc]++
	return nil
}

// squeeze compresses b unless that saves less than a tenth; after such a page the next seven are not tried.
func (c *columnWriter) squeeze(b []byte) (out []byte, zipped bool, err error) {
	if c.codec == Uncompressed || len(b) < 32 {
		return b, false, nil
	}
	if c.skipZip > 0 {
		c.skipZip--
		return b, false, nil
	}
	if c.zipped, err = c.codec.compress(c.zipped, b); err != nil {
		return nil, false, err
	}
	if 10*len(c.zipped) > 9*len(b) {
		if len(b) > 4096 {
			c.skipZip = 7
		}
		return b, false, nil
	}
	return c.zipped, true, nil
}

// finishChunk ends the chunk: the last page, the dictionary page, the bounds that a dictionary gives.
func (c *columnWriter) finishChunk() error {
	if err := c.flushPage(); err != nil {
		return err
	}
	if err := c.wait(); err != nil {
		return err
	}
	k := &c.chunk
	if c.dict.len() == 0 || !k.encodings[format.RLEDictionary] {
		return nil
	}
	c.scratch = c.scratch[:0]
	for i := range c.dict.len() {
		v := c.dict.value(int32(i))
		c.stats.addBytes(v)
		c.scratch = binary.LittleEndian.AppendUint32(c.scratch, uint32(len(v)))
		c.scratch = append(c.scratch, v...)
	}
	body := c.scratch
	var err error
	if c.codec != Uncompressed { // a dictionary page cannot say that it is not compressed
		if c.packed, err = c.codec.compress(c.packed, body); err != nil {
			return fmt.Errorf("compressing the dictionary of column %s: %w", c.leaf.name(), err)
		}
		body = c.packed
	}
	h := format.PageHeader{
		Type:                 format.DictionaryPage,
		UncompressedPageSize: int32(len(c.scratch)),
		CompressedPageSize:   int32(len(body)),
		CRC:                  int32(crc32.ChecksumIEEE(body)),
	}
	h.DictionaryPageHeader.Set(format.DictionaryPageHeader{NumValues: int32(c.dict.len()), Encoding: format.Plain})
	head, err := thrift.Marshal(new(thrift.CompactProtocol), &h)
	if err != nil {
		return fmt.Errorf("encoding the dictionary header of column %s: %w", c.leaf.name(), err)
	}
	c.dictPage = append(append(c.dictPage[:0], head...), body...)
	k.plainBytes += int64(len(head) + len(c.scratch))
	k.encodings[format.Plain] = true
	return nil
}
