package fixedio

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/money"
)

// parseNumber reads a number of a kind. ok is false where the field is blank.
func parseNumber(kind string, raw []byte, text string, decimals int) (d money.Decimal, ok bool, err error) {
	if kind == Packed {
		text, err = unpack(raw)
	} else if text = strings.Trim(text, " \x00"); text == "" {
		return d, false, nil
	} else if kind == Zoned {
		text, err = overpunched(text)
	} else {
		text, err = signed(text)
	}
	if err != nil {
		return d, false, err
	}
	sign, digits := "", text
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	if decimals > 0 {
		if strings.Contains(digits, ".") {
			return d, false, fmt.Errorf("%q has a point, though %d digits stand behind one that is not written", text, decimals)
		}
		if n := decimals + 1 - len(digits); n > 0 {
			digits = strings.Repeat("0", n) + digits
		}
		digits = digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
	}
	d, err = money.Parse(sign + digits)
	return d, err == nil, err
}

// signed is digits with a sign before or behind; the sign is returned before.
func signed(text string) (string, error) {
	sign, digits := "", text
	switch first, last := text[0], text[len(text)-1]; {
	case first == '-' || first == '+':
		sign, digits = text[:1], strings.TrimLeft(text[1:], " ")
	case last == '-' || last == '+':
		sign, digits = text[len(text)-1:], strings.TrimRight(text[:len(text)-1], " ")
	}
	whole, rest, _ := strings.Cut(digits, ".")
	if whole == "" || !onlyDigits(whole) || strings.HasSuffix(digits, ".") || !onlyDigits(rest) {
		return "", fmt.Errorf("%q is no number", text)
	}
	return strings.TrimPrefix(sign, "+") + digits, nil
}

func onlyDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// overpunched is digits of which the last holds the sign.
func overpunched(text string) (string, error) {
	head, last := text[:len(text)-1], text[len(text)-1]
	sign := ""
	switch {
	case last >= '0' && last <= '9':
	case last == '{':
		last = '0'
	case last >= 'A' && last <= 'I':
		last = last - 'A' + '1'
	case last == '}':
		sign, last = "-", '0'
	case last >= 'J' && last <= 'R':
		sign, last = "-", last-'J'+'1'
	case last >= 'p' && last <= 'y':
		sign, last = "-", last-'p'+'0'
	default:
		return "", fmt.Errorf("%q is no zoned number", text)
	}
	if !onlyDigits(head) {
		return "", fmt.Errorf("%q is no zoned number", text)
	}
	return sign + head + string(rune(last)), nil
}

// unpack reads two digits a byte, with the sign in the last half.
func unpack(raw []byte) (string, error) {
	out := make([]byte, 0, 2*len(raw)+1)
	for i, b := range raw {
		hi, lo := b>>4, b&15
		last := i == len(raw)-1
		if hi > 9 || !last && lo > 9 || last && lo < 10 {
			return "", fmt.Errorf("the bytes %X are no packed number", raw)
		}
		out = append(out, '0'+hi)
		switch {
		case !last:
			out = append(out, '0'+lo)
		case lo == 0xB || lo == 0xD:
			out = append([]byte{'-'}, out...)
		}
	}
	return string(out), nil
}
