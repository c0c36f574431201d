package storage

import (
	"strings"
	"unicode/utf8"

	"github.com/millrace/millrace/sdk/fault"
)

// MaxNameLen is the longest object name in bytes that every store accepts. S3
// allows 1,024 bytes for prefix and name together, and leaves the rest to prefixes.
const MaxNameLen = 896

// CheckName reports, as a fault.Usage, why name cannot be an object's name: it
// is empty, too long, not UTF-8, starts or ends with a slash, or has an element
// that is empty, "." or "..". Stores call it, so callers need not.
func CheckName(name string) error {
	switch {
	case name == "":
		return fault.Usagef("object name is empty")
	case len(name) > MaxNameLen:
		return fault.Usagef("object name %.40q… has %d bytes: at most %d are allowed", name, len(name), MaxNameLen)
	case !utf8.ValidString(name):
		return fault.Usagef("object name %q is not valid UTF-8", name)
	case strings.ContainsAny(name, "\x00\n\r"):
		return fault.Usagef("object name %q has a control character", name)
	}
	for elem := range strings.SplitSeq(name, "/") {
		switch elem {
		case "":
			return fault.Usagef("object name %q has an empty element: write it relative to the store, such as raw/file.json", name)
		case ".", "..":
			return fault.Usagef("object name %q has the element %q: names cannot climb", name, elem)
		}
		if len(elem) > 255 {
			return fault.Usagef("object name %.40q… has an element of %d bytes: at most 255 are allowed", name, len(elem))
		}
	}
	return nil
}
