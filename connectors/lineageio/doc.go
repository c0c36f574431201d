// Package lineageio tells a lineage store which data a run has read and written, as OpenLineage events.
//
// Nouns. An [Event] is one moment of a run: it starts, completes or fails. A [Dataset] is data that the run reads or writes, with its
// schema and what is known of its quality. An [Emitter] sends events to one place: an HTTP endpoint such as Marquez or DataHub, or a file of JSON
// lines. [Config] is the place as a configuration file has it.
//
// Invariants. Events are what the specification 2-0-2 has, with its facets of schema, data quality, statistics, error, nominal time and
// job type; a test holds them against a schema written from it. An event of a file is one line, appended in one write.
//
// What is not guaranteed: that a store keeps an event. Lineage proves nothing about the data, so a caller may go on where it cannot be told.
//
// Errors: a configuration that cannot work is fault.Usage; a store that does not answer is fault.Retryable; a refusal is a fault. The key is in none.
package lineageio
