package life_test

import (
	"fmt"
	"time"

	"github.com/millrace/millrace/sdk/calendar"
	"github.com/millrace/millrace/sdk/reconciliation/life"
)

// A break is found, its write-off is proposed, and a second person approves it.
func Example() {
	state := life.New()
	night, _ := calendar.ParseDay("2026-01-05")
	at := time.Date(2026, 1, 5, 20, 0, 0, 0, time.UTC)
	events, err := state.Events(life.Run{Rules: "cards", Version: life.HashOf([]byte("…")), ID: "run-1", Night: night, At: at,
		Policy: life.Policy{Limits: []life.Limit{{Currency: "EUR", Item: "50.00", Total: "500.00", Period: life.Month}}},
		Found:  map[string]life.Break{"b1": {Class: "amount", Leg: "ledger-bank", Key: "INV-1", Difference: "12.50", Currency: "EUR"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	records, _ := state.Append(events...)
	for _, e := range []life.Event{
		{Kind: life.WriteOffProposed, At: at.Add(time.Hour), Rules: "cards", By: "ann", Cases: []string{"b1"}, Reason: "bank charge"},
		{Kind: life.Approved, At: at.Add(2 * time.Hour), Rules: "cards", By: "Ann", Cases: []string{"b1"}, Proposal: 4},
		{Kind: life.Approved, At: at.Add(2 * time.Hour), Rules: "cards", By: "bob", Cases: []string{"b1"}, Proposal: 4},
	} {
		state, _ = life.Replay(records) // an event that is refused spoils the state that it was tried on
		added, err := state.Append(e)
		if err != nil {
			fmt.Println(err)
			continue
		}
		records = append(records, added...)
	}
	fmt.Println(state.Case("b1").Status, "after", len(records), "events")
	// Output:
	// case b1: ann proposed it, so somebody else must approve it
	// written_off after 5 events
}

// An anchor that was kept elsewhere finds that the last events are missing.
func ExampleAnchor_Check() {
	state := life.New()
	at := time.Date(2026, 1, 5, 20, 0, 0, 0, time.UTC)
	text := "name: cards"
	records, err := state.Append(
		life.Event{Kind: life.RulesProposed, At: at, Rules: "cards", By: "ann", Version: life.HashOf([]byte(text)), Text: text},
		life.Event{Kind: life.RulesApproved, At: at, Rules: "cards", By: "bob", Version: life.HashOf([]byte(text)), Proposal: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	anchor := state.Anchor
	fmt.Println(anchor.Check(records))
	fmt.Println(anchor.Check(records[:1]))
	// Output:
	// <nil>
	// the chain of events is broken at event 2: it is missing: the anchor saw 2 events, there are 1
}

func ExampleAgeing() {
	ageing, err := life.NewAgeing(nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	first, _ := calendar.ParseDay("2026-01-05")
	night, _ := calendar.ParseDay("2026-02-10")
	days := ageing.Days(first, night)
	fmt.Println(days, ageing.Buckets()[ageing.Bucket(days)])
	// Output: 36 31-60
}
