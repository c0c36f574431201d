package ledgergen

import (
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

// Config sizes a bank. The zero value of a field takes the default in brackets.
type Config struct {
	Seed     uint64
	Accounts int       // customer accounts [1000]
	Days     int       // business days of postings [30]
	Start    time.Time // the first day [2026-01-01 UTC]
	// PerAccountDay is the number of postings an account starts a day, in thousandths [600].
	PerAccountDay int
	// NewColumnDay is the day on which entries get a column more; negative: never [Days/2].
	NewColumnDay int
	// Clean leaves out duplicates and malformed messages.
	Clean bool
	// InlineSchema wraps every message with its Connect schema, as Debezium's default converter does.
	InlineSchema bool
	// Server is the topic prefix, as Debezium's topic.prefix ["bank"].
	Server string
}

// withDefaults fills what is not set.
func (c Config) withDefaults() (Config, error) {
	if c.Accounts < 0 || c.Days < 0 || c.PerAccountDay < 0 {
		return c, fault.Usagef("generated bank: accounts, days and postings must not be negative (accounts %d, days %d, postings %d)", c.Accounts, c.Days, c.PerAccountDay)
	}
	if c.Accounts == 0 {
		c.Accounts = 1000
	}
	if c.Accounts == 1 {
		return c, fault.Usagef("generated bank: one account cannot pay another; use at least 2 accounts")
	}
	if c.Days == 0 {
		c.Days = 30
	}
	if c.Start.IsZero() {
		c.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if c.PerAccountDay == 0 {
		c.PerAccountDay = 600
	}
	if c.NewColumnDay == 0 {
		c.NewColumnDay = max(1, c.Days/2)
	}
	if c.Server == "" {
		c.Server = "bank"
	}
	return c, nil
}

// Currencies of the generated accounts, by how often: 6 of 10 are in the first.
var currencies = []string{"CZK", "CZK", "CZK", "CZK", "CZK", "CZK", "EUR", "EUR", "EUR", "USD"}
