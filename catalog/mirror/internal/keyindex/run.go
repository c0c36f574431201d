package keyindex

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/millrace/millrace/catalog/internal/columns"
	"github.com/millrace/millrace/sdk/spillfile"
)

// pageEntries is how many entries one read of the run fetches (4,080 bytes).
const pageEntries = 170

// run is a shard's entries on disk, sorted by hash.
type run struct {
	file    *spillfile.File
	entries int64
	first   []uint64 // Lo of each page's first entry
	bloom   bloom
	page    []byte // of the last read
	pageNo  int    // -1: none
}

func (r *run) memory() int64 {
	return int64(len(r.first))*8 + r.bloom.memory() + pageEntries*entrySize
}

func (r *run) close() { _ = r.file.Close() } // the file has no name: nothing in it is wanted any more

// get finds a key. Keys with the same Lo may straddle pages, so pages are read while they begin with it.
func (r *run) get(key columns.Hash) (entry, bool, error) {
	if !r.bloom.mayHold(key) {
		return entry{}, false, nil
	}
	p := sort.Search(len(r.first), func(i int) bool { return r.first[i] >= key.Lo })
	for p = max(0, p-1); p < len(r.first) && r.first[p] <= key.Lo; p++ {
		page, err := r.read(p)
		if err != nil {
			return entry{}, false, err
		}
		if e, ok := searchPage(page, key); ok {
			return e, true, nil
		}
	}
	return entry{}, false, nil
}

func searchPage(page []byte, key columns.Hash) (entry, bool) {
	n := len(page) / entrySize
	i := sort.Search(n, func(i int) bool { return compareEntries(decode(page[i*entrySize:]), entry{key: key}) >= 0 })
	if i == n {
		return entry{}, false
	}
	e := decode(page[i*entrySize:])
	return e, e.key == key
}

func (r *run) read(p int) ([]byte, error) {
	if r.pageNo == p {
		return r.page, nil
	}
	n := min(pageEntries, r.entries-int64(p)*pageEntries)
	r.page, r.pageNo = slices.Grow(r.page[:0], pageEntries*entrySize)[:n*entrySize], -1
	if _, err := r.file.ReadAt(r.page, int64(p)*pageEntries*entrySize); err != nil {
		return nil, fmt.Errorf("read the key index's temporary file: %w", err)
	}
	r.pageNo = p
	return r.page, nil
}

// each visits all entries in order.
func (r *run) each(visit func(entry) error) error {
	buf := make([]byte, blockEntries*entrySize)
	for at := int64(0); at < r.entries; at += blockEntries {
		block := buf[:min(blockEntries, r.entries-at)*entrySize]
		if _, err := r.file.ReadAt(block, at*entrySize); err != nil {
			return fmt.Errorf("read the key index's temporary file: %w", err)
		}
		for ; len(block) > 0; block = block[entrySize:] {
			if err := visit(decode(block)); err != nil {
				return err
			}
		}
	}
	return nil
}

func decode(b []byte) entry {
	return entry{
		key:  columns.Hash{Lo: binary.LittleEndian.Uint64(b), Hi: binary.LittleEndian.Uint64(b[8:])},
		file: binary.LittleEndian.Uint32(b[16:]),
		row:  binary.LittleEndian.Uint32(b[20:]),
	}
}

// blockEntries is how many entries are read or written at once (192 KiB).
const blockEntries = 8192

// runWriter writes a run in order of the entries.
type runWriter struct {
	run *run
	buf []byte
}

// newRunWriter starts a run of at most n entries whose filter may take filterBytes.
func newRunWriter(dir string, filterBytes, n int64) (*runWriter, error) {
	f, err := spillfile.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("spill the key index to disk: %w; give a folder with room, or more memory", err)
	}
	r := &run{file: f, bloom: newBloom(n, filterBytes), pageNo: -1}
	return &runWriter{run: r, buf: make([]byte, 0, blockEntries*entrySize)}, nil
}

func (w *runWriter) add(e entry) error {
	if w.run.entries%pageEntries == 0 {
		w.run.first = append(w.run.first, e.key.Lo)
	}
	w.run.entries++
	w.run.bloom.add(e.key)
	b := binary.LittleEndian.AppendUint64(w.buf, e.key.Lo)
	b = binary.LittleEndian.AppendUint64(b, e.key.Hi)
	b = binary.LittleEndian.AppendUint32(b, e.file)
	w.buf = binary.LittleEndian.AppendUint32(b, e.row)
	if len(w.buf) == cap(w.buf) {
		return w.flush()
	}
	return nil
}

func (w *runWriter) flush() error {
	if _, err := w.run.file.Write(w.buf); err != nil {
		return fmt.Errorf("spill the key index to disk: %w; give a folder with room, or more memory", err)
	}
	w.buf = w.buf[:0]
	return nil
}

// mergeInto writes the entries of top over those of below (which may be nil) as one new run. Keys
// that top says are gone are left out of it.
func mergeInto(w *runWriter, top []entry, below *run) (*run, error) {
	i := 0
	put := func(e entry) error {
		if e.file == gone {
			return nil
		}
		return w.add(e)
	}
	err := error(nil)
	if below != nil {
		err = below.each(func(e entry) error {
			for i < len(top) && compareEntries(top[i], e) < 0 {
				if err := put(top[i]); err != nil {
					return err
				}
				i++
			}
			if i < len(top) && top[i].key == e.key {
				e = top[i]
				i++
			}
			return put(e)
		})
	}
	for ; err == nil && i < len(top); i++ {
		err = put(top[i])
	}
	if err == nil {
		err = w.flush()
	}
	if err != nil {
		w.run.close()
		return nil, err
	}
	return w.run, nil
}

// bloom is a Bloom filter in blocks of one cache line: a key has 6 bits in one block. An empty one lets all keys pass.
type bloom struct{ blocks [][8]uint64 }

const (
	bloomBitsPerKey = 10
	bloomBits       = 6
)

func newBloom(keys, maxBytes int64) bloom {
	blocks := min(keys*bloomBitsPerKey/512+1, maxBytes/64)
	if blocks*512 < keys*3 { // it would let nearly everything pass
		return bloom{}
	}
	return bloom{make([][8]uint64, blocks)}
}

func (b *bloom) memory() int64 { return int64(len(b.blocks)) * 64 }

// block maps the high word's hash onto the blocks; probes come from the low word's.
func (b *bloom) block(key columns.Hash) *[8]uint64 {
	h := (key.Lo ^ key.Hi) * 0x9e3779b97f4a7c15
	return &b.blocks[(h>>32)*uint64(len(b.blocks))>>32]
}

func (b *bloom) add(key columns.Hash) {
	if len(b.blocks) == 0 {
		return
	}
	block := b.block(key)
	for i, h := 0, key.Lo; i < bloomBits; i, h = i+1, h>>9 {
		block[h>>6&7] |= 1 << (h & 63)
	}
}

func (b *bloom) mayHold(key columns.Hash) bool {
	if len(b.blocks) == 0 {
		return true
	}
	block := b.block(key)
	for i, h := 0, key.Lo; i < bloomBits; i, h = i+1, h>>9 {
		if block[h>>6&7]&(1<<(h&63)) == 0 {
			return false
		}
	}
	return true
}
