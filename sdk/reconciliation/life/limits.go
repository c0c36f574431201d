package life

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

type amount = money.Decimal

// Policy is what a reconciliation's rules say of cases.
type Policy struct {
	// Approval says that runs need rules whose version a second person has approved.
	Approval bool `json:"approval,omitempty"`
	// Limits are the write-offs that are allowed; a currency without one has none.
	Limits []Limit `json:"limits,omitempty"`
}

// The periods in which write-offs are added up.
const (
	Month   = "month"
	Quarter = "quarter"
	Year    = "year"
)

// Limit is what may be written off in one currency. Amounts are decimals without a sign.
type Limit struct {
	Currency string `json:"currency"`
	Item     string `json:"item"`  // the largest of one case
	Total    string `json:"total"` // the most in a period, approved or waiting for approval
	Period   string `json:"period"`
	// Account is the most of one account in a period; "" sets no such limit.
	Account string `json:"account,omitempty"`
}

// Check refuses limits that make no sense. An error is a fault.Usage.
func (p Policy) Check() error {
	seen := map[string]bool{}
	for _, l := range p.Limits {
		if seen[l.Currency] {
			return fault.Usagef("the limits of %s are stated twice", l.Currency)
		}
		seen[l.Currency] = true
		item, total, err := l.amounts()
		if err != nil {
			return err
		}
		if item.Sign() < 0 || total.Cmp(item) < 0 {
			return fault.Usagef("limits of %s: item must not be negative, and total not less than item", l.Currency)
		}
		if l.Account != "" {
			if account, err := money.Parse(l.Account); err != nil || account.Sign() < 0 {
				return fault.Usagef("limits of %s: account is %q, which is no number of 0 or more", l.Currency, l.Account)
			}
		}
		if l.Period != Month && l.Period != Quarter && l.Period != Year {
			return fault.Usagef("limits of %s: period %q is not one of month, quarter, year", l.Currency, l.Period)
		}
	}
	return nil
}

func (l Limit) amounts() (item, total money.Decimal, err error) {
	if item, err = money.Parse(l.Item); err == nil {
		total, err = money.Parse(l.Total)
	}
	if err != nil {
		err = fault.Mark(fault.Usage, fmt.Errorf("limits of %s: %w", l.Currency, err))
	}
	return item, total, err
}

// periodOf is the period that a day is in, such as 2026-11, 2026-Q4 or 2026.
func periodOf(day calendar.Day, period string) string {
	t := time.Unix(int64(day)*86400, 0).UTC()
	switch period {
	case Year:
		return fmt.Sprintf("%04d", t.Year())
	case Quarter:
		return fmt.Sprintf("%04d-Q%d", t.Year(), (int(t.Month())+2)/3)
	}
	return t.Format("2006-01")
}

// limited refuses a write-off of a case beyond its reconciliation's limits. add is the amount that is not yet counted in what was spent.
func (b *book) limited(c *Case, period string, counted bool) (size amount, err error) {
	if size, err = c.size(); err != nil {
		return size, err
	}
	for _, l := range b.policy.Limits {
		if l.Currency != c.Currency {
			continue
		}
		item, total, err := l.amounts()
		if err != nil {
			return size, err
		}
		if size.Cmp(item) > 0 {
			return size, fault.Usagef("case %s: %s %s is more than the limit of one item, %s", c.ID, size, c.Currency, l.Item)
		}
		if err := b.within(c, spending{c.Currency, period, ""}, size, total, counted); err != nil {
			return size, err
		}
		if l.Account == "" {
			return size, nil
		}
		if c.Account == "" {
			return size, fault.Usagef("case %s: the limits of %s are by account, and it has none", c.ID, c.Currency)
		}
		most, err := money.Parse(l.Account)
		if err != nil {
			return size, fault.Mark(fault.Usage, fmt.Errorf("limits of %s: %w", l.Currency, err))
		}
		return size, b.within(c, spending{c.Currency, period, c.Account}, size, most, counted)
	}
	return size, fault.Usagef("case %s: the rules state no limits of write-offs in %q, so nothing may be written off", c.ID, c.Currency)
}

// within refuses what goes beyond the most that may be spent.
func (b *book) within(c *Case, of spending, size, most amount, counted bool) (err error) {
	spent := b.spent[of]
	if !counted {
		if spent, err = spent.Add(size); err != nil {
			return fmt.Errorf("add up write-offs: %w", err)
		}
	}
	if spent.Cmp(most) <= 0 {
		return nil
	}
	where := of.period
	if of.account != "" {
		where += " on account " + of.account
	}
	return fault.Usagef("case %s: %s %s would be written off in %s, and the limit is %s", c.ID, spent, of.currency, where, most)
}

// period is the one that write-offs of a currency count in now: that of the last night.
func (b *book) period(currency string) string {
	for _, l := range b.policy.Limits {
		if l.Currency == currency {
			return periodOf(b.last(), l.Period)
		}
	}
	return ""
}

// size is what a write-off of the case takes of the limits.
func (c *Case) size() (amount, error) {
	if c.Difference == "" {
		return amount{}, fault.Usagef("case %s has no difference in one currency, so it cannot be written off", c.ID)
	}
	d, err := money.Parse(c.Difference)
	if err != nil {
		return d, fault.Mark(fault.Usage, fmt.Errorf("case %s: %w", c.ID, err))
	}
	return d.Abs(), nil
}

// spend counts a write-off, or with back takes it from the count.
func (b *book) spend(c *Case, period string, back bool) error {
	size, err := c.size()
	if err != nil {
		return err
	}
	if back {
		size = size.Neg()
	}
	all := spending{c.Currency, period, ""}
	sum, err := b.spent[all].Add(size)
	if err != nil {
		return fmt.Errorf("add up write-offs: %w", err)
	}
	if c.Account != "" {
		own := spending{c.Currency, period, c.Account}
		part, err := b.spent[own].Add(size)
		if err != nil {
			return fmt.Errorf("add up write-offs: %w", err)
		}
		b.spent[own] = part
	}
	b.spent[all] = sum
	return nil
}
