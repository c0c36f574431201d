package stream_test

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/sdk/money"
	"github.com/millrace/millrace/sdk/reconciliation"
	"github.com/millrace/millrace/sdk/reconciliation/stream"
)

func Example() {
	s, err := stream.New(stream.Options{Left: "ledger", Right: "bank", Schema: reconciliation.Schema{Texts: []string{"reference"}}, Wait: time.Minute,
		Rules: reconciliation.Rules{Name: "cards", Passes: []reconciliation.Pass{{Name: "exact", Keys: []string{"reference"}, Near: true}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	at := time.Date(2026, 1, 7, 9, 0, 0, 0, time.UTC)
	put := func(side int, ref, reference, amount string) {
		a, err := money.Parse(amount)
		if err == nil {
			err = s.Put(side, &reconciliation.Movement{Ref: ref, Amount: a, Currency: "EUR", Date: 20460, Texts: []string{reference}}, at)
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	tell := func(events []stream.Event) {
		for _, e := range events {
			fmt.Printf("%s %s %s %s, now %q\n", e.At.Format(time.TimeOnly), e.Kind, e.Class, e.Key, e.Now)
		}
	}
	step := func() {
		events, err := s.Step(at)
		if err != nil {
			fmt.Println(err)
		}
		tell(events)
	}
	put(stream.Left, "l1", "A-1", "10.00")
	put(stream.Left, "l2", "A-2", "20.00")
	put(stream.Right, "r1", "A-1", "10.00")
	step()
	at = s.Next()
	tell(s.Alert(at))
	at = at.Add(time.Second)
	put(stream.Right, "r2", "A-2", "20.00")
	step()
	// Output:
	// 09:00:00 matched matched A-1, now ""
	// 09:01:00 overdue missing_right A-2, now ""
	// 09:01:01 resolved missing_right A-2, now "matched"
	// 09:01:01 matched matched A-2, now ""
}
