package mirror

import "github.com/millrace/millrace/catalog/internal/rawfile"

// file is a data file of the table.
type file struct {
	path    string
	bucket  int
	rows    int64
	deleted rawfile.Bitmap // rows deleted by position
	gone    int64          // how many those are
	deletes []string
}

func (f *file) live() int64 { return f.rows - f.gone }

// fileSet is what the table holds at the snapshot that the index describes. Files have small numbers,
// which the index stores.
type fileSet struct {
	files  []*file // by number; nil where free
	byPath map[string]uint32
	free   []uint32
	// deletes lists, for each position-delete file, the data files that it may name. One that names none can leave the table.
	deletes map[string]*deleteFile
}

type deleteFile struct {
	path   string
	bucket int
	names  map[uint32]bool
}

func newFileSet() *fileSet {
	return &fileSet{byPath: map[string]uint32{}, deletes: map[string]*deleteFile{}}
}

// reserve gives a number to a file that is being written.
func (s *fileSet) reserve(f *file) uint32 {
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		s.files[id] = f
		return id
	}
	s.files = append(s.files, f)
	return uint32(len(s.files) - 1)
}

// release takes a number back, of a file that was removed or never committed.
func (s *fileSet) release(id uint32) {
	s.files[id] = nil
	s.free = append(s.free, id)
}

// enter makes a reserved file a part of the table.
func (s *fileSet) enter(id uint32) {
	f := s.files[id]
	s.byPath[f.path] = id
	for _, d := range f.deletes {
		s.deleteFile(d, f.bucket).names[id] = true
	}
}

func (s *fileSet) deleteFile(path string, bucket int) *deleteFile {
	d := s.deletes[path]
	if d == nil {
		d = &deleteFile{path: path, bucket: bucket, names: map[uint32]bool{}}
		s.deletes[path] = d
	}
	return d
}

// name records that a delete file of the table names a data file.
func (s *fileSet) name(id uint32, deletePath string) {
	f := s.files[id]
	f.deletes = append(f.deletes, deletePath)
	s.deleteFile(deletePath, f.bucket).names[id] = true
}

// remove takes a data file out and frees its number.
func (s *fileSet) remove(id uint32) {
	s.forget(id)
	s.release(id)
}

// forget takes a data file out; its number stays taken.
func (s *fileSet) forget(id uint32) {
	f := s.files[id]
	delete(s.byPath, f.path)
	for _, path := range f.deletes {
		if d := s.deletes[path]; d != nil {
			delete(d.names, id)
			if len(d.names) == 0 {
				delete(s.deletes, path)
			}
		}
	}
}

// dropDeletes takes a delete file out whose rows another one deletes now.
func (s *fileSet) dropDeletes(path string) {
	d := s.deletes[path]
	if d == nil {
		return
	}
	for id := range d.names {
		f := s.files[id]
		kept := f.deletes[:0]
		for _, p := range f.deletes {
			if p != path {
				kept = append(kept, p)
			}
		}
		f.deletes = kept
	}
	delete(s.deletes, path)
}

// of lists the numbers of the table's files, in no order.
func (s *fileSet) of() []uint32 {
	out := make([]uint32, 0, len(s.byPath))
	for _, id := range s.byPath {
		out = append(out, id)
	}
	return out
}
