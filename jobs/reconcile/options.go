package reconcile

import (
	"context"
	"log/slog"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/connectors/csvio"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/columnar"
	"github.com/millrace/millrace/sdk/source"
	"github.com/millrace/millrace/sdk/storage"
)

// Runner runs a bounded pipeline to its end, in this process.
type Runner func(ctx context.Context, build func(beam.Scope) error) error

// Options describe a run. Lake, Run and at least one check are required.
type Options struct {
	Lake *catalog.Lake
	Run  Runner
	// Stores opens the places of the statement's files and of Work.
	Stores storage.Resolver
	// At is the state of the lake to prove; the zero value is the latest cut.
	At catalog.At
	// Statement, Balances and Source are the checks; nil leaves one out.
	Statement *Statement
	Balances  *Balances
	Source    *Source
	// Zone is where business days begin and end; nil: UTC.
	Zone *time.Location
	// Out is a local folder for breaks.csv, matches.parquet and summary.json; "" writes none. It is made if it is not there.
	Out string
	// Dry leaves the lake as it is.
	Dry bool
	// Namespace holds the tables runs and breaks. "": "reconciliation".
	Namespace string
	// Work is a URL or local folder, empty, for files of the run; all that is in it is removed at the run's end. "": the system's temporary folder.
	Work string
	// Partitions is into how many parts rows are cut; it changes no result. 0: dataset.DefaultPartitions.
	Partitions int
	Clock      func() time.Time // nil: time.Now
	Logger     *slog.Logger     // nil: slog.Default()
}

// Statement compares a table of the lake, on the left, with a file, on the right.
type Statement struct {
	Rule reconciliation.Rule // what matches; Name "" is "statement"
	// Table is the lake's side, such as "ledger.entries".
	Table string
	// Lookup brings columns of another table to Table's rows; nil for none.
	Lookup *Lookup
	// Where keeps the rows of Table (after Lookup) for which it is true; nil keeps all.
	Where expr.Expr
	// Left says where Table has what is compared. Ref nil is the table's key. Scale is set by the amount's own.
	Left columnar.Columns
	// File is the path or URL of the statement; its last element may be a pattern of storage.Glob.
	File string
	// Format is csv or parquet; "" goes by the file's name.
	Format string
	// CSV says how a CSV file is written. Schema, Columns and OnReject are not looked at.
	CSV csvio.Options
	// Right says where the file has what is compared. Ref and Scale are not looked at: a row is named by file and line.
	Right columnar.Columns
	// Quarantine is how many records that cannot be read are set aside before the run ends; 0 refuses the statement at the first.
	Quarantine int64
}

// Lookup joins another table by columns of the same names.
type Lookup struct {
	Table   string
	On      []string
	Columns []string // what to bring along
}

// Balances proves opening + movements = closing by account and day.
//
// With Stated the balances come from another table, such as the change log of the
// accounts: a day closes with its last balance and opens with the balance before its first.
// Without it each row of Movements states the balance after it (Movements.Balance), and a day
// chains where some order of its rows explains them all.
type Balances struct {
	Name      string // of the rule; "" is "balances"
	Movements Movements
	Stated    *Stated
}

// Movements says where the movements are.
type Movements struct {
	Table   string
	Account string // column: whose movement it is
	Amount  string // decimal column, signed
	Date    string // date column, or a timestamp, of which the day is taken
	Balance string // decimal column: the balance after it; only without Stated
	Where   expr.Expr
}

// Stated says where balances are stated.
type Stated struct {
	Table   string
	Account string   // of the same type as that of the movements
	Balance string   // decimal column: the balance after
	Before  string   // decimal column: the balance before; "" where there is none
	Date    string   // as in Movements
	Order   []string // what orders the statements of one account and day
	// Op is the column of a change log that says c where a row began; "" where there is none.
	Op    string
	Where expr.Expr
}

// Source compares the change stream with the tables that were ingested from it, up to the stream's position in the lake.
type Source struct {
	Stream source.Source // a reader of its own; the caller closes it
	// Tables are the source's tables, as the ingest has them.
	Tables []SourceTable
	// Namespace holds them in the lake. "": "ledger".
	Namespace string
	// Rows compares row by row with the mirrors, by key, in all columns, beside the counts and control totals.
	Rows bool
	// Limits bound what is read at once; see source.Limits.
	Limits source.Limits
}

// SourceTable is a table of the source and how the lake keeps it.
type SourceTable struct {
	Name    string   // base name, as in source.Batch
	Key     []string // primary key columns
	Mirror  bool     // the lake keeps the current state
	History bool     // the lake keeps every change
	Control string   // as ingest.Table has it
}

func (o *Options) complete() error {
	if o.Lake == nil || o.Run == nil {
		return fault.Usagef("reconcile: a lake and a runner are required")
	}
	if o.Statement == nil && o.Balances == nil && o.Source == nil {
		return fault.Usagef("reconcile: nothing to check: name a statement, balances or a source")
	}
	if o.Namespace == "" {
		o.Namespace = "reconciliation"
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if s := o.Statement; s != nil && s.Rule.Name == "" {
		c := *s
		c.Rule.Name = "statement"
		o.Statement = &c
	}
	if b := o.Balances; b != nil && b.Name == "" {
		c := *b
		c.Name = "balances"
		o.Balances = &c
	}
	if s := o.Source; s != nil && s.Namespace == "" {
		c := *s
		c.Namespace = "ledger"
		o.Source = &c
	}
	return nil
}
