// Package strictyaml reads configuration files so that every mistake is told at once, with its line.
//
// Nouns. A target is a Go struct whose fields carry tags: yaml (the key), doc
// (one line for people and editors), default, enum (a|b|c), required ("true"),
// secret ("true"). A [Problem] is one mistake with its file, line and column.
//
// Invariants. Decode either fills the whole target or returns problems; nothing
// is ignored: an unknown key is a problem that names the nearest known key. The
// JSON Schema, the defaults and the masked print come from the same tags, so
// they cannot disagree with what is read.
//
// Values may hold ${NAME} and ${NAME:-default}, taken from the environment; $$
// is a dollar sign. Durations read as Go's ("90s"), sizes as bytes with KiB, MiB, GiB.
package strictyaml
