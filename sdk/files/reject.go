package files

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/storage"
)

// Reject is a record that cannot be a row.
type Reject struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`         // of its first byte in the (decompressed) file
	Line   int64  `json:"line,omitempty"` // of its first line, from 1; 0 where it is not known: in a JSON array, or a split that does not begin the file
	Reason string `json:"reason"`         // with the column, where one is to blame
	Raw    []byte `json:"raw"`            // the record's bytes, at most MaxRaw
}

// MaxRaw is how much of a record a reject carries.
const MaxRaw = 64 << 10

// String is the reject as one line.
func (r Reject) String() string {
	if r.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Reason)
	}
	return fmt.Sprintf("%s at byte %d: %s", r.File, r.Offset, r.Reason)
}

// RejectFunc takes a reject to where rejects are kept. An error ends the reading
// of the split. It is called by the goroutine that reads, and must not keep Raw.
type RejectFunc func(ctx context.Context, r Reject) error

// Counts says what was read. Records = Rows + Rejects.
type Counts struct {
	Records int64 `json:"records"`
	Rows    int64 `json:"rows"`
	Rejects int64 `json:"rejects"`
	Bytes   int64 `json:"bytes"` // of records, decompressed
}

// Rejected counts a reject and hands it on. Without a handler it is an error.
func (c *Counts) Rejected(ctx context.Context, handle RejectFunc, r Reject) error {
	c.Rejects++
	if len(r.Raw) > MaxRaw {
		r.Raw = r.Raw[:MaxRaw]
	}
	if handle == nil {
		return fmt.Errorf("%s; fix the file, or give a place for rejects", r)
	}
	if err := handle(ctx, r); err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	return nil
}

// Limit passes rejects to handle until there are more than most of them; then reading ends with a fault.Findings.
func Limit(most int64, handle RejectFunc) RejectFunc {
	n := int64(0)
	return func(ctx context.Context, r Reject) error {
		if n++; n > most {
			return fault.Findingsf("more than %d records were rejected; the last: %s", most, r.Reason)
		}
		return handle(ctx, r)
	}
}

// RejectFile collects the rejects of one split as NDJSON in an object, which
// exists only if there is any. Its methods are for one goroutine.
type RejectFile struct {
	store storage.Store
	name  string
	w     storage.Writer
}

// NewRejectFile names the object; nothing is written before the first reject.
func NewRejectFile(store storage.Store, name string) *RejectFile {
	return &RejectFile{store: store, name: name}
}

// Add is a RejectFunc.
func (f *RejectFile) Add(ctx context.Context, r Reject) error {
	if f.w == nil {
		w, err := f.store.Create(ctx, f.name)
		if err != nil {
			return err
		}
		f.w = w
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write reject: %w", err)
	}
	_, err = f.w.Write(append(line, '\n'))
	return err
}

// Close makes the object visible, if there was a reject.
func (f *RejectFile) Close() error {
	if f.w == nil {
		return nil
	}
	w := f.w
	f.w = nil
	return w.Close()
}

// Abort discards the rejects. It is a no-op after Close.
func (f *RejectFile) Abort() error {
	if f.w == nil {
		return nil
	}
	return f.w.Abort()
}
