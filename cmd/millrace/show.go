package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/spf13/cobra"

	"github.com/millrace/millrace/catalog"
	"github.com/millrace/millrace/internal/strictyaml"
	"github.com/millrace/millrace/sdk/expr"
	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// showFlags are the flags of the verb show, beside the lake's.
type showFlags struct {
	keys, columns []string
	where         string
	limit         int
	state         stateFlags
	history, json bool
}

func showCommand() *cobra.Command {
	var l lakeFlags
	var x showFlags
	c := &cobra.Command{
		Use:   "show TABLE",
		Short: "show rows of a table, or one row's history",
		Long: `Show rows of a table as they stand at a cut, or the changes of one row as its change log
tells them. Only the files that can hold the rows asked for are read.

  millrace show ledger.accounts --limit 5
  millrace show ledger.entries --key account_id=1001 --columns booked_at,amount,currency
  millrace show features.account_daily --where "balance < 0 and as_of_date = date '2026-03-31'"
  millrace show ledger.accounts --key account_id=1001 --history`,
		Args: func(c *cobra.Command, args []string) error { return oneTable(c, args, true) },
		RunE: func(c *cobra.Command, args []string) error {
			lake, err := l.read(c.Context(), slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
			if err != nil {
				return err
			}
			defer lake.Close()
			if x.history {
				return x.showHistory(c.Context(), lake, args[0], c.OutOrStdout())
			}
			return x.showRows(c.Context(), lake, args[0], c.OutOrStdout())
		},
	}
	l.add(c)
	f := c.Flags()
	f.StringArrayVarP(&x.keys, "key", "k", nil, "a column's value, as account_id=1001 (repeatable)")
	f.StringSliceVar(&x.columns, "columns", nil, "columns, in this order (default all)")
	f.StringVar(&x.where, "where", "", "show the rows for which this is true, such as \"amount < 0\"")
	f.IntVarP(&x.limit, "limit", "n", 20, "most rows to show; 0: all")
	f.BoolVar(&x.history, "history", false, "show the changes of the rows with the given key")
	f.BoolVar(&x.json, "json", false, "print JSON")
	x.state.add(c)
	return c
}

// open finds a table and the conditions on it.
func (x *showFlags) open(ctx context.Context, lake *catalog.Lake, name string) (*catalog.Table, *arrow.Schema, expr.Expr, error) {
	if x.limit < 0 {
		return nil, nil, nil, fault.Usagef("--limit %d: write a number of rows, or 0 for all", x.limit)
	}
	at, err := x.state.at()
	if err != nil {
		return nil, nil, nil, err
	}
	cut, err := lake.At(ctx, at)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil, nil, fault.Usagef("%w; see the cuts with: millrace tables --json", err)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	if !slices.Contains(cut.Tables(), name) {
		return nil, nil, nil, fault.Usagef("there is no table %s at cut %d of the lake%s", name, cut.Number(), strictyaml.DidYouMean(name, cut.Tables()))
	}
	t, err := cut.Table(name)
	if err != nil {
		return nil, nil, nil, err
	}
	schema, err := t.Schema()
	if err != nil {
		return nil, nil, nil, err
	}
	filter, err := x.filter(name, schema)
	return t, schema, filter, err
}

// filter is --key and --where together; nil keeps all rows.
func (x *showFlags) filter(table string, schema *arrow.Schema) (all expr.Expr, err error) {
	and := func(e expr.Expr) {
		if all == nil {
			all = e
		} else {
			all = all.And(e)
		}
	}
	for _, k := range x.keys {
		e, err := equals(table, schema, k)
		if err != nil {
			return nil, err
		}
		and(e)
	}
	if x.where != "" {
		e, err := expr.Parse(x.where)
		if err != nil {
			return nil, fmt.Errorf("--where: %w", err)
		}
		and(e)
	}
	if all == nil {
		return nil, nil
	}
	if _, err := expr.Bind(all, schema); err != nil {
		return nil, fault.Usagef("%s: %w", table, err)
	}
	return all, nil
}

// equals reads column=value, the value by the column's type.
func equals(table string, schema *arrow.Schema, text string) (expr.Expr, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return nil, fault.Usagef("--key %q: write column=value", text)
	}
	f, err := columnOf(table, schema, name)
	if err != nil {
		return nil, err
	}
	var lit any = value
	switch f.Type.ID() {
	case arrow.INT64, arrow.INT32:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, fault.Usagef("--key %s: %q is not a whole number, as %s is", name, value, name)
		}
		lit = n
	case arrow.DECIMAL128:
		d, err := money.Parse(value)
		if err != nil {
			return nil, fault.Usagef("--key %s: %w", name, err)
		}
		lit = d
	case arrow.BOOL:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return nil, fault.Usagef("--key %s: write true or false, not %q", name, value)
		}
		lit = b
	}
	return expr.Col(name).Eq(lit), nil
}

func columnOf(table string, schema *arrow.Schema, name string) (arrow.Field, error) {
	at := schema.FieldIndices(name)
	if len(at) == 1 {
		return schema.Field(at[0]), nil
	}
	var names []string
	for _, f := range schema.Fields() {
		names = append(names, f.Name)
	}
	return arrow.Field{}, fault.Usagef("%s has no column %q%s", table, name, strictyaml.DidYouMean(name, names))
}

// showRows shows the rows of a table.
func (x *showFlags) showRows(ctx context.Context, lake *catalog.Lake, name string, w io.Writer) error {
	t, schema, filter, err := x.open(ctx, lake, name)
	if err != nil {
		return err
	}
	for _, c := range x.columns {
		if _, err := columnOf(name, schema, c); err != nil {
			return err
		}
	}
	g, err := readGrid(ctx, lake, t, schema, filter, x.columns, x.limit)
	if err != nil {
		return err
	}
	if x.json {
		return g.json(w, name, t)
	}
	if err := g.print(w); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, x.footer(g, t, filter != nil))
	return err
}

// footer says how much of what is shown.
func (x *showFlags) footer(g *grid, t *catalog.Table, filtered bool) string {
	of := fmt.Sprintf(" of %d", t.Rows())
	switch {
	case filtered && g.more:
		of = "; there are more, see --limit"
	case filtered:
		of = fmt.Sprintf(" match, of %d", t.Rows())
	}
	noun := "rows"
	if len(g.rows) == 1 {
		noun = "row"
	}
	return fmt.Sprintf("(%d %s%s; %s at cut %d)", len(g.rows), noun, of, t.Name(), t.Cut())
}
