package project

import "time"

// Features says which ledger the credit features are computed from, and where they go.
type Features struct {
	Table    string `yaml:"table" default:"features.account_daily" doc:"the table to write"`
	Entries  string `yaml:"entries" default:"ledger.entries" doc:"the table of entries"`
	Accounts string `yaml:"accounts" default:"ledger.accounts" doc:"the table of accounts; none: every account that has entries"`
	Account  string `yaml:"account" default:"account_id" doc:"the account's column, in both"`
	Amount   string `yaml:"amount" default:"amount" doc:"the entries' signed amount; a credit is positive"`
	Booked   string `yaml:"booked" default:"booked_at" doc:"when an entry counts from: a timestamp or a date"`
	Currency string `yaml:"currency" default:"currency" doc:"the currency's column; none: the ledger has one currency"`
	KnownAt  string `yaml:"known_at" default:"booked" doc:"when an entry became known: booked (when it was booked), commit (when the source committed it, by the change log) or a column"`
	TimeZone string `yaml:"time_zone" default:"UTC" doc:"where a date ends, such as Europe/Prague"`
	Buckets  int    `yaml:"buckets" default:"0" doc:"hash buckets of a table that is created; 0: as the entries have"`
}

// Zone is where a date ends.
func (f Features) Zone() (*time.Location, error) { return time.LoadLocation(f.TimeZone) }

// checkFeatures finds the mistakes of the section features.
func (f *File) checkFeatures(say sayer) {
	x := f.Features
	for _, n := range []struct{ path, table string }{{"table", x.Table}, {"entries", x.Entries}, {"accounts", x.Accounts}} {
		if !isTableName(n.table) && (n.path != "accounts" || n.table != "none") {
			say("features."+n.path, "%q is not a table; write namespace.name", n.table)
		}
	}
	if x.Table == x.Entries || x.Table == x.Accounts {
		say("features.table", "is a table of the ledger itself")
	}
	if _, err := x.Zone(); err != nil {
		say("features.time_zone", "%q is not a time zone; write a name such as Europe/Prague", x.TimeZone)
	}
	if x.Buckets < 0 {
		say("features.buckets", "must not be negative")
	}
	if t, ok := f.Ingest.Tables[baseName(x.Entries)]; ok && x.KnownAt == "commit" && !t.History && x.Entries == f.Ingest.Namespace+"."+baseName(x.Entries) {
		say("features.known_at", "commit needs the change log of %s: set history of ingest.tables.%s", x.Entries, baseName(x.Entries))
	}
}
