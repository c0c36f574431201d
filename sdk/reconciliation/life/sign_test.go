package life

import (
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/sdk/fault"
)

func TestSignatures(t *testing.T) {
	t.Parallel()
	s := New()
	digest := HashOf([]byte("summary"))
	sign := func(run, role, by, digest string) error {
		_, err := s.Append(Event{Kind: Signed, At: time.Unix(1, 0).UTC(), Rules: "r", Run: run, Role: role, By: by, Digest: digest})
		return err
	}
	for _, x := range []struct{ name, run, role, by, digest, refused string }{
		{"a reviewer first", "1", Reviewer, "boris", digest, "no preparer's signature"},
		{"no role", "1", "", "anna", digest, "as preparer or as reviewer"},
		{"no digest", "1", Preparer, "anna", "", "needs the run"},
		{"no run", "", Preparer, "anna", digest, "needs the run"},
		{"nobody", "1", Preparer, " ", digest, "who does this"},
		{"the preparer", "1", Preparer, "anna", digest, ""},
		{"a second preparer", "1", Preparer, "boris", digest, "signed already"},
		{"herself", "1", Reviewer, " Anna", digest, "somebody else"},
		{"another summary", "1", Reviewer, "boris", HashOf([]byte("altered")), "not the one"},
		{"the reviewer", "1", Reviewer, "boris", digest, ""},
		{"a second reviewer", "1", Reviewer, "carol", digest, "signed already"},
		{"another run", "2", Preparer, "boris", digest, ""},
	} {
		err := sign(x.run, x.role, x.by, x.digest)
		switch {
		case x.refused == "" && err != nil:
			t.Errorf("%s: %v", x.name, err)
		case x.refused != "" && (fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), x.refused)):
			t.Errorf("%s: %v, want a usage error with %q", x.name, err, x.refused)
		}
	}
	if got := s.Signatures("1"); len(got) != 2 || got[0].By != "anna" || got[1].By != "boris" || got[1].Role != Reviewer {
		t.Errorf("signatures %v", got)
	}
}
