//go:build !unix

package reconcile

import (
	"fmt"
	"os"
	"path/filepath"
)

// lockFolder opens the file by which other systems tell that a folder is in use; here it does not keep a second process out.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state: %w", err)
	}
	return f, nil
}
