package statementio

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/bai2"
	"github.com/millrace/millrace/sdk/statement/camt"
	"github.com/millrace/millrace/sdk/statement/mt940"
	"github.com/millrace/millrace/sdk/statement/nacha"
	"github.com/millrace/millrace/sdk/statement/ofx"
)

// opener makes a format's decoder.
type opener func(r io.Reader, opts statement.Options, o *Options) (statement.Decoder, error)

// plain is the opener of a format that needs no more than the common options.
func plain[D statement.Decoder](open func(io.Reader, statement.Options) (D, error)) opener {
	return func(r io.Reader, opts statement.Options, _ *Options) (statement.Decoder, error) {
		d, err := open(r, opts)
		if err != nil {
			return nil, err
		}
		return d, nil
	}
}

// decoders of all formats.
var decoders = map[statement.Format]opener{
	statement.BAI2:  plain(bai2.NewDecoder),
	statement.CAMT:  plain(camt.NewDecoder),
	statement.MT940: plain(mt940.NewDecoder),
	statement.NACHA: plain(nacha.NewDecoder),
	statement.OFX:   plain(ofx.NewDecoder),
}

func unknown(f statement.Format) error {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(decoders)) {
		names = append(names, string(n))
	}
	return fault.Usagef("format %q: want one of %s, or nothing for what each file's bytes say", string(f), strings.Join(names, ", "))
}
