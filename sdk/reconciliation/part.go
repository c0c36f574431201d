package reconciliation

// Whole is what a part of a leg's rows must know of all rows of the leg, so that the part settles as it does among them.
type Whole struct {
	Scale   int   // digits after the point of the amounts: the most that any row has
	Numbers []int // the same of the schema's numbers; nil: those of the part
	AsOf    int32 // the day of which the books are: Rules.AsOf, or the last date of all rows
}

// SettlePart is Settle over some of a leg's rows. The outcomes are those that Settle has of these rows among all others, if no other row has a key of any
// pass in common with one of them, and every pass has keys. Nth, and so the IDs of breaks, count within the part.
func SettlePart(left, right *Side, rules Rules, whole Whole) (*Settlement, error) {
	rules.AsOf = whole.AsOf
	return settle(left, right, rules, scales{amount: whole.Scale, numbers: whole.Numbers})
}
