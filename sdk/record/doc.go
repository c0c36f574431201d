// Package record turns typed Go structs into Arrow record batches and back.
//
// Nouns. A row is a Go struct of type T. A column is one exported field of it, laid out by
// the field's Go type and its lake tag. A [Builder] collects rows into a record batch, a
// [Reader] takes the rows out of one.
//
//	type Entry struct {
//		ID       int64         `lake:"entry_id,key"`
//		Account  string        // column account, required
//		Amount   money.Decimal `lake:",decimal(18,2)"`
//		BookedAt time.Time     // timestamp in microseconds, UTC
//		ValueDay time.Time     `lake:",date"`
//		Memo     *string       // nullable
//		internal int           // unexported fields are no columns
//	}
//
// # Tags
//
// A tag is the column's name followed by options, all separated by commas. Without a name
// the column is called as the field is, in snake_case (BookedAt is booked_at, AccountID is
// account_id). The tag "-" leaves the field out. The fields of an embedded struct become columns of
// their own. Options:
//
//	decimal(p,s)  a money.Decimal's precision (1 to 38) and scale (0 to p); required for those
//	date          a time.Time is a calendar day: the one on its own clock
//	local         a time.Time is a wall-clock time without zone
//	nullable      the column may hold nulls; implied by a pointer
//	key           the column is part of the row's key; see KeyOf
//
// # Types
//
//	bool, int8 … int64, uint8 … uint64, float32, float64, string   the same in Arrow; int is int64, uint is uint64
//	[]byte           binary; nil is null in a nullable column, else empty
//	time.Time        timestamp[us, UTC], timestamp[us] if local, date32 if date; finer digits are cut off
//	money.Decimal    decimal128(p, s)
//	money.Currency   string: the code
//	*X               as X, nullable
//
// Named types work as the types they are made of. Other types are refused.
//
// # Invariants
//
// Nothing is rounded or cut: a decimal with more digits than its column is an error, and so
// is a null where the field is no pointer. (The one exception is time finer than a
// microsecond.) What a Reader yields does not share memory with the batch; rows stay valid
// after it is released. A batch that does not have a field's column, or has it with a type
// that could lose something, is refused before any row is read. Columns that no field asks for
// are ignored.
//
// # Cost
//
// Both directions work column by column over memory offsets that are found once by
// reflection. Measured on one core (go test -bench . ./sdk/record), a row of six columns (two
// integers, a text, a decimal, a timestamp, a nullable text) costs 31 ns by AppendAll, 67 ns by
// Append and 45 ns to read. Operators over Arrow columns take 1 to 5 ns for such a row: keep
// rows as columns on hot paths.
//
// # Errors
//
// Types that cannot be rows fail with [ErrType], batches that do not fit T with [ErrSchema], and values that do not fit
// their column, or nulls that do not fit their field, with [ErrValue]; all name the field. The first two are
// user mistakes (fault.Usage).
package record

import "errors"

var (
	// ErrType is wrapped where a Go type or its tags cannot be laid out as columns.
	ErrType = errors.New("not a row type")
	// ErrSchema is wrapped where a batch's columns do not fit a row type.
	ErrSchema = errors.New("schema does not fit")
	// ErrValue is wrapped where a single value does not fit.
	ErrValue = errors.New("value does not fit")
)
