package embedded_test

import (
	"testing"

	"github.com/millrace/millrace/runners/embedded"
)

func FuzzParsePolicy(f *testing.F) {
	f.Add("jobs=4000,heap=1000")
	f.Add("")
	f.Add("jobs=,heap=-1")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := embedded.ParsePolicy(text)
		if err == nil && (p.MaxJobs <= 0 || p.MaxHeap <= 0) {
			t.Fatalf("%q gives %+v", text, p)
		}
	})
}
