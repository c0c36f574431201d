package statement

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/millrace/millrace/sdk/fault"
	"github.com/millrace/millrace/sdk/money"
)

// AmountStyle is how a file writes numbers. The zero value is digits with a point, and a sign before them.
type AmountStyle struct {
	// DecimalMark before the fraction; "." by default.
	DecimalMark string `json:"decimal_mark,omitempty" yaml:"decimal_mark,omitempty"`
	// GroupMark between groups of three digits; none by default. Groups must be whole: 1,23 is no number with ",".
	GroupMark string `json:"group_mark,omitempty" yaml:"group_mark,omitempty"`
	// Implied is how many of the digits are the fraction of a number without a decimal mark: 12345 is 123.45 with 2.
	// Then a number with a mark is malformed.
	Implied int `json:"implied,omitempty" yaml:"implied,omitempty"`
	// Brackets says that a number in round brackets is negative.
	Brackets bool `json:"brackets,omitempty" yaml:"brackets,omitempty"`
	// TrailingSign says that the sign may stand behind the number.
	TrailingSign bool `json:"trailing_sign,omitempty" yaml:"trailing_sign,omitempty"`
}

// Validate reports what is wrong with a style, as a fault.Usage.
func (s AmountStyle) Validate() error {
	switch {
	case s.Implied < 0 || s.Implied > 18:
		return fault.Usagef("implied %d: want 0 to 18 digits", s.Implied)
	case s.Implied > 0 && s.DecimalMark != "":
		return fault.Usagef("implied digits and a decimal mark: want one of them")
	case s.DecimalMark != "" && s.DecimalMark == s.GroupMark:
		return fault.Usagef("decimal mark and group mark are both %q", s.GroupMark)
	case s.DecimalMark == "" && s.Implied == 0 && s.GroupMark == ".":
		return fault.Usagef(`group mark ".": say which decimal mark the file has, such as ","`)
	}
	return nil
}

var (
	errNoNumber = errors.New("there is no number")
	errGroups   = errors.New("its groups are not of three digits")
	errTwoSigns = errors.New("it has two signs")
)

// Parse reads a number, blanks around it aside. The digits of the fraction are its scale. Nothing is guessed: a mark
// that the style does not have makes the text malformed.
func (s AmountStyle) Parse(text []byte) (money.Decimal, error) {
	body, negative, err := s.sign(bytes.TrimSpace(text))
	if err != nil {
		return money.Decimal{}, fmt.Errorf("amount %q: %w", Short(text), err)
	}
	whole, fraction, marked := body, []byte(nil), false
	if s.Implied == 0 {
		mark := s.DecimalMark
		if mark == "" {
			mark = "."
		}
		whole, fraction, marked = bytes.Cut(body, []byte(mark))
	}
	if whole, err = s.ungroup(whole); err != nil {
		return money.Decimal{}, fmt.Errorf("amount %q: %w", Short(text), err)
	}
	digits := make([]byte, 0, 48)
	if negative {
		digits = append(digits, '-')
	}
	if len(whole) == 0 && marked && len(fraction) > 0 {
		whole = []byte("0") // .50
	}
	if n := s.Implied; n > 0 && len(whole) <= n && len(whole) > 0 {
		whole = append(bytes.Repeat([]byte("0"), n+1-len(whole)), whole...)
	}
	if n := s.Implied; n > 0 && len(whole) > n {
		whole, fraction, marked = whole[:len(whole)-n], whole[len(whole)-n:], true
	}
	for _, part := range [][]byte{whole, fraction} {
		for _, c := range part {
			if c < '0' || c > '9' {
				return money.Decimal{}, fmt.Errorf("amount %q: %q is no digit", Short(text), c)
			}
		}
	}
	digits = append(digits, whole...)
	if marked && len(fraction) > 0 {
		digits = append(append(digits, '.'), fraction...)
	}
	d, err := money.ParseBytes(digits)
	if err != nil {
		return money.Decimal{}, fmt.Errorf("amount %q: %w", Short(text), err)
	}
	return d, nil
}

// sign takes the sign off a number.
func (s AmountStyle) sign(t []byte) (body []byte, negative bool, err error) {
	signs := 0
	if n := len(t); s.Brackets && n >= 2 && t[0] == '(' && t[n-1] == ')' {
		t, negative, signs = bytes.TrimSpace(t[1:n-1]), true, 1
	}
	if len(t) > 0 && (t[0] == '-' || t[0] == '+') {
		negative = negative || t[0] == '-'
		t, signs = bytes.TrimSpace(t[1:]), signs+1
	}
	if n := len(t); s.TrailingSign && n > 0 && (t[n-1] == '-' || t[n-1] == '+') {
		negative = negative || t[n-1] == '-'
		t, signs = bytes.TrimSpace(t[:n-1]), signs+1
	}
	switch {
	case signs > 1:
		return nil, false, errTwoSigns
	case len(t) == 0:
		return nil, false, errNoNumber
	}
	return t, negative, nil
}

// ungroup drops the group marks of the digits before the decimal mark.
func (s AmountStyle) ungroup(whole []byte) ([]byte, error) {
	if s.GroupMark == "" || !bytes.Contains(whole, []byte(s.GroupMark)) {
		return whole, nil
	}
	groups := bytes.Split(whole, []byte(s.GroupMark))
	for i, g := range groups {
		if len(g) != 3 && (i > 0 || len(g) == 0 || len(g) > 3) {
			return nil, errGroups
		}
	}
	return bytes.Join(groups, nil), nil
}

// Short is a text of a file as a message may show it.
func Short(text []byte) string {
	const most = 60
	if len(text) <= most {
		return string(text)
	}
	return string(bytes.ToValidUTF8(text[:most], nil)) + "…"
}
