package reconcile

// SignOff is a person's signature under a run.
type SignOff struct {
	Role    string // such as preparer or reviewer
	Who, At string // At as it was recorded
	Comment string
}
