package reconciliation

import (
	"fmt"

	"github.com/millrace/millrace/sdk/money"
)

// Day is one account's business day as stated and as moved.
type Day struct {
	Account  string
	Date     int32 // days since 1970-01-01
	Opening  money.Decimal
	Movement money.Decimal // Σ of the day's entries
	Closing  money.Decimal // as stated
}

// Proof is a day whose closing does not follow.
type Proof struct {
	Day
	// Difference is opening + movement − closing.
	Difference money.Decimal
	// Chain is true where the opening is not the prior day's closing.
	Chain bool
}

// ProveDays checks opening + movement = closing for each day, and opening = prior
// closing along each account. Days must come by account, then date. It returns
// the days that fail; none means that the proof holds.
func ProveDays(days []Day) ([]Proof, error) {
	var failed []Proof
	for i, d := range days {
		end, err := d.Opening.Add(d.Movement)
		if err != nil {
			return nil, fmt.Errorf("balance proof of account %s, day %d: %w", d.Account, d.Date, err)
		}
		diff, err := end.Sub(d.Closing)
		if err != nil {
			return nil, fmt.Errorf("balance proof of account %s, day %d: %w", d.Account, d.Date, err)
		}
		chain := false
		if i > 0 && days[i-1].Account == d.Account {
			if days[i-1].Date >= d.Date {
				return nil, fmt.Errorf("balance proof: the days of account %s are not in order", d.Account)
			}
			chain = !days[i-1].Closing.Equal(d.Opening)
		}
		if !diff.IsZero() || chain {
			failed = append(failed, Proof{d, diff, chain})
		}
	}
	return failed, nil
}
