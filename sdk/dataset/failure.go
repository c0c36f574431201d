package dataset

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/sdk/fault"
)

// Beam turns errors into text. What a task reports is framed so that its kind
// survives the journey and the runner's own words can be cut away.
const (
	frameStart = "\u2997"
	frameEnd   = "\u2998"
)

// frame is err as a text that ParseFailure finds.
func frame(err error) error {
	text := strings.NewReplacer(frameStart, "(", frameEnd, ")").Replace(err.Error())
	return fmt.Errorf("%s%s: %s%s", frameStart, fault.Of(err), text, frameEnd)
}

// ParseFailure finds the error that a task reported in the text of a runner's
// error, with its kind. It returns nil where there is none.
func ParseFailure(text string) error {
	_, rest, ok := strings.Cut(text, frameStart)
	if !ok {
		return nil
	}
	message, _, ok := strings.Cut(rest, frameEnd)
	if !ok {
		return nil
	}
	kind, message, ok := strings.Cut(message, ": ")
	if !ok {
		return nil
	}
	err := errors.New(message)
	for _, k := range []fault.Kind{fault.Usage, fault.Findings, fault.Retryable} {
		if k.String() == kind {
			return fault.Mark(k, err)
		}
	}
	return err
}
