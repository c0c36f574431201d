package debezium

import (
	"errors"
	"fmt"
)

// ErrSchemaChange is wrapped by errors that say the source's schema changed in
// a way that the table's columns or its policy do not allow. The table must stop:
// every event that follows would fail too.
var ErrSchemaChange = errors.New("the source's schema changed")

// SchemaChangeError says which column no longer fits. It wraps ErrSchemaChange.
type SchemaChangeError struct {
	Table, Column string
	Old, New      string // types; Old is "" for a new field, New is "" for a dropped one
	Hint          string // what to do about it; may be empty
}

// Error names table, column, old and new type.
func (e *SchemaChangeError) Error() string {
	var what string
	switch {
	case e.Old == "":
		what = fmt.Sprintf("new field %s of type %s", e.Column, e.New)
	case e.New == "":
		what = fmt.Sprintf("column %s of type %s is gone", e.Column, e.Old)
	default:
		what = fmt.Sprintf("column %s was %s and is now %s", e.Column, e.Old, e.New)
	}
	if e.Hint != "" {
		what += ": " + e.Hint
	}
	return fmt.Sprintf("table %s: %v: %s", e.Table, ErrSchemaChange, what)
}

// Unwrap returns ErrSchemaChange.
func (e *SchemaChangeError) Unwrap() error { return ErrSchemaChange }

// DecodeError says why a message was refused.
type DecodeError struct {
	Byte   int    // offset in the message's value (or key, if Key is set); -1 if no single byte is at fault
	Column string // "" if the text is no valid JSON, or the envelope is wrong
	Key    bool   // the message's key is at fault
	Msg    string
}

// Error names the byte and the column, where there are any.
func (e *DecodeError) Error() string {
	s := "decode change event: "
	if e.Key {
		s += "message key: "
	}
	if e.Byte >= 0 {
		s += fmt.Sprintf("byte %d: ", e.Byte)
	}
	if e.Column != "" {
		s += "column " + e.Column + ": "
	}
	return s + e.Msg
}
