package nightly

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/fault"
)

// Nights lists the latest nights, at most so many, by business date, the latest first.
func (h *History) Nights(ctx context.Context, most int) ([]Night, error) {
	return h.nights(ctx, ` ORDER BY business_date DESC LIMIT ?`, most)
}

// Night is that of a business date; false if there is none.
func (h *History) Night(ctx context.Context, date string) (Night, bool, error) {
	out, err := h.nights(ctx, ` AND business_date = ?`, date)
	if err != nil || len(out) == 0 {
		return Night{}, false, err
	}
	return out[0], true, nil
}

func (h *History) nights(ctx context.Context, where string, args ...any) (out []Night, err error) {
	err = h.bodies(ctx, `SELECT body FROM millrace_nights WHERE catalog_name = ?`+where, args, func(body string) error {
		var n Night
		err := json.Unmarshal([]byte(body), &n)
		out = append(out, n)
		return err
	})
	return out, err
}

// statuses are those of the nights from a business date on.
func (h *History) statuses(ctx context.Context, from string) (map[string]Status, error) {
	out := map[string]Status{}
	err := h.leases.Read(ctx, func(tx *catalog.LeaseTx) error {
		clear(out)
		return tx.Query(ctx, `SELECT business_date, status FROM millrace_nights WHERE catalog_name = ? AND business_date >= ?`, []any{h.leases.Name(), from},
			func(scan func(...any) error) error {
				var date, status string
				err := scan(&date, &status)
				out[date] = Status(status)
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("read the run history: %w", err)
	}
	return out, nil
}

// Attempts lists the attempts of a night, in the order in which they began.
func (h *History) Attempts(ctx context.Context, date string) (out []Attempt, err error) {
	err = h.bodies(ctx, `SELECT body FROM millrace_night_steps WHERE catalog_name = ? AND business_date = ? ORDER BY started_ms, step, attempt`, []any{date}, func(body string) error {
		var a Attempt
		err := json.Unmarshal([]byte(body), &a)
		out = append(out, a)
		return err
	})
	return out, err
}

// bodies reads the JSON bodies of rows; the catalog's name is the query's first parameter.
func (h *History) bodies(ctx context.Context, query string, args []any, each func(body string) error) error {
	var all []string
	err := h.leases.Read(ctx, func(tx *catalog.LeaseTx) error {
		all = nil
		return tx.Query(ctx, query, append([]any{h.leases.Name()}, args...), func(scan func(...any) error) error {
			var body string
			err := scan(&body)
			all = append(all, body)
			return err
		})
	})
	for _, body := range all {
		if err == nil {
			err = each(body)
		}
	}
	if err != nil {
		return fmt.Errorf("read the run history: %w", err)
	}
	return nil
}

// Events lists the latest lines of the audit trail, at most so many, the oldest first.
func (h *History) Events(ctx context.Context, most int) ([]Event, error) {
	var out []Event
	err := h.leases.Read(ctx, func(tx *catalog.LeaseTx) error {
		out = nil
		return tx.Query(ctx, `SELECT seq, at_ms, kind, who, business_date, body FROM (SELECT seq, at_ms, kind, who, business_date, body FROM millrace_night_events
			WHERE catalog_name = ? ORDER BY seq DESC LIMIT ?) latest ORDER BY seq`, []any{h.leases.Name(), most}, func(scan func(...any) error) error {
			var e Event
			var at int64
			var body string
			if err := scan(&e.Seq, &at, &e.Kind, &e.Who, &e.Date, &body); err != nil {
				return err
			}
			e.At, e.Detail = time.UnixMilli(at).UTC(), json.RawMessage(body)
			out = append(out, e)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return out, nil
}

// texts finds the texts that a plan pins.
func (h *History) texts(ctx context.Context, p Plan) (map[string]string, error) {
	out := map[string]string{}
	for path, digest := range p.Pins {
		found := false
		err := h.bodies(ctx, `SELECT body FROM millrace_night_texts WHERE catalog_name = ? AND digest = ?`, []any{digest}, func(body string) error {
			found, out[path] = true, body
			return nil
		})
		if err != nil {
			return nil, err
		}
		if !found || Digest(out[path]) != digest {
			return nil, fault.Usagef("the run history has not the rule file %s that the night began with", path)
		}
	}
	return out, nil
}
