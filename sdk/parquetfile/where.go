package parquetfile

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/parquet-go/parquet-go/format"

	"github.com/millrace/millrace/sdk/fault"
)

// Where is a condition on rows that is decided while reading: the columns that it looks at are decoded first, the others only
// for batches in which some row is wanted. Pages of the others that hold no wanted row are not even decompressed.
type Where struct {
	// Columns are the positions, in the reader's schema, of the columns that Keep looks at.
	Columns []int
	// Keep says whether any row of a batch of those columns, in that order, is wanted. Next gives out whole batches: to leave out
	// single rows is the caller's. Keep is called for every batch in turn, and last for the one that Next gives. It must not keep rec.
	Keep func(rec arrow.RecordBatch) (any bool, err error)
}

func (w *Where) validate(columns int) error {
	for _, c := range w.Columns {
		if c < 0 || c >= columns {
			return fault.Usagef("reading parquet: the condition needs column %d of %d", c, columns)
		}
	}
	return nil
}

// filtered reads the columns of the condition for n rows, and the others if it wants any of the rows. Otherwise the batch
// is nil, and the others owe n rows more.
func (r *Reader) filtered(n int) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(r.cols))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	read := func(i int) (err error) {
		if cols[i] == nil {
			cols[i], err = r.column(i, n)
		}
		return err
	}
	looked := make([]arrow.Array, len(r.opts.Where.Columns))
	fields := make([]arrow.Field, len(looked))
	for k, i := range r.opts.Where.Columns {
		if err := read(i); err != nil {
			return nil, err
		}
		looked[k], fields[k] = cols[i], r.schema.Field(i)
	}
	rec := array.NewRecordBatch(arrow.NewSchema(fields, nil), looked, int64(n))
	any, err := r.opts.Where.Keep(rec)
	rec.Release()
	if err != nil {
		return nil, err
	}
	if !any {
		for i := range r.cols {
			if cols[i] == nil {
				r.cols[i].owed += n
			}
		}
		return nil, nil
	}
	for i := range r.cols {
		if err := read(i); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(r.schema, cols, int64(n)), nil
}

// skip passes over rows of the column.
func (c *readColumn) skip(n int) error {
	if n == 0 {
		return nil
	}
	if c.flat != nil {
		return c.flat.skip(n)
	}
	for _, l := range c.leaves {
		if _, err := l.readNested(n); err != nil {
			return err
		}
	}
	return nil
}

// skip passes over n rows of a flat column, page by page where it can.
func (c *leafReader) skip(n int) error {
	p := &c.pages
	for n > 0 {
		if p.values == 0 {
			passed, err := p.skipPages(n)
			if err != nil {
				return err
			}
			if n -= passed; passed > 0 {
				continue
			}
			if err := c.nextPage(n); err != nil {
				return err
			}
		}
		k := min(n, p.values)
		present := k
		if p.leaf.maxDef > 0 {
			c.passed.reset() // not c.valid, which the last batch has
			var err error
			if present, err = p.bits.take(&c.passed, k); err != nil {
				return err
			}
		}
		if err := p.vals.skip(present); err != nil {
			return err
		}
		p.values -= k
		n -= k
	}
	return nil
}

// skipPages passes over data pages that hold at most n rows in all, without looking into them; a dictionary page stops it.
func (p *pageReader) skipPages(n int) (passed int, err error) {
	for {
		if p.left == 0 {
			return passed, nil
		}
		var h pageHeader
		size, err := p.header(&h)
		if err != nil {
			return passed, err
		}
		if h.kind != format.DataPage && h.kind != format.DataPageV2 || h.values > n-passed || h.values == 0 {
			return passed, nil
		}
		if int64(h.values) > p.left {
			return passed, fmt.Errorf("the column chunk's pages have more values than its footer says: %w", ErrCorrupt)
		}
		b, err := p.src.peek(size + h.packed)
		if err != nil {
			return passed, err
		}
		if len(b) < size+h.packed {
			return passed, fmt.Errorf("a page of %d bytes goes beyond its column chunk: %w", h.packed, ErrCorrupt)
		}
		p.src.skip(size + h.packed)
		p.left -= int64(h.values)
		passed += h.values
	}
}

// skip passes over n values of the page.
func (p *pageValues) skip(n int) error {
	const step = 4096
	for n > 0 {
		k := min(n, step)
		if err := p.skipSome(k); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func (p *pageValues) skipSome(n int) error {
	switch {
	case p.indexed() || p.enc == format.RLE:
		p.idx = grown(p.idx, n)
		return p.runs.decode(p.idx)
	case p.leaf.phys == format.Boolean:
		p.bit += n
		if p.bit > 8*len(p.src) {
			return errShort
		}
		p.src, p.bit = p.src[p.bit/8:], p.bit&7
		return nil
	case p.leaf.phys == format.ByteArray && p.enc == format.Plain:
		size, err := plainSize(p.src, n)
		if err != nil {
			return err
		}
		p.src = p.src[size:]
		return nil
	case p.leaf.phys == format.ByteArray:
		p.skipped.reset()
		return p.texts(&p.skipped, nil, n)
	}
	size := p.leaf.valueBytes()
	p.skipped.data = grown(p.skipped.data, n*size)
	return p.fixed(p.skipped.data, nil, size)
}
