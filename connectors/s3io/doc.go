// Package s3io is a bucket on S3, or on a server that speaks its protocol, as a storage.Store.
//
// Nouns. A [Store] is a bucket and a prefix, s3://bucket/prefix, reached at an
// endpoint. A try is one HTTP request; an operation is as many tries as it
// takes within its deadline. A token is a random word that a conditional write
// leaves in its object's metadata (x-amz-meta-millrace-put), by which a write
// whose reply was lost is told from a rival's.
//
// Invariants, beyond those of package storage:
//   - Passing failures (HTTP 5xx and 429, broken, silent or slow connections, cut
//     bodies, damaged uploads) are tried again with exponential backoff and full
//     jitter until [Options.Deadline]; then the error is fault.Retryable.
//   - An operation whose reply was lost is decided by what the bucket holds: a
//     Put with IfAbsent and the end of a multipart upload read their own token back.
//   - A reader is pinned to its object's ETag: bytes of two versions never mix,
//     and a cut body resumes where it broke.
//   - Uploads carry a checksum that the server verifies; a whole object that
//     carries a full CRC32C is verified when it is read by Get.
//   - Memory: a Writer holds at most Concurrency+1 parts, a Reader at most
//     8 read-ahead blocks.
//
// What is not guaranteed: a plain Put that failed may still take effect later,
// if a proxy or the server held it back; give objects that matter fresh names,
// or use IfAbsent. An upload whose process was killed stays in the bucket,
// invisible, until [Store.AbortStale] or a lifecycle rule removes it. A HEAD
// request has no body, so an object in a bucket that was deleted after Open is reported as
// absent.
//
// Errors: wrong credentials, a missing bucket, the wrong region, an untrusted
// certificate are fault.Usage, in one line that names the endpoint, the bucket
// and the access key (never the secret). storage.ErrNotExist, ErrExist,
// ErrTruncated and ErrNoSpace by errors.Is.
package s3io
