package killsuite

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/millrace/millrace/sdk/fault"
)

// childEnv makes the test binary a life: a process of its own that can be killed.
const childEnv = "MILLRACE_KILLSUITE_JOB"

var (
	seedFlag  = flag.Uint64("seed", 1, "what is done to the ingest, and when, comes from this number")
	killsFlag = flag.Int("kills", 0, "how often each world's ingest is killed; 0 is the short form")
	onlyFlag  = flag.String("world", "", "only this world, such as kafka-sqlite-s3")
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		if err := runWorker(text); err != nil {
			what := "the life ended with an error"
			if fault.IsRetryable(err) {
				what += " that may pass"
			}
			fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	os.Exit(m.Run())
}
