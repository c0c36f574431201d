package ofx

import (
	"io"
	"testing"

	"github.com/millrace/millrace/sdk/statement"
	"github.com/millrace/millrace/sdk/statement/internal/casetest"
)

func open(r io.Reader, opts statement.Options) (statement.Decoder, error) { return NewDecoder(r, opts) }

func TestCases(t *testing.T) { casetest.Run(t, open) }

func FuzzDecoder(f *testing.F) { casetest.Fuzz(f, open) }
