package fileio

import (
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/storage"
)

// TestFilesOfOneInstantAreNotLate: stores tell times to the nanosecond, and give files that follow one another closely the
// same one; an anchor keeps microseconds.
func TestFilesOfOneInstantAreNotLate(t *testing.T) {
	t.Parallel()
	at := time.Unix(1, 123_456_789)
	a, err := parseAnchor(anchor{1, at, "t/2"}.String())
	if err != nil {
		t.Fatal(err)
	}
	if late := lateBefore([]storage.Info{{Name: "t/1", Modified: at}}, a); len(late) > 0 {
		t.Errorf("late: %v", late)
	}
	if late := lateBefore([]storage.Info{{Name: "t/1", Modified: at.Add(time.Microsecond)}}, a); len(late) != 1 {
		t.Errorf("a younger file is late: %v", late)
	}
}
