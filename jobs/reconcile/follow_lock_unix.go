//go:build unix

package reconcile

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/millrace/millrace/sdk/fault"
)

// lockFolder takes a folder for this process, until the file is closed or the process ends.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // it holds nothing
		return nil, fault.Usagef("%s is in use by another process: give each its own folder for the state", dir)
	}
	return f, nil
}
