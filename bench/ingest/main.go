package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
)

type flags struct {
	dir, only, profile string
	events, inline     int64
	rate               int64
	rounds, accounts   int
}

// tables are what can be measured.
var tables = map[string]func(context.Context, flags) error{"files": filesTable, "changes": changesTable, "stream": streamTable, "pace": paceTable}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) == 2 && os.Args[1] == childFlag {
		if err := child(ctx); err != nil {
			log.Fatal("ingest: ", err)
		}
		return
	}
	if len(os.Args) < 2 || tables[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "ingest: name a table: files, changes, stream or pace")
		os.Exit(2)
	}
	f, err := parse(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "ingest:", err)
		os.Exit(2)
	}
	if err := tables[os.Args[1]](ctx, f); err != nil {
		log.Fatal("ingest: ", err)
	}
}

// count is a flag for a number that may be written as 2e6.
type count struct{ n *int64 }

func (c count) String() string {
	if c.n == nil {
		return ""
	}
	return strconv.FormatInt(*c.n, 10)
}

func (c count) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a number of events", s)
	}
	*c.n = int64(v)
	return nil
}

func parse(name string, args []string) (f flags, err error) {
	f.events, f.inline, f.rate = 2e6, 3e5, 10_000
	if name == "pace" {
		f.events = 3e5
	}
	set := flag.NewFlagSet(name, flag.ExitOnError)
	set.StringVar(&f.dir, "dir", "", "folder that keeps the events and the tables (required)")
	set.StringVar(&f.only, "only", "", "run one engine only")
	set.StringVar(&f.profile, "profile", "", "write CPU profiles of our engine to files that begin so")
	set.IntVar(&f.rounds, "rounds", 3, "runs of each engine; the least counts")
	set.IntVar(&f.accounts, "accounts", 100_000, "accounts of the bank whose life is streamed")
	set.Var(count{&f.events}, "events", "events; of files, those without inline schema")
	set.Var(count{&f.rate}, "rate", "events a second of the pace")
	set.Var(count{&f.inline}, "inline", "events with inline schema")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if f.dir == "" || f.rounds < 1 {
		return f, fmt.Errorf("-dir is required, and -rounds must be positive")
	}
	f.dir, err = filepath.Abs(f.dir)
	return f, err
}
