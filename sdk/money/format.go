package money

import (
	"bytes"
	"database/sql/driver"
	"fmt"
)

// String is the plain text of d with exactly Scale digits after the point, such as -0.50. Parse reads it back.
func (d Decimal) String() string {
	var buf [48]byte
	return string(d.Append(buf[:0]))
}

// Append appends the text that String returns to dst.
func (d Decimal) Append(dst []byte) []byte {
	if d.coef.Hi < 0 {
		dst = append(dst, '-')
	}
	var buf [40]byte
	digits := d.coef.magnitude().digits(&buf)
	scale := int(d.scale)
	if scale == 0 {
		return append(dst, digits...)
	}
	if whole := len(digits) - scale; whole > 0 {
		dst = append(dst, digits[:whole]...)
		dst = append(dst, '.')
		return append(dst, digits[whole:]...)
	}
	dst = append(dst, '0', '.')
	for range scale - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// Format implements fmt.Formatter. %v and %s print what String returns; %f rounds half
// even to the given precision (%.2f), or prints all digits without one; %q quotes.
// Width and the flags '-', '+' and '0' act as they do for numbers.
func (d Decimal) Format(f fmt.State, verb rune) {
	switch verb {
	case 'v', 's', 'f', 'F', 'q':
	default:
		fmt.Fprintf(f, "%%!%c(money.Decimal=%s)", verb, d.String())
		return
	}
	precision, ok := f.Precision()
	if ok && (verb == 'f' || verb == 'F') {
		if r, err := d.Rescale(precision, HalfEven); err == nil {
			d = r
		}
	}
	var buf [48]byte
	text := d.Append(buf[:0])
	if f.Flag('+') && d.Sign() >= 0 && verb != 'q' {
		text = append([]byte{'+'}, text...)
	}
	if verb == 'q' {
		text = append(append([]byte{'"'}, text...), '"')
	}
	pad(f, text, f.Flag('0') && verb != 'q')
}

// pad writes text at the width that f asks for.
func pad(f fmt.State, text []byte, zeros bool) {
	width, _ := f.Width()
	missing := max(0, width-len(text))
	var out []byte
	switch {
	case f.Flag('-'):
		out = append(text, bytes.Repeat([]byte{' '}, missing)...)
	case zeros && (text[0] == '-' || text[0] == '+'):
		out = append(text[:1:1], bytes.Repeat([]byte{'0'}, missing)...)
		out = append(out, text[1:]...)
	case zeros:
		out = append(bytes.Repeat([]byte{'0'}, missing), text...)
	default:
		out = append(bytes.Repeat([]byte{' '}, missing), text...)
	}
	_, _ = f.Write(out) // fmt keeps the error of its own writer
}

// AppendText appends the text that String returns; it never fails.
func (d Decimal) AppendText(dst []byte) ([]byte, error) { return d.Append(dst), nil }

// MarshalText is the text that String returns; it never fails.
func (d Decimal) MarshalText() ([]byte, error) { return d.Append(nil), nil }

// UnmarshalText reads a number as Parse does.
func (d *Decimal) UnmarshalText(text []byte) (err error) {
	*d, err = parse(text, false)
	return err
}

// MarshalJSON writes a JSON string, because many readers turn JSON numbers into floating point.
func (d Decimal) MarshalJSON() ([]byte, error) {
	return append(d.Append([]byte{'"'}), '"'), nil
}

// UnmarshalJSON reads a string or a number token, either in the form that Parse takes;
// the token's digits are taken as they stand. null leaves d as it is.
func (d *Decimal) UnmarshalJSON(token []byte) error {
	if string(token) == "null" {
		return nil
	}
	if n := len(token); n >= 2 && token[0] == '"' && token[n-1] == '"' {
		token = token[1 : n-1]
	}
	return d.UnmarshalText(token)
}

// Value implements driver.Valuer: the text that String returns, which every SQL database reads as a numeric.
func (d Decimal) Value() (driver.Value, error) { return d.String(), nil }

// Scan implements sql.Scanner for texts and 64-bit integers. It refuses floating-point
// numbers and NULL; scan into a *Decimal pointer variable where NULL may occur.
func (d *Decimal) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return d.UnmarshalText([]byte(v))
	case []byte:
		return d.UnmarshalText(v)
	case int64:
		*d = FromInt64(v)
		return nil
	}
	return fmt.Errorf("scan decimal: cannot take a %T: want a text or an integer", src)
}
