package features

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/feature"
)

// engine walks accounts one after the other and makes their rows. What is known of an account
// comes between two calls for other accounts, in the order of time.
type engine struct {
	account arrow.DataType
	asOf    []int64 // for all accounts; nil if each is asked for
	out     *rowBuilder

	walk     feature.Walker
	open     bool
	cur      key
	listed   bool   // it has rows before its first entry, too
	moved    bool   // an entry was seen
	currency string // "" is unknown
	next     int    // of asOf
	asked    bool
	lastAsk  int64

	currencies map[string]string
}

// see makes sure that the engine stands at an account.
func (e *engine) see(k key) error {
	if e.open && k == e.cur {
		return nil
	}
	if err := e.finish(); err != nil {
		return err
	}
	e.walk.Reset()
	e.open, e.cur, e.listed, e.currency, e.next, e.asked, e.moved = true, k.clone(), false, "", 0, false, false
	return nil
}

// list tells of an account before its entries.
func (e *engine) list(k key, currency string) error {
	if err := e.see(k); err != nil {
		return err
	}
	e.listed = true
	return e.in(currency)
}

// in tells the account's currency; "" is unknown.
func (e *engine) in(currency string) error {
	switch {
	case currency == "" || currency == e.currency:
	case e.currency == "":
		e.currency = e.intern(currency)
	default:
		return fault.Usagef("account %s has amounts in %s and in %s: features need one currency an account", e.cur.text(e.account), e.currency, currency)
	}
	return nil
}

// intern is a currency in memory of its own.
func (e *engine) intern(currency string) string {
	if own, ok := e.currencies[currency]; ok {
		return own
	}
	if e.currencies == nil {
		e.currencies = map[string]string{}
	}
	own := strings.Clone(currency)
	e.currencies[own] = own
	return own
}

// move takes an entry in.
func (e *engine) move(k key, m feature.Movement, currency string) error {
	if err := e.see(k); err != nil {
		return err
	}
	for ; e.next < len(e.asOf) && e.asOf[e.next] < m.SeenAt(); e.next++ {
		if err := e.emit(e.asOf[e.next]); err != nil {
			return err
		}
	}
	if e.asOf != nil && e.next == len(e.asOf) {
		return nil // nobody asks for what comes now
	}
	if e.asOf != nil {
		e.walk.SkipTo(e.asOf[e.next])
	}
	e.moved = true
	if err := e.in(currency); err != nil {
		return err
	}
	return e.wrap(e.walk.Add(m))
}

// ask makes a row as of an instant; a pair that was asked for twice has one.
func (e *engine) ask(k key, at int64) error {
	if err := e.see(k); err != nil {
		return err
	}
	if e.asked && at == e.lastAsk {
		return nil
	}
	e.asked, e.listed, e.lastAsk = true, true, at
	return e.emit(at)
}

// finish ends the account under way.
func (e *engine) finish() error {
	if !e.open {
		return nil
	}
	for ; e.next < len(e.asOf); e.next++ {
		if err := e.emit(e.asOf[e.next]); err != nil {
			return err
		}
	}
	e.open = false
	return nil
}

func (e *engine) emit(at int64) error {
	if !e.listed && !e.moved {
		return nil
	}
	v, err := e.walk.At(at)
	if err != nil {
		return e.wrap(err)
	}
	return e.wrap(e.out.add(e.cur, at, e.currency, &v))
}

func (e *engine) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("account %s: %w", e.cur.text(e.account), err)
}
