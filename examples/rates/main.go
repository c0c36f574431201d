// Command rates brings a central bank's exchange rates, CSV files that arrive in object storage, into the lake table
// ref.rates, and writes the latest rate of each currency as a Parquet file with a manifest, for those who have no
// engine for the lake. It shows sources and sinks that are files: an explicit schema, decimals
// with a comma, bad records put aside with their line and reason instead of ending the run.
//
// RATES is where they are, such as s3://landing/rates, reached with the lake's own settings: the files arrive
// in RATES/in, bad records go to RATES/rejected, the Parquet file to RATES/latest.
package main

import (
	"context"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/connectors/parquetio"
	"github.com/millrace/millrace/runners"
	"github.com/millrace/millrace/sdk/dataset"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/files"
	"github.com/millrace/millrace/sdk/files/fileset"
)

// rates is how the files' columns become columns of the table. A rate that is no exact decimal(18,6) is a bad record.
var rates = csvio.Options{
	Schema: arrow.NewSchema([]arrow.Field{
		{Name: "day", Type: arrow.FixedWidthTypes.Date32},
		{Name: "currency", Type: arrow.BinaryTypes.String},
		{Name: "rate", Type: &arrow.Decimal128Type{Precision: 18, Scale: 6}},
	}, nil),
	Delimiter: ";",
	Text:      files.TextOptions{DateLayouts: []string{"02.01.2006"}, DecimalMark: ","},
}

func build(s beam.Scope, lk *catalog.Lake) error { return from(s, lk, os.Getenv("RATES")) }

// from builds the pipeline over the files at a location.
func from(s beam.Scope, lk *catalog.Lake, location string) error {
	if location == "" {
		return fault.Usagef("RATES is not set: write where the files are, such as RATES=s3://landing/rates")
	}
	ctx := context.Background() // building reads a listing at most
	store, arriving, err := lk.Storage(ctx, location+"/in")
	if err != nil {
		return err
	}
	root := strings.TrimSuffix(arriving, "in")
	in, err := csvio.NewSource(ctx, store, root+"in/*.csv", rates, fileset.Rejects{To: root + "rejected", Most: 100})
	if err != nil {
		return err
	}
	out, err := parquetio.NewSink(store, root+"latest/rates", parquetio.WriteOptions{})
	if err != nil {
		return err
	}
	all := csvio.Read(s, in)
	dataset.Write(s, lk, "ref.rates", all, dataset.Key("currency", "day"))
	latest := dataset.GroupBy(s, all, "currency").Last("rate", "rate", "day").Max("day", "day")
	parquetio.Write(s, out, latest)
	return nil
}

func main() { runners.Main(build) }
