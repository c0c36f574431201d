package parquetfile

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// indexed reads texts as numbers in a dictionary. As long as the chunk's pages are indexed, that is the chunk's
// own; at the first page that is not, one is built from there on.
type indexed struct {
	built  *dictBuilder // nil while the chunk's dictionary serves
	remap  []int32      // from the chunk's dictionary to built
	text   texts
	values arrow.Array // the dictionary as an array; nil if it has to be made anew
}

// startChunk forgets the last chunk's dictionary.
func (x *indexed) startChunk() {
	x.built = nil
	x.drop()
}

func (x *indexed) drop() {
	if x.values != nil {
		x.values.Release()
		x.values = nil
	}
}

// decode appends the numbers of more values to the batch's, of which there are done already.
func (x *indexed) decode(p *pageReader, batch []int32, done int) error {
	dst := batch[done:]
	if p.vals.indexed() {
		if err := p.vals.indices(dst, p.dict.len()); err != nil {
			return err
		}
		if x.built != nil {
			gather(dst, x.remap, dst)
		}
		return nil
	}
	if x.built == nil {
		x.built = &dictBuilder{}
		x.remap = x.remap[:0]
		if p.has {
			for i := range p.dict.len() {
				x.remap = append(x.remap, x.built.add(p.dict.value(i)))
			}
			gather(batch[:done], x.remap, batch[:done])
		}
	}
	x.drop()
	x.text.reset()
	if err := p.vals.texts(&x.text, &p.dict, len(dst)); err != nil {
		return err
	}
	for i := range dst {
		dst[i] = x.built.add(x.text.value(i))
	}
	return nil
}

// indexArray makes the dictionary array of the batch.
func (c *leafReader) indexArray(n int, valid *memory.Buffer) (arrow.Array, error) {
	x := &c.index
	if x.values == nil {
		x.values = c.dictionary()
	}
	t := c.plan.out.(*arrow.DictionaryType)
	data := array.NewDataWithDictionary(t, n, []*memory.Buffer{valid, c.buf}, n-c.dense, 0, x.values.Data().(*array.Data))
	defer data.Release()
	c.dropBuffer()
	return array.NewDictionaryData(data), nil
}

// dictionary copies the dictionary in use into an array.
func (c *leafReader) dictionary() arrow.Array {
	t := &c.pages.dict
	if b := c.index.built; b != nil {
		t = &texts{data: b.data}
		for _, o := range b.offs {
			t.offs = append(t.offs, int32(o))
		}
	} else if !c.pages.has {
		t = &texts{}
	}
	offs := append([]int32{}, t.offs...)
	if len(offs) == 0 {
		offs = []int32{0}
	}
	bufs := []*memory.Buffer{nil, c.wrap(raw(offs)), c.wrap(append([]byte{}, t.data...))}
	data := array.NewData(c.plan.out.(*arrow.DictionaryType).ValueType, len(offs)-1, bufs, nil, 0, 0)
	defer data.Release()
	bufs[1].Release()
	bufs[2].Release()
	return array.MakeFromData(data)
}
