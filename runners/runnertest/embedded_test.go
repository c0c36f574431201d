package runnertest_test

import (
	"testing"

	"github.com/millrace/millrace/runners/runnertest"
)

func TestEmbedded(t *testing.T) {
	t.Parallel()
	runnertest.Test(t, runnertest.Embedded())
}
