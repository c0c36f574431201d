package rulefile

import (
	"fmt"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/reconciliation/life"
)

// Life says how breaks are kept over nights, in the lake's table reconciliation.break_events.
type Life struct {
	Ages     []int           `yaml:"ages" doc:"last days of the buckets of age; default 1, 5, 30, 60, 90"`
	Days     string          `yaml:"days" default:"calendar" enum:"calendar|business" doc:"which days an age counts"`
	Approval string          `yaml:"approval" default:"none" enum:"none|required" doc:"required: a run needs rules whose version a second person has approved"`
	Account  string          `yaml:"account" doc:"column that names the account of a break, for limits by account"`
	WriteOff []WriteOffLimit `yaml:"write_off" doc:"what may be written off, by currency; without it nothing may"`
}

// WriteOffLimit is what may be written off in one currency.
type WriteOffLimit struct {
	Currency string `yaml:"currency" required:"true" doc:"such as EUR"`
	Item     string `yaml:"item" required:"true" doc:"the largest of one break, such as 50.00"`
	Total    string `yaml:"total" required:"true" doc:"the most in a period, approved or waiting for approval"`
	Account  string `yaml:"account" doc:"the most of one account in a period; default no such limit"`
	Period   string `yaml:"period" default:"month" enum:"month|quarter|year" doc:"the period, by the business date"`
}

func (c *checker) life() {
	l := c.f.Life
	if l == nil {
		return
	}
	if _, err := life.NewAgeing(l.Ages, nil); err != nil {
		c.say("life.ages", "%v", err)
	}
	if l.Account != "" {
		for i := range c.f.Sides {
			c.uses("life", "", c.f.Sides[i].Name, "text", ".account", l.Account)
		}
	}
	for i, w := range l.WriteOff {
		if w.Account != "" && l.Account == "" {
			c.say(fmt.Sprintf("life.write_off[%d].account", i), "needs life.account: the column that names the account")
		}
	}
	if err := l.Policy().Check(); err != nil {
		c.say("life.write_off", "%v", err)
	}
}

// Policy is what the section says of approval and limits.
func (l *Life) Policy() life.Policy {
	p := life.Policy{Approval: l.Approval == "required"}
	for _, w := range l.WriteOff {
		p.Limits = append(p.Limits, life.Limit{Currency: w.Currency, Item: w.Item, Total: w.Total, Period: w.Period, Account: w.Account})
	}
	return p
}

// Ageing are the buckets of age; nil where the rules have no section life.
func (f *File) Ageing() (*life.Ageing, error) {
	if f.Life == nil {
		return nil, nil
	}
	if f.Life.Days != "business" {
		return life.NewAgeing(f.Life.Ages, nil)
	}
	if f.Calendar == nil {
		return life.NewAgeing(f.Life.Ages, calendar.Weekdays())
	}
	business, err := f.Calendar.calendar()
	if err != nil {
		return nil, fmt.Errorf("calendar: %w", err)
	}
	return life.NewAgeing(f.Life.Ages, business)
}
