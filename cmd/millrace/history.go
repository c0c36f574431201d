package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/catalog/changelog"
	"github.com/millrace/millrace/sdk/fault"
)

// changeRow is one change of a row.
type changeRow struct {
	at, op, tx, shard string
	offset            int64
	row, before       []cell // by value column; before is nil where the source does not tell it
}

// opNames are what a person reads for an operation.
var opNames = map[string]string{"r": "read", "c": "create", "u": "update", "d": "delete", "t": "truncate"}

// showHistory shows the changes of the rows with the key, in the order in which the source committed them.
func (x *showFlags) showHistory(ctx context.Context, lake *catalog.Lake, name string, w io.Writer) error {
	if len(x.keys) == 0 {
		return fault.Usagef("--history needs the row's key, as --key account_id=1001")
	}
	if len(x.columns) > 0 {
		return fault.Usagef("--history shows the columns that changed: leave --columns out")
	}
	at, err := x.state.at()
	if err != nil {
		return err
	}
	cut, err := lake.At(ctx, at)
	if err != nil {
		return err
	}
	if slices.Contains(cut.Tables(), name) && !slices.Contains(cut.Tables(), changelog.Name(name)) {
		return fault.Usagef("%s keeps no history at cut %d: there is no table %s", name, cut.Number(), changelog.Name(name))
	}
	if _, _, _, err := x.open(ctx, lake, name); err != nil { // the mistakes are told with the table's own name
		return err
	}
	t, schema, filter, err := x.open(ctx, lake, changelog.Name(name))
	if err != nil {
		return err
	}
	g, err := readGrid(ctx, lake, t, schema, filter, nil, 0)
	if err != nil {
		return err
	}
	values, changes, err := g.changes()
	if err != nil {
		return err
	}
	left := 0
	if x.limit > 0 && len(changes) > x.limit {
		left = len(changes) - x.limit
	}
	if x.json {
		return historyJSON(w, name, t, values, changes[left:])
	}
	return printHistory(w, x, t, values, changes, left)
}

// changes reads the rows of a change log.
func (g *grid) changes() (values []arrow.Field, out []changeRow, err error) {
	at := map[string]int{}
	for c, f := range g.fields {
		at[f.Name] = c
	}
	var cols, before []int
	for c, f := range g.fields {
		if b, ok := at[changelog.BeforePrefix+f.Name]; ok {
			values, cols, before = append(values, f), append(cols, c), append(before, b)
		}
	}
	for _, row := range g.rows {
		ch := changeRow{at: row[at[changelog.ColCommittedAt]].text, op: row[at[changelog.ColOp]].text, tx: row[at[changelog.ColTx]].text, shard: row[at[changelog.ColShard]].text}
		if ch.offset, err = strconv.ParseInt(row[at[changelog.ColOffset]].text, 10, 64); err != nil {
			return nil, nil, fmt.Errorf("offset of a change: %w", err)
		}
		told := false
		for i, c := range cols {
			ch.row, ch.before = append(ch.row, row[c]), append(ch.before, row[before[i]])
			told = told || !row[before[i]].null
		}
		if !told {
			ch.before = nil
		}
		out = append(out, ch)
	}
	slices.SortStableFunc(out, func(a, b changeRow) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.shard, b.shard), cmp.Compare(a.offset, b.offset))
	})
	return values, out, nil
}

func printHistory(w io.Writer, x *showFlags, t *catalog.Table, values []arrow.Field, changes []changeRow, left int) error {
	var b bytes.Buffer
	if left > 0 {
		fmt.Fprintf(&b, "(%d earlier changes are left out, see --limit)\n", left)
	}
	for i := left; i < len(changes); i++ {
		ch := changes[i]
		before := ch.before
		if before == nil && ch.op == "u" && i > 0 {
			before = changes[i-1].row
		}
		op := opNames[ch.op]
		if op == "" {
			op = ch.op
		}
		fmt.Fprintf(&b, "%-27s  %-8s  tx %-8s", ch.at, op, orUnknown(ch.tx))
		for c, f := range values {
			now := ch.row[c]
			switch {
			case before == nil || ch.op != "u":
				if !now.null {
					fmt.Fprintf(&b, "  %s=%s", f.Name, now.show())
				}
			case now != before[c]:
				fmt.Fprintf(&b, "  %s: %s → %s", f.Name, before[c].show(), now.show())
			}
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "(%d changes of %s; %s at cut %d)\n", len(changes), strings.Join(x.keys, ", "), t.Name(), t.Cut())
	_, err := w.Write(b.Bytes())
	return err
}

func orUnknown(tx string) string {
	if tx == "" {
		return "unknown"
	}
	return tx
}

func historyJSON(w io.Writer, name string, t *catalog.Table, values []arrow.Field, changes []changeRow) error {
	type line struct {
		At     string          `json:"committed_at"`
		Op     string          `json:"op"`
		Tx     string          `json:"tx,omitempty"`
		Shard  string          `json:"shard"`
		Offset int64           `json:"offset"`
		Row    json.RawMessage `json:"row"`
		Before json.RawMessage `json:"before,omitempty"`
	}
	out := struct {
		Table   string `json:"table"`
		Cut     int64  `json:"cut"`
		Changes []line `json:"changes"`
	}{name, t.Cut(), []line{}}
	for _, ch := range changes {
		l := line{At: ch.at, Op: ch.op, Tx: ch.tx, Shard: ch.shard, Offset: ch.offset}
		var err error
		if l.Row, err = objectOf(values, ch.row); err != nil {
			return err
		}
		if ch.before != nil {
			if l.Before, err = objectOf(values, ch.before); err != nil {
				return err
			}
		}
		out.Changes = append(out.Changes, l)
	}
	return printJSON(w, out)
}
