package reconcile

import "time"

// SignOff is a person's signature under a run.
type SignOff struct {
	Role    string // such as preparer or reviewer
	Who, At string // At as it was recorded
	Comment string
	Digest  string // SHA-256 of the summary.json that was signed
}

// signOffs are the signatures that the log of breaks has under a run.
func signOffs(h *History, run string) (out []SignOff) {
	for _, s := range h.State.Signatures(run) {
		out = append(out, SignOff{Role: s.Role, Who: s.By, At: s.At.Format(time.RFC3339), Comment: s.Reason, Digest: s.Digest})
	}
	return out
}
