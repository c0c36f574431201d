package jsonio

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
)

// DefaultBatchRows is the most rows of a batch by default.
const DefaultBatchRows = 8192

// Extra says what to do about keys that the schema does not have.
type Extra string

// The policies.
const (
	RefuseExtra Extra = ""       // the record is rejected
	IgnoreExtra Extra = "ignore" // the key is not read
)

// Options says how the files are read. The zero value infers the schema.
type Options struct {
	// Schema of the rows; nil infers it.
	Schema *arrow.Schema `json:"-"`
	// Columns to read, in this order; nil reads all of the schema.
	Columns []string `json:"columns,omitempty"`
	// Flatten makes columns of the keys of nested objects, named by their path: "customer.id".
	Flatten bool `json:"flatten,omitempty"`
	// Extra keys; records that have any are rejected by default.
	Extra Extra `json:"extra,omitempty"`
	// DateLayouts, TimeLayouts and TimeZone are as in files.TextOptions.
	DateLayouts []string `json:"date_layouts,omitempty"`
	TimeLayouts []string `json:"time_layouts,omitempty"`
	TimeZone    string   `json:"time_zone,omitempty"`
	// Compression of the files; by their names by default.
	Compression files.Compression `json:"compression,omitempty"`
	// SplitBytes is how much a split covers; files.DefaultSplitBytes by default.
	SplitBytes int64 `json:"split_bytes,omitempty"`
	// MaxRecord is the most bytes that a record may have; files.DefaultMaxLine by default.
	MaxRecord int `json:"max_record,omitempty"`
	// SampleRows is how many records a schema is inferred from; files.DefaultSampleRows by default, negative for all.
	SampleRows int `json:"sample_rows,omitempty"`
	// BatchRows is the most rows of a batch; DefaultBatchRows by default.
	BatchRows int `json:"batch_rows,omitempty"`
	// OnReject takes bad records; without it the first one is an error.
	OnReject files.RejectFunc `json:"-"`
}

// Validate reports every fault of the options at once, as a fault.Usage.
func (o Options) Validate() error {
	var faults []string
	if o.Extra != RefuseExtra && o.Extra != IgnoreExtra {
		faults = append(faults, fmt.Sprintf("extra keys %q: want ignore, or nothing to refuse them", o.Extra))
	}
	if o.SplitBytes < 0 || o.MaxRecord < 0 || o.BatchRows < 0 {
		faults = append(faults, "split bytes, max record and batch rows cannot be negative")
	}
	if err := o.Compression.Check(); err != nil {
		faults = append(faults, err.Error())
	}
	if o.Schema != nil {
		if err := files.CheckSchema(o.Schema); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if faults != nil {
		return fault.Usagef("json options: %s", strings.Join(faults, "; "))
	}
	return nil
}

func (o Options) text() files.TextOptions {
	return files.TextOptions{DateLayouts: o.DateLayouts, TimeLayouts: o.TimeLayouts, TimeZone: o.TimeZone}
}

func (o Options) maxRecord() int {
	if o.MaxRecord == 0 {
		return files.DefaultMaxLine
	}
	return o.MaxRecord
}
