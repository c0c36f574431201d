// Package notifyio tells people and machines how a run ended: by webhook and by e-mail.
//
// Nouns. A [Message] is what is told, with a [Status]. A [Notifier] carries messages to one place: a [Webhook] as a signed JSON body,
// a [Mailer] as text and HTML. A [Channel] is a notifier with the worst outcome that it may stay silent about ([When]). [Config] is a
// channel as a configuration file has it; [Open] makes channels of them and [Send] tells all that want to know.
//
// Invariants. A message reaches a place at least once or Send returns an error that names the place: nothing is dropped silently, and one
// dead place does not keep the others from being told. A retry repeats the same bytes and the same Message.ID, by which a receiver can drop
// what it has already. Secrets are in no error, log line or message. Redirects are not followed.
//
// What is not guaranteed: order between places, and that a message that was accepted by a mail server is delivered.
//
// Errors: a configuration that cannot work is fault.Usage; a place that did not answer in time, or asked for patience until attempts were
// used up, is fault.Retryable; a refusal, such as wrong credentials, is a fault.
package notifyio
