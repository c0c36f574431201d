package nightly_test

import (
	"context"
	"fmt"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/jobs/nightly"
	"github.com/millrace/millrace/sdk/calendar"
)

// A process serves nights until it is told to end; others may serve the same history, and one of them runs each night.
func ExampleServe() {
	serve := func(ctx context.Context, database string, settings nightly.Settings) error {
		leases, err := catalog.OpenLeases(ctx, database, catalog.LeaseOptions{})
		if err != nil {
			return err
		}
		defer leases.Close()
		history, err := nightly.OpenHistory(ctx, leases, nil)
		if err != nil {
			return err
		}
		return nightly.Serve(ctx, nightly.Options{
			History: history, Holder: "replica-1",
			Load:     func(context.Context) (nightly.Settings, error) { return settings, nil },
			Progress: func(p nightly.Progress) { fmt.Println(nightly.Line(p)) },
		})
	}
	_ = serve
}

// When the next nights begin: the date's cut-off is its end, and the night the schedule's first time after it.
func ExampleSettings_Upcoming() {
	schedule, err := calendar.ParseSchedule("30 1 * * *")
	if err != nil {
		fmt.Println(err)
		return
	}
	s := nightly.Settings{Schedule: schedule, Calendar: calendar.TARGET(), Zone: time.UTC, Plan: nightly.Plan{CutOff: "24:00"}}
	for _, u := range s.Upcoming(time.Date(2026, 4, 2, 12, 0, 0, 0, time.UTC), 2) {
		fmt.Println(u.Date, "at", u.Start.Format("2006-01-02 15:04"))
	}
	// Output:
	// 2026-04-02 at 2026-04-03 01:30
	// 2026-04-07 at 2026-04-08 01:30
}
