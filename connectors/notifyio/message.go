package notifyio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Status is how what is told about has ended. Pass is better than Warn, and Warn better than Fail.
type Status string

// The outcomes, the best first.
const (
	Pass Status = "pass"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Message is what is told. ID, Event, Status and Subject are required.
type Message struct {
	// ID is the same for the same happening, such as a run's identity: a receiver that has seen it drops the message.
	ID string `json:"id"`
	// Event is a stable name that machines may switch on, such as reconciliation.finished.
	Event string `json:"event"`
	// Status decides which channels are told.
	Status Status `json:"status"`
	// Subject is one line for people.
	Subject string `json:"subject"`
	// Text says the same in full. It is plain text.
	Text string `json:"text,omitempty"`
	// HTML is Text for mail readers that show HTML; "" sends Text only. It does not travel by webhook.
	HTML string `json:"-"`
	// Data is for machines: any JSON value, or nil.
	Data json.RawMessage `json:"data,omitempty"`
}

// Notifier carries messages to one place. Notify returns when the place has taken the message, or with an error once attempts are used up
// or ctx has ended. It may be called from several goroutines.
type Notifier interface {
	Notify(ctx context.Context, m Message) error
	// String names the place without its secrets.
	String() string
}

// When is the least bad outcome that a channel is told of.
type When string

// On which outcomes a channel is told. The zero value is OnFail.
const (
	OnFail When = "fail"   // of Fail
	OnWarn When = "warn"   // of Warn and Fail
	Always When = "always" // of each
)

// wants reports whether a status is to be told. One that is not known is: silence would hide it.
func (w When) wants(s Status) bool {
	switch w {
	case Always:
		return true
	case OnWarn:
		return s != Pass
	}
	return s != Pass && s != Warn
}

// Channel is a place with the outcomes that it is told of.
type Channel struct {
	On When
	Notifier
}

// Send tells every channel that wants to know. All of them are tried; the error joins those that were not told, and names each.
func Send(ctx context.Context, channels []Channel, m Message) error {
	var failed []error
	for _, c := range channels {
		if !c.On.wants(m.Status) {
			continue
		}
		if err := c.Notify(ctx, m); err != nil {
			failed = append(failed, fmt.Errorf("notify %s: %w", c, err))
		}
	}
	return errors.Join(failed...)
}
