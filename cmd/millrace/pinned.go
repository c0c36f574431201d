package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/millrace/millrace/sdk/fault"
)

// pinnedVariable names the open file from which a step of a night reads the files that it shall read as the night began with
// them. They come through a pipe, so that no copy of what they hold is left on a disk.
const pinnedVariable = "MILLRACE_NIGHT_PINNED"

// pinnedTexts are files by their absolute path, as the night that this process is a step of began with them; nil in any other process.
var pinnedTexts = sync.OnceValues(func() (map[string]string, error) {
	number, set := os.LookupEnv(pinnedVariable)
	if !set {
		return nil, nil
	}
	fd, err := strconv.ParseUint(number, 10, 16)
	if err != nil || fd < 3 {
		return nil, fault.Usagef("%s is set by millrace nightly alone", pinnedVariable)
	}
	f := os.NewFile(uintptr(fd), "the night's files")
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fault.Usagef("%s is set by millrace nightly alone: %w", pinnedVariable, err)
	}
	var out map[string]string
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fault.Usagef("%s: %w", pinnedVariable, err)
	}
	return out, nil
})

// pinned is what a file said when the night that this process is a step of began; false: read the file itself.
func pinned(path string) (data []byte, found bool, err error) {
	texts, err := pinnedTexts()
	if err != nil || texts == nil {
		return nil, false, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, false, nil // it is no path
	}
	text, found := texts[filepath.ToSlash(abs)]
	return []byte(text), found, nil
}
