package reconciliation

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// NoDate is the Date of an item that states none.
const NoDate int32 = math.MinInt32

// Item is one movement on one side.
type Item struct {
	// Key identifies the movement on both sides. An item without a key ("") is never paired.
	Key      string
	Amount   money.Decimal
	Currency string
	Date     int32  // days since 1970-01-01, or NoDate; not looked at where the rule has no dates
	Ref      string // where the item comes from (row id, file and line); unique on its side
}

// compareItems is the total order by which ties break.
func compareItems(a, b Item) int {
	return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Currency, b.Currency), a.Amount.Cmp(b.Amount),
		cmp.Compare(a.Date, b.Date), strings.Compare(a.Ref, b.Ref))
}

// Class is the kind of a break.
type Class string

// The classes of breaks between two sides.
const (
	MissingLeft  Class = "missing_left"  // on the right only
	MissingRight Class = "missing_right" // on the left only
	Duplicate    Class = "duplicate"     // one item more on a side than the other has, of a key that both have
	Amount       Class = "amount"        // same key and currency, amounts differ by more than the tolerance
	Currency     Class = "currency"      // same key, different currencies
	Date         Class = "date"          // same key, amounts match, dates differ by more than the rule allows, or one has none

	Status           Class = "status"        // same key, amounts and dates match, a column that must be equal differs
	TimingDifference Class = "timing"        // missing, and not due on the other side yet
	FeeFX            Class = "fee_fx"        // same key, amounts differ by no more than a fee, or the rounding of a rate, may
	SignFlip         Class = "sign_flip"     // same key, one amount is the other's negative
	Transposition    Class = "transposition" // same key, two digits of the amount are exchanged
	DecimalShift     Class = "decimal_shift" // same key, one amount is the other with its point moved
	Ambiguous        Class = "ambiguous"     // rows that match in more than one way, of which none is better
)

// The classes of proofs that fail.
const (
	Balance Class = "balance" // opening + movements is not the closing of an account's day
	Opening Class = "opening" // the opening of an account's day is not the closing of the day before
	Order   Class = "order"   // no order of a day's movements explains the balances stated after each
	Row     Class = "row"     // source and lake have a row of one key with different columns
)

// The classes of what is no break.
const (
	Matched  Class = "matched"  // two items that match
	Holds    Class = "holds"    // a proof that holds
	Unproved Class = "unproved" // a day of which no balance is stated yet
)

// IsBreak reports whether the class is one of a break or of a failed proof.
func (c Class) IsBreak() bool { return c != Matched && c != Holds && c != Unproved }

// Classes lists every class of breaks, in the order of reports.
func Classes() []Class {
	return []Class{MissingLeft, MissingRight, TimingDifference, Duplicate, Ambiguous, Amount, FeeFX, SignFlip, Transposition, DecimalShift, Currency, Date, Status, Balance, Opening, Order, Row}
}

// Mirrored is the class that a break has when the sides are swapped.
func (c Class) Mirrored() Class {
	switch c {
	case MissingLeft:
		return MissingRight
	case MissingRight:
		return MissingLeft
	}
	return c
}

// Match pairs an item of each side.
type Match struct{ Left, Right Item }

// Break is what did not match. Left or Right is nil where that side has no item.
type Break struct {
	Class       Class
	Left, Right *Item
	// Nth tells breaks apart that say the same: 0 for the first, in order of their Refs.
	Nth int
}

// Key is the key of the break's items.
func (b Break) Key() string {
	if b.Left != nil {
		return b.Left.Key
	}
	return b.Right.Key
}

// Difference is left − right, a missing side counting as zero. ok is false where
// there is no such number: the currencies differ, or it has more than 38 digits.
func (b Break) Difference() (d money.Decimal, ok bool) {
	switch {
	case b.Right == nil:
		return b.Left.Amount, true
	case b.Left == nil:
		return b.Right.Amount.Neg(), true
	case b.Left.Currency != b.Right.Currency:
		return money.Decimal{}, false
	}
	d, err := b.Left.Amount.Sub(b.Right.Amount)
	return d, err == nil
}

// ID identifies the break under a rule of that name, on every night on which it
// is found: 32 hex digits of a SHA-256 over rule, class, key, what both items say
// (amount, currency, date) and Nth. Refs do not count: a statement's lines move.
func (b Break) ID(rule string) string {
	buf := make([]byte, 0, 160)
	for _, text := range []string{rule, string(b.Class), b.Key(), strconv.Itoa(b.Nth)} {
		buf = appendPart(buf, text)
	}
	for _, it := range []*Item{b.Left, b.Right} {
		if it == nil {
			buf = append(buf, '-')
			continue
		}
		buf = append(buf, '+')
		buf = appendPart(buf, it.Amount.Normalize().String())
		buf = appendPart(buf, it.Currency)
		buf = appendPart(buf, strconv.Itoa(int(it.Date)))
	}
	sum := sha256.Sum256(buf)
	return hex.EncodeToString(sum[:16])
}

// appendPart appends a text that delimits itself.
func appendPart(dst []byte, text string) []byte {
	dst = strconv.AppendInt(dst, int64(len(text)), 10)
	dst = append(dst, ':')
	return append(dst, text...)
}
