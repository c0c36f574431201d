package features

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/sdk/change"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// The keys that a run adds to the summary of its table's snapshot, beside the lake's own. millrace.control.balance[currency=…]
// is Σ balance of all rows that the run wrote.
const (
	KeyCut       = "millrace.features.cut"        // the cut that was read
	KeyAsOf      = "millrace.features.as-of"      // the instants or pairs that were asked for
	KeyKnownAt   = "millrace.features.known-at"   // as Options.KnownAt
	KeyNoHistory = "millrace.features.no-history" // rows of accounts without an entry at their instant
	KeyEntries   = "millrace.features.entries"    // entries seen at the last instant; absent for pairs
)

// maxAttempts is how often a commit is planned anew because other runs of the table were faster.
const maxAttempts = 20

// Commit checks the totals and makes the rows of all tasks visible, in place of those that they replace.
func (s sink) Commit(ctx context.Context, _ string, parts [][]byte) error {
	p, all := s.p, newTotals(s.p.asOf)
	ch := catalog.TableChange{Table: p.o.Table, Schema: p.schema}
	for _, data := range parts {
		var w written
		if err := json.Unmarshal(data, &w); err != nil {
			return fmt.Errorf("decode a task's report: %w", err)
		}
		ch.Add = append(ch.Add, w.Files...)
		if err := all.merge(w.Totals); err != nil {
			return err
		}
	}
	rep := Report{Table: p.o.Table, Cut: p.cut.Number(), AsOf: p.o.Spine.describe(), KnownAt: p.o.KnownAt, Merged: p.merge,
		Rows: all.Rows, NoHistory: all.NoHistory}
	ch.Summary = map[string]string{KeyCut: strconv.FormatInt(rep.Cut, 10), KeyAsOf: rep.AsOf, KeyKnownAt: rep.KnownAt, KeyNoHistory: strconv.FormatInt(rep.NoHistory, 10)}
	if p.asOf != nil {
		ledger, entries, err := p.ledgerTotals(ctx)
		if err != nil {
			return err
		}
		if err := p.balance(&all, ledger); err != nil {
			return err
		}
		rep.Entries, ch.Summary[KeyEntries] = entries, strconv.FormatInt(entries, 10)
	}
	var err error
	if rep.Balances, err = all.byCurrency(p.scale); err != nil {
		return err
	}
	ch.Totals = catalog.Totals{Rows: all.Rows, Inserts: all.Rows, Control: map[string]money.Decimal{}}
	for ccy, d := range rep.Balances {
		name := "balance"
		if p.o.Currency != none {
			name += "[currency=" + ccy + "]"
		}
		ch.Totals.Control[name] = d
	}
	if err := p.commit(ctx, ch, &rep); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report = rep
	return nil
}

// commit replaces rows by the change's, in one step. Runs of one table commit one after the other: each
// moves a counter, and one that finds it moved looks anew for the rows that it replaces.
func (p *Plan) commit(ctx context.Context, ch catalog.TableChange, rep *Report) error {
	lake, stream := p.o.Lake, "features/"+p.o.Table
	for range maxAttempts {
		from, err := lake.StreamPosition(ctx, stream)
		if err != nil {
			return err
		}
		to := from.Clone()
		if to.Next == nil {
			to.Next = map[string]int64{}
		}
		to.Next["runs of "+p.o.Table]++
		next, done, err := p.replacing(ctx, ch, change.EpochID(stream, from), rep)
		if done || err != nil {
			return err
		}
		got, err := lake.Commit(ctx, catalog.Commit{Stream: stream, Epoch: change.EpochID(stream, from), From: from, To: to, Tables: []catalog.TableChange{next}})
		switch {
		case errors.Is(err, catalog.ErrConflict) || err == nil && got.Dropped:
			continue
		case err != nil:
			return err
		}
		rep.Committed, rep.Snapshot = got.Cut, got.Snapshots[p.o.Table]
		return nil
	}
	return fault.Retryablef("table %s changed %d times while its features were being committed: run again when fewer writers are at work", p.o.Table, maxAttempts)
}
