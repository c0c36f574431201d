// Package project reads a Millrace project file: one YAML file that says where the
// lake is, which change streams feed it, and what runs every night.
//
// Nouns. A [File] is the decoded project file. A problem is one mistake in it,
// with file and line. A relative path in it is relative to the file's folder.
//
// Invariants. [Load] returns either a file without mistakes or every mistake at
// once; nothing in the file is ignored, and a setting that would have no effect
// (S3 settings for a folder, a bucket count without a bucket column) is a mistake.
// Secrets are never printed.
//
// Errors: mistakes are one fault.Usage error, a line each.
package project
