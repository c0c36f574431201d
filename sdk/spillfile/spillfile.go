// Package spillfile opens spill files: what a run writes when its memory is
// used up, and reads back before it ends.
//
// A spill file has no name in its folder, so nothing of it stays behind,
// also when the process is killed. Its space comes back when it is closed. Where the
// operating system cannot unlink a file that is open, it keeps its name until it is closed.
//
// Errors name the folder; a full disk shows on write, as errors of os do.
package spillfile

import (
	"errors"
	"fmt"
	"os"
)

// File is a spill file, open for reading and writing at any place. Close gives its space back.
type File struct {
	*os.File
	named bool // it could not be unlinked while open
}

// Open makes an empty file in dir; "" is the folder for temporary files (TMPDIR).
func Open(dir string) (*File, error) {
	f, err := os.CreateTemp(dir, "millrace-spill-*")
	if err != nil {
		return nil, fmt.Errorf("make a spill file: %w", err)
	}
	return &File{File: f, named: os.Remove(f.Name()) != nil}, nil
}

// Close closes the file, which is gone with that.
func (f *File) Close() error {
	err := f.File.Close()
	if f.named {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
