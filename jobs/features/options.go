package features

import (
	"context"
	"log/slog"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/fault"
)

// The knowledge times that are no column's name; see Options.KnownAt.
const (
	KnownBooked = "booked"
	KnownCommit = "commit"
)

// DefaultTable is where features go if Options do not say.
const DefaultTable = "features.account_daily"

// rosterRows is how many accounts and spine pairs, together, are held in memory to be merged with a bucketed ledger.
const rosterRows = 4 << 20

// Runner runs a bounded pipeline to its end.
type Runner func(ctx context.Context, build func(beam.Scope) error) error

// Options describe a run. Lake, Spine and Run are required; the zero value of the rest fits the ledger that ingest writes.
type Options struct {
	Lake  *catalog.Lake
	Spine Spine
	Run   Runner // not needed for Prepare

	Table    string // to write. "": DefaultTable
	Entries  string // "": ledger.entries
	Accounts string // "": ledger.accounts; "none": every account that has entries
	// Account, Amount, Booked and Currency are columns of the entries (Account and Currency of the accounts too).
	// "": account_id, amount, booked_at, currency. Currency "none": the ledger has one, which is not told.
	Account, Amount, Booked, Currency string
	// KnownAt is when an entry became known: KnownBooked ("" too), KnownCommit, or a column of the entries.
	KnownAt string
	// At is the state of the lake to read. Zero: the latest.
	At catalog.At
	// Zone is where a date ends: of as-of dates and of columns that hold dates. nil: UTC.
	Zone *time.Location
	// Buckets is how a table that is created is bucketed by account. 0: as the entries are.
	Buckets int
	// Exchange moves the rows although the layout would not need it.
	Exchange bool
	Logger   *slog.Logger // nil: slog.Default
}

// none is the name of a table or column that a ledger does not have.
const none = "none"

func (o *Options) fill() {
	set := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	set(&o.Table, DefaultTable)
	set(&o.Entries, "ledger.entries")
	set(&o.Accounts, "ledger.accounts")
	set(&o.Account, "account_id")
	set(&o.Amount, "amount")
	set(&o.Booked, "booked_at")
	set(&o.Currency, "currency")
	set(&o.KnownAt, KnownBooked)
	if o.KnownAt == o.Booked {
		o.KnownAt = KnownBooked
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
}

func (o *Options) check() error {
	switch {
	case o.Lake == nil:
		return fault.Usagef("features: no lake is given")
	case o.Buckets < 0:
		return fault.Usagef("features: %d buckets: write a number above 0, or 0 for those of the entries", o.Buckets)
	case o.Table == o.Entries || o.Table == o.Accounts:
		return fault.Usagef("features: the table %s is the ledger's own; write the features to another one, such as %s", o.Table, DefaultTable)
	}
	return o.Spine.check()
}
