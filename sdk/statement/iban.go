package statement

// IsIBAN reports whether text is an IBAN whose check digits are right. The length that its country prescribes is not looked up.
func IsIBAN(text string) bool {
	if len(text) < 15 || len(text) > 34 {
		return false
	}
	rest := 0
	for i := range len(text) {
		c := text[(i+4)%len(text)]
		at := (i + 4) % len(text)
		letter := c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') || at < 2 && !letter || (at == 2 || at == 3) && letter {
			return false
		}
		if letter {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}
