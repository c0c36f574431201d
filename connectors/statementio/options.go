package statementio

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/statement"
)

// DefaultBatchRows is the most rows of a batch by default.
const DefaultBatchRows = 8192

// Options say how files are read. The zero value tells each file's format and encoding by its bytes, and refuses a
// file at its first malformed record or broken total.
type Options struct {
	// Format of the files; told by their first bytes by default.
	Format statement.Format `json:"format,omitempty"`
	// Schema is Schema(Scale) or nil, which stands for it.
	Schema *arrow.Schema `json:"-"`
	// Columns to read, in this order; nil reads all.
	Columns []string `json:"columns,omitempty"`
	// Scale of amounts: digits behind the point; nil is DefaultScale. An amount that needs more is a reject.
	Scale *int32 `json:"scale,omitempty"`
	// Encoding, Currency, Totals, Whole and MaxRecord are as in statement.Options.
	Encoding  statement.Encoding `json:"encoding,omitempty"`
	Currency  string             `json:"currency,omitempty"`
	Totals    statement.Totals   `json:"totals,omitempty"`
	Whole     bool               `json:"whole,omitempty"`
	MaxRecord int                `json:"max_record,omitempty"`
	// Compression of the files; by their names by default.
	Compression files.Compression `json:"compression,omitempty"`
	// BatchRows is the most rows of a batch; DefaultBatchRows by default.
	BatchRows int `json:"batch_rows,omitempty"`
	// OnReject takes malformed records; without it the first one refuses its file.
	OnReject files.RejectFunc `json:"-"`
	// OnStatement takes each statement when it has ended, with its balances and checks. An error ends the reading.
	OnStatement func(file string, s *statement.Statement) error `json:"-"`
}

// Validate reports every fault of the options at once, as a fault.Usage.
func (o Options) Validate() error {
	err := errors.Join(o.decoding("").Validate(), o.Compression.Check())
	if o.Format != "" && decoders[o.Format] == nil {
		err = errors.Join(err, unknown(o.Format))
	}
	if s := o.scale(); s < 0 || s > 18 {
		err = errors.Join(err, fault.Usagef("scale %d: want 0 to 18 digits", s))
	}
	if o.BatchRows < 0 {
		err = errors.Join(err, fault.Usagef("batch rows %d: want a positive number, or 0 for %d", o.BatchRows, DefaultBatchRows))
	}
	if _, columns := files.Project(o.schema(), o.Columns); columns != nil {
		err = errors.Join(err, columns)
	}
	return fault.Mark(fault.Usage, err)
}

func (o Options) scale() int32 {
	if o.Scale == nil {
		return DefaultScale
	}
	return *o.Scale
}

func (o Options) schema() *arrow.Schema {
	if o.Schema != nil {
		return o.Schema
	}
	return Schema(o.scale())
}

// decoding are the options of a file's decoder.
func (o Options) decoding(file string) statement.Options {
	return statement.Options{File: file, Encoding: o.Encoding, Currency: o.Currency, Totals: o.Totals, Whole: o.Whole, MaxRecord: o.MaxRecord}
}
